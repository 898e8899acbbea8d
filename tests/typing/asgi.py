"""Types of plain ASGI's public names; mypy checks this file, nothing runs it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from faststream import ContextRepo, FastStream, Logger
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import HttpHandler as UpstreamHttpHandler
from faststream.asgi import get as upstream_get
from faststream.nats import NatsBroker
from faststream.rabbit import RabbitBroker
from faststream.specification import AsyncAPI
from typing_extensions import assert_type

from faststream_integrations import (
    AsgiFastStream,
    AsyncAPIRoute,
    make_asyncapi_asgi,
    make_ping_asgi,
)
from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Cookie,
    Header,
    HttpHandler,
    JSONResponse,
    Path,
    Query,
    Request,
    as_asgi,
    delete,
    get,
    patch,
    post,
    put,
)
from faststream_integrations.asgi.types import ASGIApp, Receive, Scope, Send
from faststream_integrations.testing import NatsServer, asgi_client, nats_server

broker = NatsBroker()
rabbit = RabbitBroker()
service = FastStream(broker)


# Handlers


async def function(scope: Scope) -> AsgiResponse:
    return AsgiResponse(b"", status_code=204, headers={"a": "b"})


def synchronous() -> JSONResponse:
    return JSONResponse({"a": [1]}, 200, [("a", "b"), ("a", "c")])


for decorator in (get, post, put, patch, delete):
    assert_type(decorator(function), HttpHandler)
    assert_type(decorator(synchronous), HttpHandler)
    assert_type(
        decorator(
            include_in_schema=False,
            description="",
            tags=[{"name": "a"}],
            unique_id="a",
            sync_to_thread=False,
            request_max_body_size=None,
        ),
        Callable[[Callable[..., Any]], HttpHandler],
    )


@get
async def bare() -> AsgiResponse:
    return AsgiResponse()


@post(request_max_body_size=10)
async def with_parameters(
    request: Request,
    logger: Logger,
    order_id: Annotated[int, Path()],
    body: Annotated[dict[str, int], Body()],
    token: Annotated[str, Header("X-Token")],
    session: Annotated[str | None, Cookie()] = None,
    q: Annotated[list[str] | None, Query()] = None,
    limit: int = Query(default=10),
) -> JSONResponse:
    assert_type(request.method, str)
    assert_type(request.query_params, dict[str, list[str]])
    assert_type(request.cookies, dict[str, str])
    assert_type(request.headers["a"], str)
    assert_type(request.headers.getlist("a"), list[str])
    assert_type(await request.body(), bytes)
    assert_type(order_id, int)
    return JSONResponse(body)


assert_type(bare, HttpHandler)
assert_type(with_parameters, HttpHandler)
assert_type(bare.source, str)
upstream_handler: UpstreamHttpHandler = bare
application: ASGIApp = bare


# Applications


@asynccontextmanager
async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
    yield


async def foreign(scope: Scope, receive: Receive, send: Send) -> None: ...


@upstream_get
async def of_upstream(scope: Scope) -> AsgiResponse:
    return AsgiResponse()


app = AsgiFastStream(
    broker,
    rabbit,
    asgi_routes=[("/a", bare), ("/b", foreign), ("/c", of_upstream)],
    asyncapi_path=AsyncAPIRoute("/asyncapi"),
    specification=AsyncAPI(title="a"),
    lifespan=lifespan,
    startup_timeout=5.0,
)
app.mount("/d", make_ping_asgi(broker))
upstream_app: UpstreamAsgiFastStream = app
application = app
assert_type(as_asgi(service, [("/a", bare)], "/asyncapi"), AsgiFastStream)
assert_type(AsgiFastStream.from_app(service, startup_timeout=5.0), AsgiFastStream)


# Ready-made handlers

assert_type(
    make_ping_asgi(broker, rabbit, timeout=None, include_in_schema=False, description="a"),
    HttpHandler,
)
assert_type(make_ping_asgi(service, timeout=5.0), HttpHandler)
application = make_asyncapi_asgi(AsyncAPI(broker), try_it_out=False)


# Testing


async def with_client() -> None:
    async with asgi_client(app, broker, service, base_url="http://a") as client:
        assert_type(client, httpx.AsyncClient)
    with nats_server("--user", "me", jetstream=False) as server:
        assert_type(server, NatsServer)
        assert_type(server.url, str)
        assert_type(server.port, int)


awaitable: Callable[[Scope, Receive, Send], Awaitable[None]] = app
