"""Litestar's dependency injection in subscribers."""

import functools
from contextlib import asynccontextmanager
from typing import Annotated, Any

import faststream
import litestar
import pytest
from fastapi import FastAPI
from faststream import Context
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker, TestNatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from pydantic import BaseModel

from faststream_integrations import AsgiFastStream
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.subscribers.compiled import is_compiled


class Order(BaseModel):
    id: int


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


@asynccontextmanager
async def running(
    broker: NatsBroker, dependencies: Any = None, by_name: Any = None, **options: Any
) -> Any:
    plugin = FastStreamPlugin(broker, dependencies=by_name)
    app = Litestar(plugins=[plugin], dependencies=dependencies, **options)
    async with asgi_client(app, broker) as client:
        yield client


async def ask(broker: NatsBroker, body: Any, subject: str = "orders", **options: Any) -> Any:
    return await (await broker.request(body, subject, **options)).decode()


events: list[str] = []


@pytest.fixture(autouse=True)
def no_events():
    events.clear()


async def function() -> str:
    events.append("function")
    return "function"


def inline() -> str:
    return "inline"


class Class:
    def __init__(self, limit: int = 3) -> None:
        self.limit = limit

    def __str__(self) -> str:
        return f"class {self.limit}"


async def generator() -> Any:
    events.append("open")
    try:
        yield "generator"
    except ZeroDivisionError:
        events.append("rolled back")
        raise
    events.append("committed")


def generator_def() -> Any:
    yield "generator_def"


PROVIDERS = {
    "function": (Provide(function), "function"),
    "bare": (function, "function"),
    "inline": (Provide(inline, sync_to_thread=False), "inline"),
    "in-thread": (Provide(inline, sync_to_thread=True), "inline"),
    "class": (Provide(Class, sync_to_thread=False), "class 3"),
    "partial": (Provide(functools.partial(function)), "function"),
    "lambda": (Provide(lambda: "lambda", sync_to_thread=False), "lambda"),
    "generator": (Provide(generator), "generator"),
    "generator-def": (Provide(generator_def), "generator_def"),
}


@pytest.mark.parametrize("where", ["marked", "below faststream", "by name"])
@pytest.mark.parametrize(("provider", "result"), PROVIDERS.values(), ids=PROVIDERS)
async def test_provider(broker, provider, result, where):
    subscriber = broker.subscriber("orders")

    async def below(value: NamedDependency[Any]) -> str:
        return str(value)

    if where == "marked":

        @subscriber
        async def marked(order: Order, value: NamedDependency[Any]) -> str:
            return f"{order.id} {value}"

    elif where == "by name":

        @subscriber
        async def by_name(order: Order, value: Any) -> str:
            return f"{order.id} {value}"

    else:

        @subscriber
        async def with_below(order: Order, value: Annotated[Any, faststream.Depends(below)]) -> str:
            return f"{order.id} {value}"

    given = {"value": provider}
    options = {"by_name": given} if where == "by name" else {"dependencies": given}
    async with running(broker, **options):
        assert await ask(broker, {"id": 1, "value": "evil"}) == f"1 {result}"
        assert is_compiled(subscriber)


async def test_providers_depend_on_each_other_and_on_the_state(broker):
    async def session(pool: str, state: State) -> Any:
        events.append("open")
        yield f"session of {pool} {state.name}"
        events.append("close")

    async def repository(session: NamedDependency[str], pool: str, limit: int = 3) -> str:
        return f"repository of {session}, {pool}, {limit}"

    @broker.subscriber("orders")
    async def handle(
        order: Order, repository: NamedDependency[str], session: NamedDependency[str], state: State
    ) -> list[str]:
        events.append("handler")
        return [repository, session, state.name]

    dependencies = {"pool": function, "session": session, "repository": repository}
    async with running(broker, dependencies, state=State({"name": "shop"})):
        found = await ask(broker, {"id": 1, "limit": 99})

    expected = "session of function shop"
    assert found == [f"repository of {expected}, function, 3", expected, "shop"]
    assert events == ["function", "open", "handler", "close"]


