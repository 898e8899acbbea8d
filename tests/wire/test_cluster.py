"""A NATS cluster of three servers, one of which is killed under load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
import nats
import pytest
from faststream.nats import JStream, NatsBroker, PullSub
from nats.errors import Error
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import Error as JetStreamError

from faststream_integrations.testing import NatsServer, nats_server
from tests.lifecycle.service import serving
from tests.processes import free_port

PATIENCE = 60.0
"""Seconds that an election, and all that follows it, may take on a busy machine."""

NAMES = ("one", "two", "three")
MESSAGES = 300
FAILURES = (Error, JetStreamError, OSError)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, NatsServer]]:
    ports = [free_port() for _ in NAMES]
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                nats_server(
                    *("--server_name", name, "--cluster_name", "tests"),
                    *("--cluster", f"nats://127.0.0.1:{port}", "--routes", routes),
                )
            )
            for name, port in zip(NAMES, ports, strict=True)
        }


@pytest.fixture
def cluster(servers: dict[str, NatsServer]) -> Iterator[dict[str, NatsServer]]:
    """The servers by their names, all of them well before the test."""
    yield servers
    for server in servers.values():
        server.restart()


@asynccontextmanager
async def client(urls: list[str]) -> AsyncIterator[Any]:
    connection = await nats.connect(
        urls, reconnect_time_wait=0.1, max_reconnect_attempts=-1, error_cb=ignore
    )
    try:
        yield connection.jetstream(timeout=2.0)
    finally:
        await connection.close()


async def ignore(error: Exception) -> None: ...


async def until_done(work: Any) -> Any:
    """Do it again until a cluster that elects its leaders can."""
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                return await work()
            except FAILURES:
                await asyncio.sleep(0.1)


async def publish(stream: Any, name: str, acknowledged: set[int]) -> None:
    """Publish until enough was acknowledged: the rest may be lost, and is told to the publisher."""
    number = 0
    while len(acknowledged) < MESSAGES:
        number += 1
        try:
            await stream.publish(name, str(number).encode())
        except FAILURES:
            await asyncio.sleep(0.05)
        else:
            acknowledged.add(number)


def server_of(broker: NatsBroker) -> str:
    """Return the name of the server that the broker was connected to last."""
    return broker._connection._server_info["server_name"]


def subscribe(broker: NatsBroker, kind: str, name: str, handle: Any) -> None:
    options: dict[str, Any] = {"queue": "d"}  # which makes the consumer a durable one
    if kind == "pull":
        options = {"durable": "d", "pull_sub": PullSub(batch_size=10)}
    stream, config = JStream(name, declare=False), ConsumerConfig(ack_wait=2.0)
    broker.subscriber(name, stream=stream, config=config, **options)(handle)


@pytest.mark.parametrize("killed", ["of the consumer", "leader of the stream"])
@pytest.mark.parametrize("kind", ["pull", "push"])
async def test_nothing_is_lost_when_a_server_is_killed(kind, killed, cluster):
    urls = [server.url for server in cluster.values()]
    name = f"cluster-{kind}-{killed.split()[0]}"
    handled: set[int] = set()
    half = asyncio.Event()
    broker = NatsBroker(urls, reconnect_time_wait=0.1, logger=None)

    async def handle(message: int) -> None:
        handled.add(message)
        if len(handled) > MESSAGES / 2:
            half.set()

    subscribe(broker, kind, name, handle)
    async with client(urls) as stream:
        config = StreamConfig(name, subjects=[name], num_replicas=3)
        await until_done(lambda: stream.add_stream(config))
        async with serving(broker, on_unavailable="retry") as service:
            await service.until("/ready", 200)
            acknowledged: set[int] = set()
            publishing = asyncio.create_task(publish(stream, name, acknowledged))
            await half.wait()
            victim = server_of(broker)
            if killed == "leader of the stream":
                victim = (await until_done(lambda: stream.stream_info(name))).cluster.leader
            cluster[victim].kill()
            with anyio.fail_after(PATIENCE):
                await publishing
                while not acknowledged <= handled:
                    await asyncio.sleep(0.05)
                # All may have been handled before the client has heard of it.
                while server_of(broker) == victim:
                    await asyncio.sleep(0.05)
            await service.until("/ready", 200)
            await service.until("/live", 200)
        await until_done(lambda: stream.delete_stream(name))
