"""A coffee bar on FastAPI: JetStream, a database session where one is asked for, two versions."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException
from faststream import ContextRepo, FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from faststream_integrations import (
    Body,
    Path,
    RequestError,
    get,
    make_liveness_asgi,
    make_readiness_asgi,
    post,
)
from faststream_integrations.fastapi import Context, Depends, FastStreamRouter, Logger

STREAM = os.environ.get("STREAM", "coffee")
DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///coffee.db")

broker = NatsBroker(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
stream = JStream(STREAM, subjects=[f"{STREAM}.*"])


# The database


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    drink: Mapped[str]
    status: Mapped[str] = mapped_column(default="placed")


@asynccontextmanager
async def database(context: ContextRepo) -> AsyncGenerator[None]:
    engine = create_async_engine(DATABASE_URL)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    context.set_global("sessions", async_sessionmaker(engine, expire_on_commit=False))
    yield
    await engine.dispose()


async def open_session(sessions: "Sessions") -> AsyncIterator[AsyncSession]:
    async with sessions.begin() as session:
        yield session


Sessions = Annotated[async_sessionmaker[AsyncSession], Context("sessions")]
Session = Annotated[AsyncSession, Depends(open_session)]

service = FastStream(broker, lifespan=database)


# Messages and models


class NewOrder(BaseModel):
    drink: str


class Order(NewOrder):
    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str


@broker.subscriber(f"{STREAM}.placed", stream=stream, durable="bar", pull_sub=PullSub())
async def prepare(order: Order, session: Session, logger: Logger) -> None:
    row = await session.get_one(Row, order.id)
    row.status = "ready"
    logger.info("Prepared %s", row.drink)


# Version 1: handlers of FastStream


@post(status_code=201)
async def place_order(new: Annotated[NewOrder, Body()], sessions: Sessions) -> Order:
    async with sessions.begin() as session:
        row = Row(drink=new.drink)
        session.add(row)
    order = Order.model_validate(row)
    await broker.publish(order, f"{STREAM}.placed", stream=STREAM)
    return order


@get
async def read_order(order_id: Annotated[int, Path()], session: Session) -> Order:
    row = await session.get(Row, order_id)
    if row is None:
        raise RequestError(404, "No such order")
    return Order.model_validate(row)


v1 = FastStreamRouter(
    service,
    prefix="/v1",
    tags=["v1"],
    asgi_routes=[("/orders", place_order), ("/orders/{order_id}", read_order)],
)


# Version 2: path operations of FastAPI

v2 = FastStreamRouter(service, prefix="/v2", tags=["v2"], specification=v1.specification)


@v2.get("/orders")
async def read_orders(session: Session, status: str | None = None) -> list[Order]:
    query = select(Row).order_by(Row.id)
    if status is not None:
        query = query.where(Row.status == status)
    return [Order.model_validate(row) for row in await session.scalars(query)]


@v2.delete("/orders/{order_id}", status_code=204)
async def cancel_order(order_id: int, session: Session) -> None:
    row = await session.get(Row, order_id)
    if row is None:
        raise HTTPException(404, "No such order")
    await session.delete(row)


operations = FastStreamRouter(
    service,
    specification=v1.specification,
    include_in_schema=False,
    asgi_routes=[("/live", make_liveness_asgi(service)), ("/ready", make_readiness_asgi(service))],
    asyncapi_path="/asyncapi",
)

app = FastAPI(title="Coffee bar", version="2.0.0")
for router in (v1, v2, operations):
    app.include_router(router)
