"""`Context`, `Depends` and `Logger` in ordinary endpoints of FastAPI."""

import json
import logging
import warnings
from typing import Annotated, Any

import fastapi
import faststream
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from faststream import FastStream
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker, TestNatsBroker

from faststream_integrations import asgi, broker_lifespan
from faststream_integrations.asgi import JSONResponse, get
from faststream_integrations.fastapi import Context, Depends, FastStreamRouter, Logger
from faststream_integrations.testing import asgi_client

BrokerFromContext = Annotated[NatsBroker, Context("broker")]


def with_router(broker):
    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    return app


def with_lifespan(broker):
    return FastAPI(lifespan=broker_lifespan(broker))


@pytest.fixture(params=[with_router, with_lifespan])
def app(request, broker):
    return request.param(broker)


@pytest.fixture
def broker():
    return NatsBroker()


def describe(broker: BrokerFromContext, answer: Annotated[int, Context("answer")]):
    return f"{type(broker).__name__} {answer}"


async def dependency(described: Annotated[str, Depends(describe)], logger: Logger):
    logger.info("described")
    return described


Described = Annotated[str, Depends(dependency)]


async def test_context_works_in_path_operations_and_their_dependencies(app, broker):
    router = APIRouter()
    nested = APIRouter()

    @app.get("/on-app")
    @router.get("/on-router")
    @nested.get("/nested")
    async def endpoint(described: Described, answer: Annotated[int, Context("answer")], q: int):
        return [described, answer, q]

    @app.get("/sync")
    def sync(described: Described, q: int, answer: int = Context("answer")):
        return [described, answer, q]

    router.include_router(nested)
    app.include_router(router)
    async with asgi_client(app, broker) as client:
        broker.context.set_global("answer", 42)
        for path in ("/on-app", "/on-router", "/nested", "/sync"):
            response = await client.get(f"{path}?q=1")
            assert response.json() == ["NatsBroker 42", 42, 1], path


async def test_context_works_in_mounted_applications(app, broker):
    mounted = FastAPI()

    @mounted.get("/it")
    async def endpoint(broker_: BrokerFromContext):
        return broker_ is broker

    app.mount("/sub", mounted)
    async with asgi_client(app, broker) as client:
        assert (await client.get("/sub/it")).json() is True


async def test_context_works_in_websockets(broker):
    app = FastAPI()
    router = FastStreamRouter(broker)

    @router.websocket("/on-router")
    @app.websocket("/on-app")
    async def endpoint(websocket: WebSocket, broker_: BrokerFromContext, described: Described):
        await websocket.accept()
        await websocket.send_json([broker_ is broker, described])

    app.include_router(router)
    broker.context.set_global("answer", 42)
    async with TestNatsBroker(broker), app.router.lifespan_context(app) as state:
        for path in ("/on-app", "/on-router"):
            assert await first_message_of(app, path, state) == [True, "NatsBroker 42"]


