from typing import Any

from faststream.nats import NatsBroker
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from faststream_integrations import get
from faststream_integrations.asgi import JSONResponse
from faststream_integrations.litestar import FastStreamPlugin

broker = NatsBroker("nats://127.0.0.1:4222")


def admin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    if connection.headers.get("x-role") != "admin":
        raise NotAuthorizedException


@get
async def prices() -> JSONResponse:
    return JSONResponse({"tea": 3})


prices_plugin = FastStreamPlugin(broker, asgi_routes=[("/prices", prices)])
page_plugin = FastStreamPlugin(
    broker,
    asyncapi_path="/asyncapi",
    specification=prices_plugin.specification,
    guards=[admin],
)

app = Litestar(plugins=[prices_plugin, page_plugin])
