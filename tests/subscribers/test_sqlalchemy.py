"""One dependency, a session of SQLAlchemy's, in an endpoint and in a subscriber of JetStream."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from faststream import AckPolicy
from faststream.nats import NatsBroker
from litestar import Litestar, get
from litestar.di import NamedDependency, Provide
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    drink: Mapped[str]


class Order(BaseModel):
    id: int
    drink: str


class Store:
    """The database, and what sessions did with it."""

    def __init__(self, folder: Any) -> None:
        self.engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/orders.db")
        self.make_session = async_sessionmaker(self.engine)
        self.events: list[str] = []

    @asynccontextmanager
    async def open(self, app: Any) -> Any:
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await self.engine.dispose()

    async def session(self) -> Any:
        async with self.make_session() as session:
            try:
                yield session
            except BaseException:
                await session.rollback()
                self.events.append("rolled back")
                raise
            await session.commit()
            self.events.append("committed")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def fastapi_app(store: Store, broker: NatsBroker, subscriber: Any, handle: Any) -> FastAPI:
    app = FastAPI(lifespan=store.open)
    session = Annotated[AsyncSession, Depends(store.session)]

    @app.get("/orders")
    async def read(session: session) -> list[str]:  # type: ignore[valid-type]
        return [row.drink for row in await session.scalars(select(Row))]

    async def handle_message(order: Order, session: session) -> None:  # type: ignore[valid-type]
        await handle(order, session)

    subscriber(handle_message)
    app.include_router(FastStreamRouter(broker))
    return app


def litestar_app(store: Store, broker: NatsBroker, subscriber: Any, handle: Any) -> Litestar:
    @get("/orders")
    async def read(session: NamedDependency[AsyncSession]) -> list[str]:
        return [row.drink for row in await session.scalars(select(Row))]

    @subscriber
    async def handle_message(order: Order, session: NamedDependency[AsyncSession]) -> None:
        await handle(order, session)

    return Litestar(
        [read],
        lifespan=[store.open],
        dependencies={"session": Provide(store.session)},
        plugins=[FastStreamPlugin(broker)],
    )


@pytest.mark.parametrize("build", [fastapi_app, litestar_app])
async def test_message_that_fails_twice_is_stored_once(nats_url, store, build):
    broker = NatsBroker(nats_url)
    name = f"sqlalchemy-{build.__name__}"
    acknowledged = asyncio.Event()
    attempts = []

    subscriber = broker.subscriber(
        name,
        stream=name,
        durable=name,
        pull_sub=True,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )

    async def handle(order: Order, session: AsyncSession) -> None:
        attempts.append(order.id)
        session.add(Row(id=order.id, drink=order.drink))
        await session.flush()
        if len(attempts) < 3:
            raise ConnectionError
        acknowledged.set()

    app = build(store, broker, subscriber, handle)
    async with asgi_client(app) as client:
        await broker.publish({"id": 1, "drink": "tea"}, name, stream=name)
        await asyncio.wait_for(acknowledged.wait(), 20)
        drinks = await _wait_for_rows(client)

    assert attempts == [1, 1, 1]
    assert store.events[:3] == ["rolled back", "rolled back", "committed"]
    assert set(store.events[3:]) == {"committed"}  # those of the endpoint
    assert drinks == ["tea"]


async def _wait_for_rows(client: httpx.AsyncClient) -> list[str]:
    for _ in range(200):
        if drinks := (await client.get("/orders")).json():
            return list(drinks)
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was stored")
