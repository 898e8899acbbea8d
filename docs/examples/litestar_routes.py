from typing import Any

from faststream.nats import NatsBroker
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from faststream_integrations import get, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse
from faststream_integrations.litestar import FastStreamPlugin

broker = NatsBroker("nats://127.0.0.1:4222")


def has_token(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    if connection.headers.get("x-token") != handler.opt["token"]:
        raise NotAuthorizedException


async def version(request: Request) -> PlainTextResponse:
    return PlainTextResponse("1.0")


@get
async def internal() -> AsgiResponse:
    return AsgiResponse(b"for us alone")


app = Litestar(
    plugins=[
        FastStreamPlugin(
            broker,
            asgi_routes=[
                ("/internal", internal),
                ("/health", make_ping_asgi(broker, timeout=5.0)),
                ("/admin", Starlette(routes=[Route("/version", version)])),
            ],
            guards=[has_token],
            opt={"token": "secret", "exclude_from_csrf": True},
        )
    ],
)
