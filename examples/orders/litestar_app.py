"""The order service in Litestar: a handler of FastStream's beside one of Litestar's own."""

from typing import Annotated

from faststream import Logger
from faststream.specification import AsyncAPI
from litestar import Litestar, Response, get
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath

from examples.orders.service import NewOrder, PricedOrder, broker, orders, place_order
from faststream_integrations import make_ping_asgi, post
from faststream_integrations.asgi import Body, JSONResponse
from faststream_integrations.litestar import FastStreamPlugin, inject


@post(responses={202: {"description": "The order was accepted", "model": PricedOrder}})
async def create_order(order: Annotated[NewOrder, Body()]) -> JSONResponse:
    """Place an order and answer with its price; `Location` is where to read it from now on."""
    priced = await place_order(order)
    return JSONResponse(priced, 202, headers={"Location": f"/orders/{priced.id}"})


@get("/orders/{order_id:str}")
@inject
async def read_order(
    order_id: FromPath[str], logger: Logger
) -> Response[PricedOrder | dict[str, str]]:
    """Answer with a stored order."""
    if order_id not in orders:
        logger.info("There is no order %s", order_id)
        return Response({"detail": f"There is no order {order_id}."}, status_code=404)
    return Response(orders[order_id])


app = Litestar(
    [read_order],
    openapi_config=OpenAPIConfig(title="Orders", version="0.1.0"),
    plugins=[
        FastStreamPlugin(
            broker,
            asgi_routes=[
                ("/orders", create_order),
                ("/health", make_ping_asgi(broker, timeout=5.0)),
            ],
            asyncapi_path="/asyncapi",
            specification=AsyncAPI(title="Orders"),
        )
    ],
)
