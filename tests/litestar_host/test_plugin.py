"""The plugin in a Litestar application: brokers, state, dependency, lifecycle."""

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from faststream import Context, ContextRepo, FastStream
from faststream.nats import NatsBroker
from faststream.nats.annotations import NatsBroker as AnnotatedBroker
from litestar import Controller, Litestar, Router, asgi
from litestar import get as litestar_get
from litestar.datastructures import State
from litestar.datastructures.state import ImmutableState
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ImproperlyConfiguredException
from litestar.params import FromPath
from litestar.plugins import InitPlugin

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import JSONResponse, Request, get
from faststream_integrations.litestar import FastStreamPlugin, inject
from faststream_integrations.testing import asgi_client


def test_plugin_is_found_by_its_type():
    plugin = FastStreamPlugin(NatsBroker())
    app = Litestar(plugins=[plugin])
    assert app.plugins.get(FastStreamPlugin) is plugin


def test_something_else_than_a_broker_is_refused():
    with pytest.raises(TypeError, match=r"FastStreamPlugin\(\) takes brokers or a FastStream"):
        FastStreamPlugin("nats://localhost")
    with pytest.raises(TypeError, match=r"FastStreamPlugin\(\) takes at least one broker"):
        FastStreamPlugin()


def test_missing_litestar_is_named_with_the_command_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("faststream_integrations.lite")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "litestar", None)
    with pytest.raises(ImportError, match=r"pip install .faststream-integrations\[litestar\]"):
        import faststream_integrations.litestar  # noqa: F401


class Recording(NatsBroker):
    def __init__(self, url, events):
        super().__init__(url)
        self.events = events

    async def start(self):
        self.events.append("start broker")
        await super().start()

    async def stop(self, *args):
        self.events.append("stop broker")
        await super().stop(*args)


async def test_brokers_start_last_and_stop_first(nats_url):
    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append("open user's lifespan")
        yield
        events.append("close user's lifespan")

    @asynccontextmanager
    async def plugin_lifespan(app):
        events.append("open plugin's lifespan")
        yield
        events.append("close plugin's lifespan")

    class OtherPlugin(InitPlugin):
        def on_app_init(self, app_config):
            app_config.lifespan.append(plugin_lifespan)
            return app_config

    app = Litestar(
        lifespan=[lifespan],
        on_startup=[lambda: events.append("on_startup")],
        on_shutdown=[lambda: events.append("on_shutdown")],
        plugins=[OtherPlugin(), FastStreamPlugin(Recording(nats_url, events))],
    )
    async with asgi_client(app):
        events.append("serve")
    assert events == [
        "open user's lifespan",
        "open plugin's lifespan",
        "on_startup",
        "start broker",
        "serve",
        "stop broker",
        "close plugin's lifespan",
        "close user's lifespan",
        "on_shutdown",
    ]


async def test_brokers_stop_when_a_later_hook_fails_the_startup(nats_url):
    events = []

    class HookError(Exception):
        pass

    class LaterPlugin(InitPlugin):
        def on_app_init(self, app_config):
            app_config.on_startup.append(self.fail)
            return app_config

        def fail(self):
            raise HookError

    app = Litestar(plugins=[FastStreamPlugin(Recording(nats_url, events)), LaterPlugin()])
    with pytest.raises(HookError):
        async with asgi_client(app):
            raise AssertionError
    assert events == ["start broker", "stop broker"]


async def test_application_of_faststream_runs_its_lifespan_and_hooks():
    events = []

    @asynccontextmanager
    async def lifespan(context: ContextRepo):
        events.append("open")
        context.set_global("database", "d")
        yield
        events.append("close")

    broker = NatsBroker()
    faststream = FastStream(broker, lifespan=lifespan)
    faststream.after_startup(lambda: events.append("started"))
    faststream.on_shutdown(lambda: events.append("stopping"))

    @litestar_get("/it")
    @inject
    async def handler(database: Annotated[str, Context()]) -> str:
        return database

    async with asgi_client(
        Litestar([handler], plugins=[FastStreamPlugin(faststream)]), broker
    ) as client:
        assert (await client.get("/it")).text == "d"
    assert events == ["open", "started", "stopping", "close"]


async def test_one_plugin_serves_two_applications_one_after_the_other():
    broker = NatsBroker()

    @get
    async def handler(broker: Annotated[NatsBroker, Context()]):
        return JSONResponse("ours")

    plugin = FastStreamPlugin(broker, asgi_routes=[("/it", handler)])
    for _ in range(2):
        async with asgi_client(Litestar(plugins=[plugin]), broker) as client:
            assert (await client.get("/it")).json() == "ours"
    assert len(plugin.specification.http_handlers) == 1


async def test_two_applications_that_run_at_once_share_the_broker(nats_url):
    broker = NatsBroker(nats_url)
    plugin = FastStreamPlugin(broker)
    one, other = Litestar(plugins=[plugin]), Litestar(plugins=[plugin])
    async with asgi_client(one):
        async with asgi_client(other):
            assert await broker.ping(5)
        assert await broker.ping(5)
    assert not await broker.ping(0.05)


async def test_state_of_the_application_has_the_brokers(nats_url):
    one, other = NatsBroker(nats_url), NatsBroker(nats_url)
    app = Litestar(plugins=[FastStreamPlugin(one, other)])
    async with asgi_client(app):
        assert app.state.broker is one
        assert app.state.brokers == (one, other)


async def test_broker_that_comes_at_startup_is_there_too():
    broker, faststream = NatsBroker(), FastStream()
    faststream.on_startup(lambda: faststream.add_broker(broker))

    @litestar_get("/it")
    async def handler(state: State, broker: AnnotatedBroker) -> bool:
        return state.broker is broker and state.brokers == (broker,)

    async with asgi_client(
        Litestar([handler], plugins=[FastStreamPlugin(faststream)]), broker
    ) as client:
        assert (await client.get("/it")).json() is True


