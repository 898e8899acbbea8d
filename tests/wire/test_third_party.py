"""Brokers that others have written, on their real servers: what is unknown is said to be."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from faststream import Context, Depends
from faststream.specification import AsyncAPI
from redis.asyncio import Redis

from faststream_integrations import make_asyncapi_asgi
from faststream_integrations.brokers.outages import BrokerUnavailable
from faststream_integrations.testing import asgi_client
from tests.lifecycle.servers import FaultyServer, missing, postgres_server, redis_server
from tests.lifecycle.service import PATIENCE, running, serving


@dataclass(frozen=True)
class Outlet:
    """A broker without subscribers, and what sends messages to its ``orders``."""

    broker: Any
    send: Callable[[str], Awaitable[Any]]


@asynccontextmanager
async def outbox(port: int) -> AsyncIterator[Outlet]:
    from faststream_outbox import OutboxBroker, make_outbox_table
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import create_async_engine

    metadata = MetaData()
    table = make_outbox_table(metadata, table_name="outbox")
    engine = create_async_engine(f"postgresql+asyncpg://test@127.0.0.1:{port}/postgres")
    broker = OutboxBroker(engine, outbox_table=table, logger=None)

    async def send(text: str) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await broker.publish(text, queue="orders", session=connection)

    yield Outlet(broker, send)
    await engine.dispose()


@asynccontextmanager
async def timers(port: int) -> AsyncIterator[Outlet]:
    from faststream_redis_timers import TimersBroker

    async with Redis(port=port) as client:
        broker = TimersBroker(client, logger=None)
        yield Outlet(broker, lambda text: broker.publish(text, "orders"))


OUTLETS = {"outbox": ("faststream_outbox", outbox), "timers": ("faststream_redis_timers", timers)}


@pytest.fixture(params=OUTLETS)
def name(request: pytest.FixtureRequest) -> str:
    package, _ = OUTLETS[request.param]
    if importlib.util.find_spec(package) is None:
        missing(package)
    return request.param


@pytest.fixture
def server(name: str) -> Iterator[FaultyServer]:
    with (postgres_server if name == "outbox" else redis_server)() as found:
        yield found


@pytest.fixture
async def outlet(name: str, server: FaultyServer) -> AsyncIterator[Outlet]:
    _, make = OUTLETS[name]
    async with make(server.port) as found:
        yield found


async def test_consumption_is_unknown_and_named(outlet, received):
    outlet.broker.subscriber("orders")(received.put)
    async with serving(outlet.broker) as service:
        for path in ("/ready", "/live"):
            assert await service.get(path) == 200
            ((consuming,),) = [
                check for each, check in (await service.checks(path)).items() if "consuming" in each
            ]
            assert consuming["componentId"] == "Put (orders)"
            assert consuming["observedValue"] == "unknown"
            assert consuming["output"] == "not known for this broker: only the ping is"


async def test_readiness_follows_a_server_that_is_killed_and_restarted(outlet, server, received):
    outlet.broker.subscriber("orders")(received.put)
    async with serving(outlet.broker) as service:
        await outlet.send("before")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "before"
        server.kill()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        server.restart()
        await service.until("/ready", 200)
        await outlet.send("after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


async def test_start_waits_for_a_server_that_is_away(outlet, server, received):
    outlet.broker.subscriber("orders")(received.put)
    server.kill()
    with pytest.raises(BrokerUnavailable, match=f":{server.port} did not start"):
        async with running(outlet.broker, startup_timeout=0.5):
            pass
    async with serving(outlet.broker, on_unavailable="retry", startup_timeout=0.5) as service:
        assert await service.get("/ready") == 503
        server.restart()
        await service.until("/ready", 200)
        await outlet.send("after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


async def test_message_in_hand_is_handled_at_a_stop(outlet):
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @outlet.broker.subscriber("orders")
    async def handle(message: str) -> None:
        began.set()
        await may_end.wait()
        ended.set()

    async with running(outlet.broker):
        await outlet.send("one")
        await asyncio.wait_for(began.wait(), PATIENCE)
        asyncio.get_running_loop().call_later(0.1, may_end.set)
    assert ended.is_set()


async def test_handlers_are_given_their_context_and_dependencies(outlet):
    handled: asyncio.Queue[Any] = asyncio.Queue()

    def double(message: str) -> str:
        return message * 2

    @outlet.broker.subscriber("orders")
    async def handle(
        message: str,
        doubled: str = Depends(double),
        correlation_id: str = Context("message.correlation_id"),
        broker: Any = Context(),
    ) -> None:
        await handled.put((message, doubled, bool(correlation_id), broker))

    async with running(outlet.broker):
        await outlet.send("a")
        assert await asyncio.wait_for(handled.get(), PATIENCE) == ("a", "aa", True, outlet.broker)


async def test_document_has_its_channels(outlet, received):
    outlet.broker.subscriber("orders")(received.put)
    async with asgi_client(make_asyncapi_asgi(AsyncAPI(outlet.broker))) as client:
        document = (await client.get("/asyncapi.json")).json()
    addresses = [each["address"] for each in document["channels"].values()]
    assert addresses == ["orders"]
