"""The order service: what it hears and says on the broker. Nothing in here knows of HTTP."""

import os
from decimal import Decimal
from typing import Annotated, Literal
from uuid import uuid4

from faststream import Logger
from faststream.nats import NatsBroker
from pydantic import BaseModel, Field

Drink = Literal["espresso", "cappuccino", "tea"]

PRICES: dict[Drink, Decimal] = {
    "espresso": Decimal("2.20"),
    "cappuccino": Decimal("3.40"),
    "tea": Decimal("2.80"),
}


class NewOrder(BaseModel):
    """What a customer asks for."""

    drink: Drink
    quantity: Annotated[int, Field(ge=1, le=100)] = 1


class Order(NewOrder):
    """An order that was accepted."""

    id: str


class PricedOrder(Order):
    """An order with its price."""

    total: Decimal


broker = NatsBroker(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))

# A dictionary stands for a database.
orders: dict[str, PricedOrder] = {}


# In a queue group each message goes to one process only, however many run this service.
@broker.subscriber("orders.new", queue="pricing")
@broker.publisher("orders.priced")
async def price_order(order: Order) -> PricedOrder:
    """Price an order, reply to whoever asked for it, then tell everybody else."""
    return PricedOrder(**order.model_dump(), total=PRICES[order.drink] * order.quantity)


# No queue group: every process has a dictionary of its own, and stores every order.
@broker.subscriber("orders.priced")
async def store_order(order: PricedOrder, logger: Logger) -> None:
    """Keep an order, to be read later."""
    orders[order.id] = order
    logger.info("Stored order %s: %d %s", order.id, order.quantity, order.drink)


async def place_order(new: NewOrder) -> PricedOrder:
    """Publish an order and wait for the reply, which has its price.

    The order is stored a moment later, by whoever hears `orders.priced`: HTTP answers 202.
    """
    order = Order(id=uuid4().hex, **new.model_dump())
    reply = await broker.request(order, "orders.new", timeout=5.0)
    return PricedOrder.model_validate(await reply.decode())