async def test_state_that_the_application_has_already_stays():
    app = Litestar(plugins=[FastStreamPlugin(NatsBroker())], state=State({"broker": "mine"}))
    assert app.state.broker == "mine"


async def test_states_of_both_kinds_give_handlers_the_broker_itself():
    broker = NatsBroker()

    @litestar_get("/mutable")
    async def mutable(state: State) -> bool:
        return state.broker is broker

    @litestar_get("/immutable")
    async def immutable(state: ImmutableState) -> bool:
        return state.broker is broker and state.brokers == (broker,)

    app = Litestar([mutable, immutable], plugins=[FastStreamPlugin(broker)])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/mutable")).json() is True
        assert (await client.get("/immutable")).json() is True


async def test_state_of_a_request_has_the_brokers_in_faststream_handlers():
    broker = NatsBroker()

    @get
    async def handler(request: Request):
        return JSONResponse(request.state["broker"] is broker)

    app = Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=[("/it", handler)])])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() is True


async def test_handlers_get_the_broker_by_the_dependency_of_the_plugin():
    broker = NatsBroker()

    @litestar_get("/function")
    async def function(broker: AnnotatedBroker) -> str:
        return type(broker).__name__

    class MyController(Controller):
        path = "/controller"

        @litestar_get()
        async def method(self, broker: NamedDependency[NatsBroker]) -> str:
            return type(broker).__name__

    app = Litestar(
        [function, Router("/router", route_handlers=[MyController])],
        plugins=[FastStreamPlugin(broker)],
    )
    async with asgi_client(app, broker) as client:
        assert (await client.get("/function")).text == "NatsBroker"
        assert (await client.get("/router/controller")).text == "NatsBroker"
        for path in (await client.get("/schema/openapi.json")).json()["paths"].values():
            assert "parameters" not in path["get"]


async def test_dependency_has_another_name_where_told_so():
    broker = NatsBroker()

    @litestar_get("/{broker:str}")
    async def handler(broker: FromPath[str], nats: NamedDependency[NatsBroker]) -> str:
        return f"{broker} {type(nats).__name__}"

    app = Litestar([handler], plugins=[FastStreamPlugin(broker, dependency_key="nats")])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).text == "it NatsBroker"


async def test_dependency_of_the_application_with_the_same_name_stays():
    @litestar_get("/it")
    async def handler(broker: NamedDependency[str]) -> str:
        return broker

    broker = NatsBroker()
    app = Litestar(
        [handler],
        plugins=[FastStreamPlugin(broker)],
        dependencies={"broker": Provide(lambda: "mine", sync_to_thread=False)},
    )
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).text == "mine"


async def test_handler_publishes_to_its_subscriber(nats_url):
    broker = NatsBroker(nats_url)
    received = asyncio.Queue()

    @broker.subscriber("litestar.in")
    async def subscriber(message: str):
        await received.put(message)

    @litestar_get("/it")
    async def handler(broker: AnnotatedBroker) -> None:
        await broker.publish("hello", "litestar.in")

    async with asgi_client(Litestar([handler], plugins=[FastStreamPlugin(broker)])) as client:
        assert (await client.get("/it")).status_code == 200
        assert await asyncio.wait_for(received.get(), 10) == "hello"


async def test_broker_lifespan_without_the_plugin_brings_context_to_handlers_and_inject():
    broker = NatsBroker()

    @get
    async def handler(broker: Annotated[NatsBroker, Context()]):
        return JSONResponse("ours")

    @asgi("/bare", copy_scope=True)
    async def bare(scope: dict, receive: object, send: object) -> None:
        await handler(scope, receive, send)

    @litestar_get("/injected")
    @inject
    async def injected(it: Annotated[NatsBroker, Context("broker")]) -> bool:
        return it is broker

    app = Litestar([bare, injected], lifespan=[broker_lifespan(broker)])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/bare")).json() == "ours"
        assert (await client.get("/injected")).json() is True


def test_brokers_get_nothing_that_they_had_not():
    broker = NatsBroker()
    before = set(vars(broker))
    Litestar(plugins=[FastStreamPlugin(broker)])
    assert set(vars(broker)) == before


async def test_several_plugins_are_found_by_their_keys():
    orders, audit = NatsBroker(), NatsBroker()
    plugins = [
        FastStreamPlugin(orders, dependency_key="orders"),
        FastStreamPlugin(audit, dependency_key="audit"),
        FastStreamPlugin(audit, dependency_key="same"),
    ]

    @litestar_get("/both")
    async def both(
        orders: NamedDependency[NatsBroker], audit: NamedDependency[NatsBroker]
    ) -> list[int]:
        return [id(orders), id(audit)]

    app = Litestar([both], plugins=plugins)
    for plugin in plugins:
        assert FastStreamPlugin.of(app, plugin.dependency_key) is plugin
    with pytest.raises(KeyError, match=r"'other', only \['audit', 'orders', 'same'\]"):
        FastStreamPlugin.of(app, "other")
    async with asgi_client(app, orders, audit) as client:
        assert (await client.get("/both")).json() == [id(orders), id(audit)]


def test_two_brokers_of_one_key_are_refused():
    with pytest.raises(ImproperlyConfiguredException, match="dependency_key="):
        Litestar(plugins=[FastStreamPlugin(NatsBroker()), FastStreamPlugin(NatsBroker())])
    broker = NatsBroker()
    Litestar(plugins=[FastStreamPlugin(broker), FastStreamPlugin(broker)])