async def test_cached_provider_runs_once(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str]) -> str:
        return value

    async with running(broker, {"value": Provide(function, use_cache=True)}):
        assert [await ask(broker, {"id": 1}) for _ in range(3)] == ["function"] * 3

    assert events == ["function"]


async def test_failure_rolls_back(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, session: NamedDependency[str]) -> None:
        events.append("handler")
        raise ZeroDivisionError

    async with running(broker, {"session": Provide(generator)}):
        with pytest.raises(ZeroDivisionError):
            await ask(broker, {"id": 1})

    assert events == ["open", "handler", "rolled back"]


async def test_names_of_the_application_take_nothing_from_the_body(broker):
    """Only those that the plugin was given, or a marker."""

    @broker.subscriber("orders")
    async def handle(id: int, broker: str) -> str:
        return broker

    async with running(broker, {"id": Provide(function)}):
        assert await ask(broker, {"id": 1, "broker": "of the body"}) == "of the body"


async def test_keys_of_the_plugin_are_dependencies_of_routes_too(broker):
    @get("/it")
    async def route(value: NamedDependency[str]) -> str:
        return value

    async with running(broker, by_name={"value": function}, route_handlers=[route]) as client:
        assert (await client.get("/it")).text == "function"


async def test_lifespan_and_state_are_found_by_context(broker):
    @asynccontextmanager
    async def lifespan(app: Litestar) -> Any:
        app.state.pool = {"size": 3}
        yield

    @broker.subscriber("orders")
    async def handle(order: Order, size: Annotated[int, Context("pool.size")]) -> int:
        return size

    async with running(broker, lifespan=[lifespan]):
        assert await ask(broker, {"id": 1}) == 3


async def of_request(request: litestar.Request[Any, Any, Any]) -> None: ...
async def of_headers(headers: dict[str, str]) -> None: ...
async def of_query(limit: int) -> None: ...
async def below(other: None) -> None: ...
async def of_data(data: bytes) -> None: ...


@pytest.mark.parametrize("provider", [of_request, of_headers, of_query, below])
async def test_provider_that_needs_a_request_fails_the_start(broker, provider):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[None]) -> None: ...

    with pytest.raises(SetupError, match=r"The subscriber .*handle: The parameter .*\.of_"):
        async with running(broker, {"value": provider, "other": of_data}):
            raise AssertionError("it started")


async def test_dependency_that_nobody_provides_fails_the_start(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[None]) -> None: ...

    with pytest.raises(SetupError, match="has none of that name"):
        async with running(broker):
            raise AssertionError("it started")


async def test_dependencies_do_not_run_without_the_application(broker):
    FastStreamPlugin(broker)

    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str]) -> None: ...

    async with TestNatsBroker(broker):
        with pytest.raises(SetupError, match=r"asgi_client\(app, broker\)"):
            await ask(broker, {"id": 1})


def fastapi_app(broker: NatsBroker) -> FastAPI:
    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    return app


@pytest.mark.parametrize("build", [AsgiFastStream, fastapi_app])
async def test_host_that_is_not_litestar_does_not_start(broker, build):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str]) -> None: ...

    with pytest.raises(SetupError, match="is Litestar's to fill"):
        async with asgi_client(build(broker), broker):
            raise AssertionError("it started")


async def test_applications_have_dependencies_of_their_own(broker):
    async def other() -> str:
        return "other"

    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str]) -> str:
        return value

    async with running(broker, {"value": Provide(function)}):
        assert await ask(broker, {"id": 1}) == "function"
    async with running(broker, {"value": Provide(other)}):
        assert await ask(broker, {"id": 1}) == "other"


async def test_overrides_of_a_provider_of_fast_depends(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str]) -> str:
        return value

    async with running(broker, {"value": Provide(function)}):
        with broker.provider.scope(function, lambda: "fake"):
            assert await ask(broker, {"id": 1}) == "fake"
        assert await ask(broker, {"id": 1}) == "function"


async def test_document_has_the_message_only(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: NamedDependency[str], state: State) -> None: ...

    FastStreamPlugin(broker)
    document = AsyncAPI(broker).to_specification().to_jsonable()

    assert set(document["components"]["schemas"]) == {"Order"}
