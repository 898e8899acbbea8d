"""Mistakes are told where they are made, with what to write instead."""

import re
from typing import Annotated, Any

import fastapi
import litestar
import pytest
import starlette.requests
from faststream import Context, Depends
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from faststream.redis import RedisBroker
from faststream.redis.annotations import RedisBroker as AnnotatedRedisBroker
from starlette.websockets import WebSocket

from faststream_integrations.asgi import (
    AsgiFastStream,
    Body,
    Cookie,
    Header,
    JSONResponse,
    Path,
    Query,
    get,
    post,
)
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client

MARKERS = [Query, Header, Path, Cookie, Body]


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3,), {}, "write {}(default=3)"),
        ((None,), {}, "write {}(default=None)"),
        ((...,), {}, "leave the dots out"),
        ((), {"ge": 1}, r"Annotated[int, {}(), Field(ge=1)]"),
        ((), {"alias": "x"}, "{}('x')"),
        ((), {"nonsense": 1}, "does not take 'nonsense'"),
    ],
)
def test_arguments_that_fastapi_takes(marker, arguments, options, message):
    with pytest.raises(SetupError, match=re.escape(message.format(marker.__name__))):
        marker(*arguments, **options)


@pytest.mark.parametrize(
    ("marker", "what"),
    [
        (Header("X-\u041a"), "no name of a header"),
        (Header("x y"), "no name of a header"),
        (Header("x:"), "no name of a header"),
        (Cookie("a=b"), "no name of a cookie"),
        (Cookie("a;b"), "no name of a cookie"),
    ],
)
def test_names_that_no_client_can_send(marker, what):
    async def handler(value):
        return value

    handler.__annotations__["value"] = Annotated[str, marker]
    with pytest.raises(SetupError, match=f"'value' of .*handler: .* is {what}"):
        get(handler)


@pytest.mark.parametrize("marker", [*MARKERS, Context, Depends])
@pytest.mark.parametrize("as_default", [False, True])
def test_a_marker_without_parentheses(marker, as_default):
    async def handler(scope, value):
        return value

    if as_default:
        handler.__defaults__ = (marker,)
    else:
        handler.__annotations__["value"] = Annotated[int, marker]
    with pytest.raises(SetupError, match=rf"write {marker.__name__}\(\)"):
        get(handler)


async def user() -> str:
    return "ann"


@pytest.mark.parametrize(
    "marker", [litestar.params.Parameter(), fastapi.Query(), fastapi.Depends(user)]
)
def test_a_marker_of_another_framework_under_plain_asgi(marker):
    async def handler(scope, value=marker):
        return value

    with pytest.raises(SetupError, match="nobody would fill here"):
        AsgiFastStream(asgi_routes=[("/", get(handler))])


@pytest.mark.parametrize(
    "kind", [starlette.requests.Request, fastapi.Request, starlette.requests.HTTPConnection]
)
async def test_a_request_of_starlettes_is_given(host, broker, kind):
    async def dependency(connection):
        return connection.headers["x-user"]

    dependency.__annotations__["connection"] = kind

    async def handler(request, body: Annotated[dict[str, int], Body()], user=Depends(dependency)):
        received = await request.json() if hasattr(request, "json") else body
        return JSONResponse([type(request).__name__, user, received, body, request.url.path])

    handler.__annotations__["request"] = kind
    path = f"{host.prefix}/it"
    async with host.client(broker, asgi_routes=[("/it", post(handler))]) as client:
        response = await client.post("/it", json={"a": 1}, headers={"x-user": "ann"})
    assert response.json()[:4] == [kind.__name__, "ann", {"a": 1}, {"a": 1}]
    assert response.json()[4] in (path, "/it")


def test_a_websocket_is_refused():
    async def handler(socket: WebSocket):
        return None

    with pytest.raises(SetupError, match="a handler answers HTTP requests"):
        get(handler)


async def test_a_request_of_litestars_is_litestars_to_give(broker):
    @get
    async def handler(request: litestar.Request):
        return JSONResponse(type(request).__name__)

    app = litestar.Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=[("/it", handler)])])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() == "Request"
    with pytest.raises(SetupError, match="`request: Request` with `from faststream_integrations"):
        AsgiFastStream(asgi_routes=[("/it", handler)])


# Brokers by class


def asking(kind: Any, **options: Any) -> Any:
    async def handler(broker):
        return JSONResponse(type(broker).__name__)

    handler.__annotations__["broker"] = Annotated[kind, Context("broker", **options)]
    return get(handler)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (NatsBroker, "NatsBroker"),
        (RedisBroker, "RedisBroker"),
        (RedisBroker | None, "RedisBroker"),
        (AnnotatedRedisBroker, "RedisBroker"),
        (Any, "NatsBroker"),
        (object, "NatsBroker"),
    ],
)
async def test_a_broker_is_found_by_its_class(host, kind, found):
    brokers = NatsBroker(), RedisBroker()
    async with host.client(*brokers, asgi_routes=[("/it", asking(kind))]) as client:
        assert (await client.get("/it")).json() == found


@pytest.mark.parametrize("make", ["asgi", "fastapi", "litestar"])
async def test_a_broker_that_is_not_there_fails_the_start(make):
    async def dependency(broker: Annotated[RedisBroker, Context("broker")]):
        return broker

    @get
    async def handler(_: Annotated[Any, Depends(dependency)]):
        return None

    broker = NatsBroker()
    routes = [("/it", handler)]
    if make == "asgi":
        app: Any = AsgiFastStream(broker, asgi_routes=routes)
    elif make == "fastapi":
        app = fastapi.FastAPI()
        app.include_router(FastStreamRouter(broker, asgi_routes=routes))
    else:
        app = litestar.Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=routes)])
    with pytest.raises(BaseException) as raised:
        async with asgi_client(app, broker):
            pass
    assert "asks for a RedisBroker, and the application has NatsBroker" in str(raised.value)
    assert not broker.running


async def test_a_broker_that_is_not_there_may_have_a_default(host, broker):
    handler = asking(RedisBroker, default=None)
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).json() == "NoneType"
