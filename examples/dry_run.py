"""A handler that leaves out what a dry run must not do."""

from faststream.nats import NatsBroker
from pydantic import BaseModel

from faststream_integrations import AsgiFastStream
from faststream_integrations.asyncapi import is_dry_run

broker = NatsBroker()
app = AsgiFastStream(broker, asyncapi_path="/docs/asyncapi")

charged: list[int] = []


class Order(BaseModel):
    id: int
    amount: int


@broker.subscriber("orders")
@broker.publisher("receipts")
async def accept(order: Order) -> str:
    if not is_dry_run():
        charged.append(order.amount)
    await broker.publish(order, "audit")
    return f"order {order.id} is accepted"
