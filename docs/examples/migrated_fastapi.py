from typing import Annotated

from fastapi import FastAPI
from faststream.nats import NatsBroker
from pydantic import BaseModel

from faststream_integrations.fastapi import Context, Depends, FastStreamRouter, Logger


class Order(BaseModel):
    drink: str


broker = NatsBroker("nats://127.0.0.1:4222")
broker.context.set_global("price", 2)
router = FastStreamRouter(broker, asyncapi_path="/asyncapi", prefix="/orders")


async def get_price(price: Annotated[int, Context("price")]) -> int:
    return price


@broker.subscriber("orders.new")
@broker.publisher("orders.priced")
async def price_order(
    order: Order, price: Annotated[int, Depends(get_price)], logger: Logger
) -> int:
    logger.info("Pricing %s", order.drink)
    return price


@router.post("/")
async def place_order(order: Order, price: Annotated[int, Depends(get_price)]) -> int:
    await broker.publish(order, "orders.new")
    return price


app = FastAPI()
app.include_router(router)
