"""The order service in FastAPI: one router brings the broker, its probe and its docs page.

Endpoint and subscriber take the same dependency of FastAPI's.
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from faststream.specification import AsyncAPI

from examples.orders.service import NewOrder, PricedOrder, broker, orders, place_order
from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, JSONResponse, Path, get
from faststream_integrations.fastapi import FastStreamRouter, Logger


async def read_customer(x_customer: Annotated[str, Header()] = "somebody") -> str:
    """Tell who asks, by a header of the request or of the message."""
    return x_customer


Customer = Annotated[str, Depends(read_customer)]


# No queue group, as in `store_order`: every process forgets it.
@broker.subscriber("orders.cancelled")
async def forget_order(order_id: str, customer: Customer, logger: Logger) -> None:
    """Forget an order that is not wanted any more."""
    if orders.pop(order_id, None) is not None:
        logger.info("%s cancelled order %s", customer, order_id)


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
async def create_order(
    order: NewOrder, customer: Customer, response: Response, logger: Logger
) -> PricedOrder:
    """Place an order and answer with its price; `Location` is where to read it from now on."""
    priced = await place_order(order)
    logger.info("%s placed order %s", customer, priced.id)
    response.headers["Location"] = f"/orders/{priced.id}"
    return priced


app = FastAPI(title="Orders")
app.include_router(router)
