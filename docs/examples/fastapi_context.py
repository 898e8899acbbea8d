from typing import Annotated

from fastapi import FastAPI, WebSocket
from faststream.nats import NatsBroker

from faststream_integrations.fastapi import Context, Depends, FastStreamRouter, Logger

broker = NatsBroker("nats://127.0.0.1:4222")
broker.context.set_global("limits", {"orders": 10})

Broker = Annotated[NatsBroker, Context("broker")]


class Orders:
    def __init__(self, broker: Broker, limit: Annotated[int, Context("limits.orders")]) -> None:
        self._broker = broker
        self.limit = limit

    async def place(self, drink: str) -> None:
        await self._broker.publish(drink, "orders")


def get_orders(broker: Broker, limit: Annotated[int, Context("limits.orders")]) -> Orders:
    return Orders(broker, limit)


OrdersDependency = Annotated[Orders, Depends(get_orders)]

app = FastAPI()
app.include_router(FastStreamRouter(broker))


@app.post("/orders/{drink}", status_code=202)
async def place_order(drink: str, orders: OrdersDependency, logger: Logger) -> dict[str, int]:
    await orders.place(drink)
    logger.info("Placed %s", drink)
    return {"limit": orders.limit}


@app.websocket("/orders")
async def place_orders(websocket: WebSocket, orders: OrdersDependency) -> None:
    await websocket.accept()
    async for drink in websocket.iter_text():
        await orders.place(drink)


@broker.subscriber("orders")
async def on_order(drink: str, orders: OrdersDependency, logger: Logger) -> None:
    logger.info("%s, of at most %d", drink, orders.limit)
