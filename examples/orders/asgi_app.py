"""The order service on plain ASGI: no web framework, the same addresses and answers."""

from typing import Annotated

from faststream.specification import AsyncAPI

from examples.orders.service import NewOrder, broker, orders, place_order
from faststream_integrations import AsgiFastStream, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, Body, JSONResponse, Path, get, post


@post
async def create_order(order: Annotated[NewOrder, Body()]) -> AsgiResponse:
    """Place an order and answer with its price; `Location` is where to read it from now on."""
    priced = await place_order(order)
    return JSONResponse(priced, 202, headers={"Location": f"/orders/{priced.id}"})


@get
async def read_order(order_id: Annotated[str, Path()]) -> AsgiResponse:
    """Answer with a stored order."""
    if order_id not in orders:
        return JSONResponse({"detail": f"There is no order {order_id}."}, 404)
    return JSONResponse(orders[order_id])


app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/orders", create_order),
        ("/orders/{order_id}", read_order),
        ("/health", make_ping_asgi(broker, timeout=5.0)),
    ],
    specification=AsyncAPI(title="Orders"),
    asyncapi_path="/asyncapi",
)
