from typing import Annotated, Any

from faststream.nats import NatsBroker
from litestar import Litestar, Request, Response
from litestar.exceptions import ValidationException

from faststream_integrations import get
from faststream_integrations.asgi import JSONResponse, Query
from faststream_integrations.litestar import FastStreamPlugin


class SoldOutError(Exception):
    pass


@get
async def order(drink: Annotated[str, Query()]) -> JSONResponse:
    if drink == "tea":
        raise SoldOutError
    return JSONResponse(drink)


def sold_out(request: Request[Any, Any, Any], error: SoldOutError) -> Response[str]:
    return Response("sold out", status_code=409)


def invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    return Response({"problems": error.extra}, status_code=error.status_code)


broker = NatsBroker("nats://127.0.0.1:4222")
app = Litestar(
    plugins=[FastStreamPlugin(broker, asgi_routes=[("/order", order)])],
    exception_handlers={SoldOutError: sold_out, ValidationException: invalid},
)
