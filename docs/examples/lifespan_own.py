from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from faststream.nats import NatsBroker

from faststream_integrations import broker_lifespan

broker = NatsBroker("nats://127.0.0.1:4222")


@asynccontextmanager
async def resources(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    database = {"orders": 3}  # open it here
    yield {"database": database}
    database.clear()  # and close it here: the broker has stopped


app = FastAPI(lifespan=broker_lifespan(broker, lifespan=resources))


@app.get("/orders")
async def count_orders(request: Request) -> int:
    count: int = request.state.database["orders"]
    await request.state.broker.publish(count, "counts")
    return count
