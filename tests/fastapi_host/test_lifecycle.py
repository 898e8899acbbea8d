"""The router's brokers live and end with the application that includes it."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI, Request
from faststream import FastStream
from faststream.nats import NatsBroker, TestNatsBroker

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import AsgiResponse, get
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client


@get
async def ok():
    return AsgiResponse()


class Recording(NatsBroker):
    """A broker of a real server that notes when it starts and stops."""

    url = ""

    def __init__(self, events, name="broker"):
        super().__init__(self.url)
        self.events = events
        self.name = name

    async def start(self):
        self.events.append(f"start {self.name}")
        await super().start()

    async def stop(self, *args):
        self.events.append(f"stop {self.name}")
        await super().stop(*args)


@pytest.fixture(autouse=True)
def _real_server(nats_url, monkeypatch):
    monkeypatch.setattr(Recording, "url", nats_url)


@pytest.fixture
def events():
    return []


def resource(events, name, **state):
    @asynccontextmanager
    async def lifespan(_):
        events.append(f"open {name}")
        yield state
        events.append(f"close {name}")

    return lifespan


async def test_brokers_run_inside_the_lifespans_of_application_and_router(events):
    app = FastAPI(lifespan=resource(events, "application"))
    router = FastStreamRouter(Recording(events), lifespan=resource(events, "router"))
    app.include_router(router)
    async with asgi_client(app):
        events.append("serve")
    assert events == [
        "open application", "open router", "start broker", "serve", "stop broker",
        "close router", "close application",
    ]  # fmt: skip


async def test_lifespan_of_a_router_may_be_a_generator_function(events):
    async def lifespan(_):
        events.append("open")
        yield
        events.append("close")

    app = FastAPI()
    app.include_router(FastStreamRouter(Recording(events), lifespan=lifespan))
    async with asgi_client(app):
        pass
    assert events == ["open", "start broker", "stop broker", "close"]


async def test_request_state_has_brokers_and_the_state_of_application_and_router(events):
    broker, other = Recording(events), Recording(events)
    app = FastAPI(lifespan=resource(events, "application", database="d"))
    router = FastStreamRouter(broker, other, lifespan=resource(events, "router", cache="c"))

    @router.get("/routed")
    @app.get("/direct")
    async def endpoint(request: Request):
        state = request.state
        assert state.broker is broker
        assert state.brokers == (broker, other)
        return [state.database, state.cache]

    app.include_router(router)
    async with asgi_client(app) as client:
        assert (await client.get("/routed")).json() == ["d", "c"]
        assert (await client.get("/direct")).json() == ["d", "c"]


async def test_state_of_the_application_keeps_its_name(events):
    app = FastAPI(lifespan=resource(events, "application", broker="of mine"))
    router = FastStreamRouter(Recording(events))

    @router.get("/")
    async def endpoint(request: Request):
        return request.state.broker

    app.include_router(router, prefix="/p")
    async with asgi_client(app) as client:
        assert (await client.get("/p/")).json() == "of mine"


async def test_routers_share_a_broker(nats_url):
    broker = NatsBroker(nats_url)
    received = []
    done = asyncio.Event()

    @broker.subscriber("fastapi.shared")
    async def subscriber(message: str):
        received.append(message)
        if message == "last":
            done.set()

    app = FastAPI()
    for prefix in ("/one", "/two"):
        app.include_router(FastStreamRouter(broker, prefix=prefix))
    for _ in range(2):
        done.clear()
        received.clear()
        async with asgi_client(app):
            await broker.publish("first", "fastapi.shared")
            await broker.publish("last", "fastapi.shared")
            await asyncio.wait_for(done.wait(), 10)
        assert received == ["first", "last"]
        assert not await broker.ping(0.05)


async def test_shared_brokers_start_and_stop_once(events):
    shared = Recording(events, "shared")
    app = FastAPI(lifespan=broker_lifespan(shared))
    app.include_router(FastStreamRouter(Recording(events, "own"), shared))
    app.include_router(FastStreamRouter(shared))
    async with asgi_client(app):
        assert events == ["start shared", "start own"]
    assert events[2:] == ["stop own", "stop shared"]


async def test_router_is_included_twice(events):
    router = FastStreamRouter(Recording(events), asgi_routes=[("/it", ok)])
    app = FastAPI()
    app.include_router(router, prefix="/one")
    app.include_router(router, prefix="/two")
    async with asgi_client(app) as client:
        assert (await client.get("/one/it")).status_code == 200
        assert (await client.get("/two/it")).status_code == 200
    assert events == ["start broker", "stop broker"]


async def test_shared_application_runs_its_hooks_once(events):
    target = FastStream(Recording(events))
    for hook in ("on_startup", "after_startup", "on_shutdown", "after_shutdown"):
        getattr(target, hook)(lambda hook=hook: events.append(hook))
    app = FastAPI()
    app.include_router(FastStreamRouter(target, prefix="/one"))
    app.include_router(FastStreamRouter(target, prefix="/two"))
    for _ in range(2):
        async with asgi_client(app):
            pass
        assert events == [
            "on_startup", "start broker", "after_startup",
            "on_shutdown", "stop broker", "after_shutdown",
        ]  # fmt: skip
        events.clear()


async def test_application_that_ended_without_shutdown_does_not_keep_a_broker_from_starting():
    broker = NatsBroker()
    app = FastAPI()
    app.include_router(FastStreamRouter(broker))

    def in_another_loop():
        loop = asyncio.new_event_loop()
        manager = app.router.lifespan_context(app)
        loop.run_until_complete(manager.__aenter__())
        return loop, manager

    async with TestNatsBroker(broker, connect_only=True):
        loop, manager = await asyncio.to_thread(in_another_loop)
        assert broker.start.call_count == 1
        async with asgi_client(app):
            assert broker.start.call_count == 2
        await asyncio.to_thread(loop.run_until_complete, manager.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
def complaints(caplog):
    def messages():
        return [
            record.getMessage()
            for record in caplog.records
            if "FastStreamRouter" in record.getMessage()
        ]

    return messages


def watched(broker):
    # FastStream's own logger does not propagate to the one that the test watches.
    return FastStream(broker, logger=logging.getLogger("tests.fastapi_host"))


@pytest.mark.parametrize("path", ["/handler", "/endpoint"])
async def test_router_that_was_included_too_late_says_so_once(complaints, path):
    router = FastStreamRouter(
        watched(NatsBroker("nats://me:secret@localhost")),
        asgi_routes=[("/handler", ok)],
    )

    @router.get("/endpoint")
    async def endpoint():
        return None

    app = FastAPI()
    async with asgi_client(app) as client:
        app.include_router(router)
        assert (await client.get(path)).status_code == 200
        assert (await client.get(path)).status_code == 200
    [message] = complaints()
    assert "NatsBroker at nats://localhost" in message
    assert "was not started" in message
    assert "Include the router before the application starts" in message


async def test_router_of_a_mounted_application_says_that_nobody_started_it(complaints):
    mounted = FastAPI()
    mounted.include_router(FastStreamRouter(watched(NatsBroker()), asgi_routes=[("/it", ok)]))
    app = FastAPI()
    app.mount("/sub", mounted)
    async with asgi_client(app) as client:
        assert (await client.get("/sub/it")).status_code == 200
    assert "broker_lifespan" in complaints()[0]


async def test_router_says_nothing_where_its_brokers_run(complaints):
    broker = NatsBroker()
    router = FastStreamRouter(watched(broker), asgi_routes=[("/it", ok)])
    mounted = FastAPI()
    mounted.include_router(router)
    app = FastAPI(lifespan=broker_lifespan(broker))
    app.mount("/sub", mounted)
    async with asgi_client(app, broker) as client:
        await client.get("/sub/it")
    async with TestNatsBroker(broker):
        transport_app = FastAPI()
        async with asgi_client(transport_app) as client:
            transport_app.include_router(router)
            await client.get("/it")
    assert complaints() == []


async def test_router_works_through_a_plain_router(events):
    outer = APIRouter(prefix="/outer")
    outer.include_router(FastStreamRouter(Recording(events), asgi_routes=[("/it", ok)]))
    app = FastAPI()
    app.include_router(outer)
    async with asgi_client(app) as client:
        assert (await client.get("/outer/it")).status_code == 200
    assert events == ["start broker", "stop broker"]


@pytest.mark.parametrize("brokers", [(), ("nats://localhost",), (FastAPI,)])
def test_router_takes_brokers_and_nothing_else(brokers):
    with pytest.raises(TypeError, match="FastStreamRouter"):
        FastStreamRouter(*brokers)
