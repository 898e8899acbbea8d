"""Two Redis servers: the replica is promoted, behind an address that follows the primary."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from faststream_integrations.brokers.supervisor import Supervisor
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.proxy import Proxy, proxy_of
from tests.lifecycle.servers import FaultyServer, redis_server
from tests.lifecycle.service import running, serving

PATIENCE = 60.0
"""Seconds that a promotion, and all that follows it, may take on a busy machine."""


@dataclass
class Pair:
    """Two servers, the second a replica of the first until it is promoted.

    Attributes:
        address: Where clients find the primary of the moment.
        primary: A client of that.
        replica: A client of the other one.
    """

    servers: tuple[FaultyServer, FaultyServer]
    address: Proxy
    primary: Redis
    replica: Redis

    async def promote(self, how: str) -> None:
        """Promote the replica; the primary is killed, or becomes a replica that stays up."""
        if how == "killed":
            self.servers[0].kill()
        self.primary, self.replica = self.replica, self.primary
        await self.primary.execute_command("REPLICAOF", "NO", "ONE")
        if how == "demoted":
            await replicate(self.replica, self.servers[1].port)
        self.address.server_port = self.servers[1].port


async def replicate(client: Redis, port: int) -> None:
    await client.execute_command("REPLICAOF", "127.0.0.1", port)
    with anyio.fail_after(PATIENCE):
        while (await client.info("replication"))["master_link_status"] != "up":
            await asyncio.sleep(0.02)


@pytest.fixture
def two_servers() -> Iterator[tuple[FaultyServer, FaultyServer]]:
    with redis_server() as first, redis_server() as second:
        yield first, second


@pytest.fixture
def pair(two_servers: tuple[FaultyServer, FaultyServer]) -> Any:
    @asynccontextmanager
    async def make() -> AsyncIterator[Pair]:
        first, second = two_servers
        async with Redis(port=first.port) as primary, Redis(port=second.port) as replica:
            await replicate(replica, first.port)
            async with proxy_of(first.port) as address:
                yield Pair(two_servers, address, primary, replica)

    return make


async def until_handled(handled: set[str], wanted: set[str]) -> None:
    with anyio.fail_after(PATIENCE):
        while not wanted <= handled:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["killed", "demoted"])
@pytest.mark.parametrize("name", ["redis-channel", "redis-list", "redis-stream"])
async def test_consumes_and_publishes_again_after_a_promotion(name, how, pair):
    kind, handled = KINDS[name], set()

    async def handle(message: str) -> None:
        handled.add(message)

    async with pair() as servers:
        broker = kind.make(servers.address.port, handle, logger=None)
        async with serving(broker) as service:
            await service.until("/ready", 200)
            await kind.send(broker, "before")
            await until_handled(handled, {"before"})
            await servers.promote(how)
            await service.until("/ready", 503)
            with anyio.fail_after(PATIENCE):
                while await service.get("/ready") != 200:
                    assert await service.get("/live") == 200, "a restart is not needed"
                    await asyncio.sleep(0.05)
            await kind.send(broker, "after")
            await until_handled(handled, {"after"})


@pytest.mark.parametrize("how", ["killed", "demoted"])
async def test_no_replicated_message_is_lost_at_a_promotion_under_load(how, pair):
    """Redis acknowledges a message before a replica has it: one that has it is told by WAIT."""
    handled: set[str] = set()
    kept: set[str] = set()
    promoted, enough = asyncio.Event(), asyncio.Event()

    async def handle(message: str) -> None:
        handled.add(message)

    async def keep_sending(port: int, address: str) -> None:
        numbers = itertools.count()
        while not enough.is_set():
            with suppress(RedisError):
                # WAIT is about what was written on its own connection.
                async with Redis(port=port, single_connection_client=True) as client:
                    while not enough.is_set():
                        number, alone = f"n{next(numbers)}", promoted.is_set()
                        await client.xadd(address, {"__data__": number})
                        if alone or await client.wait(1, 100):
                            kept.add(number)
                        await asyncio.sleep(0.002)
            await asyncio.sleep(0.05)

    async with pair() as servers:
        broker = KINDS["redis-stream"].make(servers.address.port, handle, logger=None)
        async with running(broker):
            sending = asyncio.create_task(keep_sending(servers.address.port, broker.address))
            try:
                await until_more(handled, 200)
                await servers.promote(how)
                promoted.set()
                await until_more(handled, 200)
            finally:
                enough.set()
                await sending
            # What was on its way to the consumer is pending, for one that claims it.
            pending = await servers.primary.xpending_range(broker.address, "g", "-", "+", 1000)
            for each in pending:
                ((_, fields),) = await servers.primary.xrange(
                    broker.address, each["message_id"], each["message_id"]
                )
                kept.discard(fields[b"__data__"].decode())
            await until_handled(handled, kept)


async def until_more(handled: set[str], count: int) -> None:
    wanted = len(handled) + count
    with anyio.fail_after(PATIENCE):
        while len(handled) < wanted:
            await asyncio.sleep(0.02)


async def test_replica_that_is_consumed_from_on_purpose_is_ready(pair):
    handled: set[str] = set()

    async def handle(message: str) -> None:
        handled.add(message)

    async with pair() as servers:
        servers.address.server_port = servers.servers[1].port
        broker = KINDS["redis-channel"].make(servers.address.port, handle, logger=None)
        async with running(broker):
            supervisor = Supervisor.of(broker)
            for _ in range(3):
                assert (await supervisor.look(2.0)).ready
            await servers.primary.publish(broker.address, "through the primary")
            await until_handled(handled, {"through the primary"})


async def test_server_that_does_not_tell_its_role_is_ready(redis_user):
    """The role is told to who may ask: an old server, a proxy, or an ACL may not let us."""
    broker = KINDS["redis-stream"].make(redis_user.port, print, logger=None)
    async with running(broker):
        for _ in range(3):
            assert (await Supervisor.of(broker).look(2.0)).ready
    async with Redis(port=redis_user.port) as client:
        refused = await client.execute_command("ACL", "LOG")
    assert len(refused) <= 1, "it is asked once"


@pytest.fixture
def redis_user() -> Iterator[FaultyServer]:
    """A server whose users may do anything but ask for its role."""
    with redis_server(
        "--user", *["default", "on", "nopass", "~*", "&*", "+@all", "-hello"]
    ) as server:
        yield server