async def first_message_of(app, path, state):
    """Open a websocket and return what is sent first."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await app(
        {
            "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": path,
            "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
            "subprotocols": [], "state": {**state}, "client": ("c", 1), "server": ("s", 1),
        },
        receive,
        send,
    )  # fmt: skip
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    return json.loads(sent[1]["text"])


async def test_one_value_is_resolved_in_every_way_that_faststream_knows(app, broker):
    @app.get("/it")
    async def endpoint(
        request: Request,
        same: Annotated[Any, Context("request")],
        context: Annotated[Any, Context("context")],
        logger: Logger,
        nested: Annotated[int, Context("settings.limit")],
        absent: Annotated[str, Context("absent", default="d")],
        cache: Annotated[list[int], Context("cache", initial=list)],
    ):
        assert same is request
        assert context is broker.context
        assert isinstance(logger, logging.Logger)
        cache.append(1)
        return [nested, absent, len(cache)]

    async with asgi_client(app, broker) as client:
        broker.context.set_global("settings", {"limit": 7})
        assert (await client.get("/it")).json() == [7, "d", 1]
        assert (await client.get("/it")).json() == [7, "d", 2]


async def test_context_of_an_application_without_brokers():
    target = FastStream()
    target.context.set_global("settings", {"limit": 7})
    app = FastAPI()
    app.include_router(FastStreamRouter(target))

    @app.get("/it")
    async def endpoint(
        limit: Annotated[int, Context("settings.limit")],
        application: Annotated[FastStream, Context("app")],
    ):
        return [limit, application is target]

    async with asgi_client(app) as client:
        assert (await client.get("/it")).json() == [7, True]


async def test_missing_value_is_an_error_that_names_it(app, broker):
    @app.get("/it")
    async def endpoint(absent: Annotated[str, Context("absent")]):
        raise AssertionError

    async with asgi_client(app, broker) as client:
        with pytest.raises(LookupError, match=r"GET /it asks for Context\('absent'\)"):
            await client.get("/it")


async def test_context_without_an_application_says_what_to_do():
    app = FastAPI()

    @app.get("/it")
    async def endpoint(broker: BrokerFromContext):
        raise AssertionError

    async with asgi_client(app) as client:
        with pytest.raises(LookupError, match="broker_lifespan"):
            await client.get("/it")


async def test_context_can_be_overridden(app, broker):
    @app.get("/it")
    async def endpoint(described: Described, answer: Annotated[int, Context("answer")]):
        return [described, answer]

    app.dependency_overrides[Context("answer")] = lambda: 5
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() == ["NatsBroker 5", 5]
        app.dependency_overrides[dependency] = lambda: "overridden"
        assert (await client.get("/it")).json() == ["overridden", 5]


OURS = {
    "required": Context("price"),
    "default": Context("price", default=1),
    "initial": Context("price", initial=lambda: 2),
    "dotted": Context("shop.price"),
}
FASTSTREAM_S = {
    "faststream's": faststream.Context("price"),
    "faststream's default": faststream.Context("price", default=1),
    "faststream's dotted": faststream.Context("shop.price", initial=lambda: 2),
}


async def replacement(x_price: Annotated[int, fastapi.Header()] = 8) -> int:
    return x_price


def overridden(broker, **routes):
    app = FastAPI()
    app.include_router(FastStreamRouter(broker, **routes))
    app.dependency_overrides |= {Context("price"): replacement, Context("shop.price"): replacement}
    return app


@pytest.mark.parametrize("marker", OURS.values(), ids=OURS)
async def test_context_is_overridden_by_its_key_in_dependencies_of_fastapi(broker, marker):
    """Whatever the parameter is called, and whatever the marker says of a missing value."""

    async def below(value: Annotated[int, marker]) -> int:
        return value

    found = Annotated[int, marker]
    in_below = Annotated[int, fastapi.Depends(below)]

    @broker.subscriber("prices")
    async def handle(body: int, value: found, below: in_below) -> list[int]:
        return [value, below]

    @get
    async def handler(value: found, below: in_below) -> list[int]:
        return [value, below]

    app = overridden(broker, asgi_routes=[("/handler", handler)])

    @app.get("/endpoint")
    async def endpoint(value: found, below: in_below) -> list[int]:
        return [value, below]

    async with asgi_client(app, broker) as client:
        for path in ("/endpoint", "/handler"):
            answer = await client.get(path, headers={"x-price": "9"})
            assert answer.json() == [9, 9]
        reply = await broker.request(1, "prices", headers={"x-price": "9"})
        assert await reply.decode() == [9, 9]
        app.dependency_overrides.clear()
        if marker is OURS["default"]:
            assert (await client.get("/endpoint")).json() == [1, 1]
            assert (await client.get("/handler")).json() == [1, 1]
            assert await (await broker.request(1, "prices")).decode() == [1, 1]


@pytest.mark.parametrize("marker", (OURS | FASTSTREAM_S).values(), ids=OURS | FASTSTREAM_S)
async def test_context_is_overridden_by_its_key_in_dependencies_of_faststream(broker, marker):
    found = Annotated[int, marker]

    async def below(value: found) -> int:
        return value

    in_below = Annotated[int, faststream.Depends(below)]

    @broker.subscriber("prices")
    async def handle(body: int, value: found, below: in_below) -> list[int]:
        return [value, below]

    @get
    async def handler(value: found, below: in_below) -> list[int]:
        return [value, below]

    app = overridden(broker, asgi_routes=[("/handler", handler)])
    async with asgi_client(app, broker) as client:
        answer = await client.get("/handler", headers={"x-price": "9"})
        assert answer.json() == [9, 9]
        reply = await broker.request(1, "prices", headers={"x-price": "9"})
        assert await reply.decode() == [9, 9]


async def test_dependencies_are_cached_within_a_request(app, broker):
    calls = []

    async def counted():
        calls.append(1)
        return len(calls)

    def through(number: Annotated[int, Depends(counted)]):
        return number

    @app.get("/it")
    async def endpoint(
        a: Annotated[int, Depends(counted)],
        b: Annotated[int, Depends(through)],
        c: Annotated[int, Depends(counted, use_cache=False)],
        cache: Annotated[list[int], Context("cache", initial=list)],
        same: Annotated[list[int], Context("cache", initial=list)],
    ):
        assert cache is same
        return [a, b, c]

    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() == [1, 1, 2]


async def test_generator_dependencies_close(app, broker):
    events = []

    async def resource(broker_: BrokerFromContext):
        events.append("open")
        yield broker_
        events.append("close")

    @app.get("/it")
    async def endpoint(opened: Annotated[NatsBroker, Depends(resource, scope="function")]):
        assert opened is broker

    async with asgi_client(app, broker) as client:
        await client.get("/it")
    assert events == ["open", "close"]


async def test_markers_leave_no_trace_in_openapi(app):
    @app.get("/it")
    async def endpoint(described: Described, broker: BrokerFromContext, logger: Logger, q: int):
        raise AssertionError

    operation = app.openapi()["paths"]["/it"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["q"]
    assert "requestBody" not in operation


async def test_one_dependency_serves_endpoints_handlers_and_subscribers(broker):
    received = []

    @broker.subscriber("in")
    async def subscriber(message: str, described: Described, broker_: BrokerFromContext):
        received.append((message, described, broker_ is broker))

    @get
    async def handler(described: Described, broker_: BrokerFromContext):
        return JSONResponse([described, broker_ is broker])

    app = FastAPI()
    app.include_router(FastStreamRouter(broker, asgi_routes=[("/handler", handler)]))

    @app.get("/endpoint")
    async def endpoint(described: Described, broker_: BrokerFromContext):
        return [described, broker_ is broker]

    broker.context.set_global("answer", 42)
    broker.context.set_global("broker", broker)
    async with asgi_client(app, broker) as client:
        assert (await client.get("/handler")).json() == ["NatsBroker 42", True]
        assert (await client.get("/endpoint")).json() == ["NatsBroker 42", True]
        await broker.publish("m", "in")
    assert received == [("m", "NatsBroker 42", True)]


@pytest.mark.parametrize("in_each_other", [False, True])
async def test_each_router_gives_its_endpoints_its_own_broker(in_each_other):
    app = FastAPI()
    brokers = [NatsBroker(), NatsBroker()]
    routers = []

    async def which(broker: BrokerFromContext, request: Request):
        assert request.state.broker is broker
        return brokers.index(broker)

    @get
    async def handler(broker: BrokerFromContext):
        return JSONResponse(brokers.index(broker))

    for number, broker in enumerate(brokers):
        router = FastStreamRouter(broker, prefix=f"/{number}", asgi_routes=[("/handler", handler)])
        nested = APIRouter()
        for each in (router, nested):
            each.get("/nested" if each is nested else "/it")(which)
        router.include_router(nested)
        routers.append(router)
    if in_each_other:
        routers[0].include_router(routers.pop())
    for router in routers:
        app.include_router(router)
    app.get("/it")(which)

    async with asgi_client(app, *brokers) as client:
        for number in range(2):
            for path in ("handler", "it", "nested"):
                prefix = "/0/1" if number and in_each_other else f"/{number}"
                assert (await client.get(f"{prefix}/{path}")).json() == number, path
        assert (await client.get("/it")).json() == 0


# FastStream's own markers


async def depends_on_a_foreign_marker(logger: faststream.Logger):
    raise AssertionError


async def depends_on_that(value: Annotated[str, fastapi.Depends(depends_on_a_foreign_marker)]):
    raise AssertionError


def upstream_context(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from faststream.nats.fastapi import Context as UpstreamContext
    return Annotated[str, UpstreamContext(name)]


FOREIGN = [
    (Annotated[str, faststream.Context()], r"`Context\('value'\)`"),
    (Annotated[str, faststream.Context("name")], r"`Context\('name'\)`"),
    (Annotated[str, faststream.Context], r"`Context\('value'\)`"),
    (Annotated[str, Context], r"`Context\('value'\)`"),
    (faststream.Logger, "`value: Logger`"),
    (faststream.ContextRepo, r"`Context\('context'\)`"),
    (Annotated[str, faststream.Depends(dependency)], r"`Depends\(...\)`"),
    (Annotated[str, faststream.Header()], "reads a message"),
    (Annotated[str, asgi.Header()], r"`Header\(\)`, with `from fastapi import Header`"),
    (asgi.Request, r"`Context\('request'\)`"),
    (Annotated[str, fastapi.Depends(depends_on_that)], "`value|logger: Logger`"),
    (upstream_context("name"), "Only FastStream's own router fills it"),
]


@pytest.mark.parametrize(("annotation", "advice"), FOREIGN)
def test_foreign_marker_is_refused_where_it_is_registered(broker, annotation, advice):
    router = FastStreamRouter(broker)

    async def endpoint(value: annotation):
        raise AssertionError

    async def in_default(value=annotation.__metadata__[0]):
        raise AssertionError

    for register in (router.get("/it"), router.websocket("/ws")):
        for function in (endpoint, in_default):
            with pytest.raises(SetupError, match=advice):
                register(function)


def test_names_that_exist_for_type_checkers_only_are_left_to_fastapi(broker):
    async def exists_for_type_checkers(value: Annotated[str, Context("x")]) -> "Nothing":  # noqa: F821
        raise AssertionError

    app = FastAPI()
    router = FastStreamRouter(broker)
    router.get("/it", response_model=None)(exists_for_type_checkers)
    app.include_router(router)
    assert "parameters" not in app.openapi()["paths"]["/it"]["get"]


@pytest.mark.parametrize("method", ["get", "websocket"])
def test_foreign_marker_is_refused_in_a_dependency_without_a_parameter(broker, method):
    router = FastStreamRouter(broker)
    dependencies = [fastapi.Depends(depends_on_that)]
    register = getattr(router, method)("/it", dependencies=dependencies)
    with pytest.raises(SetupError, match="`logger: Logger`"):
        register(dependency)


@pytest.mark.parametrize("where", ["app", "nested", "mounted", "dependency"])
async def test_foreign_marker_is_refused_when_the_application_starts(broker, where):
    app = FastAPI()
    router = APIRouter()
    mounted = FastAPI()

    async def endpoint(value: Annotated[str, faststream.Context("name")]):
        raise AssertionError

    if where == "dependency":
        app.get("/it", dependencies=[fastapi.Depends(endpoint)])(dependency)
    else:
        {"app": app, "nested": router, "mounted": mounted}[where].get("/it")(endpoint)
    app.include_router(router)
    app.mount("/mounted", mounted)
    app.include_router(FastStreamRouter(broker))
    with pytest.raises(SetupError, match=r"endpoint is marked with .*Context\('name'\)"):
        async with asgi_client(app, broker):
            raise AssertionError


async def test_override_replaces_a_dependency_wherever_it_is_used():
    """By FastAPI's `Depends`, FastStream's and ours; in endpoints, handlers and subscribers."""

    async def real() -> str:
        return "real"

    async def below(value: Annotated[str, faststream.Depends(real)]) -> str:
        return f"below {value}"

    @get
    async def handler(
        theirs: Annotated[str, faststream.Depends(below)], ours: Annotated[str, Depends(real)]
    ) -> list[str]:
        return [theirs, ours]

    broker = NatsBroker()

    @broker.subscriber("orders")
    async def subscriber(
        body: int,
        theirs: Annotated[str, faststream.Depends(below)],
        ours: Annotated[str, Depends(real)],
        host: Annotated[str, fastapi.Depends(real)],
    ) -> list[str]:
        return [theirs, ours, host]

    app = FastAPI()
    app.include_router(FastStreamRouter(broker, asgi_routes=[("/handler", handler)]))
    app.add_route("/route", handler)

    @app.get("/endpoint")
    async def endpoint(
        ours: Annotated[str, Depends(real)], host: Annotated[str, fastapi.Depends(real)]
    ) -> list[str]:
        return [ours, host]

    async with asgi_client(app, broker) as client:

        async def everywhere() -> list[str]:
            paths = ("/handler", "/route", "/endpoint")
            found = [value for path in paths for value in (await client.get(path)).json()]
            return found + await (await broker.request(1, "orders")).decode()

        expected = ["below {0}", "{0}", "below {0}", "{0}", "{0}", "{0}", "below {0}", "{0}", "{0}"]
        assert await everywhere() == [each.format("real") for each in expected]
        app.dependency_overrides[real] = lambda: "fake"
        assert await everywhere() == [each.format("fake") for each in expected]
        app.dependency_overrides = {}
        assert await everywhere() == [each.format("real") for each in expected]
