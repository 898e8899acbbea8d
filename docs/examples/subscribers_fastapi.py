from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Header, Request
from faststream.nats import NatsBroker
from pydantic import BaseModel

from faststream_integrations.fastapi import FastStreamRouter


class Order(BaseModel):
    drink: str


class Session:
    def __init__(self) -> None:
        self.stored: list[str] = []


async def open_session() -> AsyncIterator[Session]:
    session = Session()
    yield session  # closed, and committed, before the message is acknowledged


async def current_user(request: Request, x_user: Annotated[str, Header()] = "nobody") -> str:
    return f"{x_user} of {request.app.title}"


broker = NatsBroker("nats://127.0.0.1:4222")
mails: list[str] = []


@broker.subscriber("orders")
async def store_order(
    order: Order,
    user: Annotated[str, Depends(current_user)],
    session: Annotated[Session, Depends(open_session)],
    tasks: BackgroundTasks,
) -> str:
    session.stored.append(order.drink)
    tasks.add_task(mails.append, f"{order.drink} for {user}")
    return "stored"


app = FastAPI(title="Shop")
app.include_router(FastStreamRouter(broker))


@app.get("/me")
async def me(user: Annotated[str, Depends(current_user)]) -> str:
    return user
