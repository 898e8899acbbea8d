"""The order service in FastAPI: one router brings the broker, its probe and its docs page."""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Response
from faststream.specification import AsyncAPI

from examples.orders.service import NewOrder, PricedOrder, broker, orders, place_order
from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, JSONResponse, Path, get
from faststream_integrations.fastapi import FastStreamRouter, Logger


@get(responses={200: {"model": PricedOrder}, 404: {"description": "There is no such order."}})
async def read_order(order_id: Annotated[str, Path()]) -> AsgiResponse:
    """Answer with a stored order."""
    if order_id not in orders:
        raise HTTPException(404, f"There is no order {order_id}.")
    return JSONResponse(orders[order_id])


router = FastStreamRouter(
    broker,
    asgi_routes=[
        ("/orders/{order_id}", read_order),
        ("/health", make_ping_asgi(broker, timeout=5.0)),
    ],
    specification=AsyncAPI(title="Orders"),
    asyncapi_path="/asyncapi",
)


@router.post("/orders", status_code=202, responses={400: {"description": "The body is no UTF-8."}})
async def create_order(order: NewOrder, response: Response, logger: Logger) -> PricedOrder:
    """Place an order and answer with its price; `Location` is where to read it from now on."""
    priced = await place_order(order)
    logger.info("Placed order %s", priced.id)
    response.headers["Location"] = f"/orders/{priced.id}"
    return priced


app = FastAPI(title="Orders")
app.include_router(router)
