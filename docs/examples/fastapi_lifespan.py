from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations.fastapi import FastStreamRouter


class State(TypedDict):
    database: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    # Open before the brokers start, closed after they have stopped.
    yield {"database": "of the application"}


orders = FastStream(NatsBroker("nats://127.0.0.1:4222"))
audit = NatsBroker("nats://127.0.0.1:4222")


@orders.after_startup
async def announce() -> None:
    await audit.publish("started", "audit")


router = FastStreamRouter(audit, orders)


@router.get("/state")
async def read_state(request: Request) -> dict[str, object]:
    return {
        "database": request.state.database,
        "first": request.state.broker is audit,
        "brokers": len(request.state.brokers),
    }


app = FastAPI(lifespan=lifespan)
app.include_router(router)
