from typing import Annotated

from faststream import Logger
from faststream.nats import NatsBroker
from pydantic import BaseModel

from faststream_integrations import get, make_ping_asgi, post
from faststream_integrations.asgi import Body, JSONResponse, Path

broker = NatsBroker("nats://127.0.0.1:4222")


class Order(BaseModel):
    id: int
    drink: str


orders: dict[int, Order] = {}  # stands for a database


@broker.subscriber("orders")
async def store_order(order: Order, logger: Logger) -> None:
    orders[order.id] = order
    logger.info("Stored order %d", order.id)


@post
async def place_order(order: Annotated[Order, Body()], logger: Logger) -> JSONResponse:
    await broker.publish(order, "orders")
    logger.info("Placed order %d", order.id)
    return JSONResponse(order, 202)


@get
async def read_order(order_id: Annotated[int, Path()]) -> JSONResponse:
    if order_id not in orders:
        return JSONResponse({"detail": "No such order"}, 404)
    return JSONResponse(orders[order_id])


routes = [
    ("/orders", place_order),
    ("/orders/{order_id}", read_order),
    ("/health", make_ping_asgi(broker, timeout=5.0)),
]
