"""Connections that are open and pass nothing, while new ones work: seen, and replaced."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from faststream_integrations import make_readiness_asgi
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.testing import asgi_client
from tests.lifecycle.kinds import KINDS, Kind, left_on_the_server
from tests.lifecycle.proxy import Proxy, proxy_of
from tests.lifecycle.service import PATIENCE, running, serving

SEEN_WITHIN, REPLACED_WITHIN = 15.0, 30.0

NAMES = [
    "nats-core", "nats-pull", "nats-push", "redis-channel", "redis-list", "redis-stream", "rabbit",
    "mqtt",
]  # fmt: skip

REDELIVERED = {
    "nats-pull", "nats-push", "redis-stream", "rabbit", "mqtt", "kafka", "confluent",
}  # fmt: skip
"""Where the broker keeps what was not acknowledged, on these subscribers."""

UPSTREAM_PATIENCE = float(os.environ.get("FROZEN_UPSTREAM", "0"))
"""Seconds to measure FastStream alone for, too."""


@dataclass
class Outcome:
    seen: float | None
    consuming: float | None
    sent: int
    lost: int

    def __str__(self) -> str:
        def seconds(value: float | None) -> str:
            return "never" if value is None else f"{value:.1f} s"

        return (
            f"seen {seconds(self.seen)}, consuming again {seconds(self.consuming)}, "
            f"lost {self.lost} of {self.sent}"
        )


async def freeze(
    kind: Kind,
    proxy: Proxy,
    *,
    patience: float,
    ours: bool,
    until: Callable[[Any], bool] = lambda broker: False,
) -> Outcome:
    """Freeze the connections of a consumer under a steady flow of messages.

    That is once a message was received, or the broker is in the state that `until` tells.
    """
    port = proxy.server_port
    received: dict[str, float] = {}

    async def handler(message: str) -> None:
        received.setdefault(message, time.monotonic())

    address = f"frozen-{uuid.uuid4().hex}"
    options: dict[str, Any] = {}
    if kind.name == "mqtt":
        options = {"client_id": address, "clean_session": False, "session_expiry_interval": 600}
    publisher = kind.broker(kind.url.format(port=port), logger=None)
    sent: dict[str, float] = {}
    sends = asyncio.Lock()
    enough = asyncio.Event()  # `wait_for` of Python 3.11, in redis-py, may swallow a cancellation

    async def keep_sending() -> None:
        while not enough.is_set():
            async with sends:
                sent[text := str(len(sent))] = time.monotonic()
                await kind.send(publisher, text, address)
            await asyncio.sleep(0.2)

    broker = kind.make(proxy.port, handler, address=address, logger=None, **options)
    probe = make_readiness_asgi(broker, timeout=2.0)
    await publisher.connect()
    if ours:
        life: Any = running(broker, shutdown_timeout=2.0)
    else:
        life = _alone(broker)
    async with life, asgi_client(probe) as client:
        sending = asyncio.create_task(keep_sending())
        while not received and not until(broker):
            await asyncio.sleep(0.05)
        async with sends:
            if kind.server == "kafka":
                # Kafka sends everybody to the address that it has been told, the proxy's.
                await publisher.stop()
                proxy.freeze()
                publisher = kind.broker(kind.url.format(port=port), logger=None)
                await publisher.connect()
            else:
                proxy.freeze()
        began = time.monotonic()
        seen: float | None = None
        consuming: float | None = None
        while time.monotonic() - began < patience:
            await asyncio.sleep(0.1)
            ready = (await client.get("/")).status_code == 200
            now = time.monotonic()
            if seen is None and not ready:
                seen = now - began
            fresh = [at for text, at in received.items() if sent[text] > began]
            if fresh and (seen is not None or not ours):
                consuming = min(fresh) - began
                if ready:
                    break
        enough.set()
        await sending
        proxy.drop()  # what the server had sent to the old connection it sends again
        # A group of Kafka's that lost a member settles anew.
        deadline = time.monotonic() + (30.0 if kind.server == "kafka" else 10.0)
        while len(received) < len(sent) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
    kept = 0
    if kind.name == "redis-stream" and ours:
        _, kept = await left_on_the_server(kind, port, address)
    await publisher.stop()
    return Outcome(seen, consuming, len(sent), max(len(sent) - len(received) - kept, 0))


class _alone:
    """FastStream by itself."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    async def __aenter__(self) -> None:
        await self._broker.start()

    async def __aexit__(self, *_: object) -> None:
        await asyncio.wait({asyncio.ensure_future(self._broker.stop())}, timeout=10.0)


async def test_connection_that_passes_nothing_is_seen_and_replaced(faulty_servers):
    """All kinds side by side. With FROZEN_UPSTREAM=240, FastStream alone for so many seconds."""
    chosen = [KINDS[name] for name in os.environ.get("FROZEN", ",".join(NAMES)).split(",")]
    ports = {kind.name: faulty_servers[kind.server].port for kind in chosen}

    async def outcome_of(kind: Kind, **options: Any) -> Outcome:
        async with proxy_of(ports[kind.name]) as proxy:
            return await freeze(kind, proxy, **options)

    async def outcomes(**options: Any) -> dict[str, Outcome]:
        found = await asyncio.gather(*(outcome_of(each, **options) for each in chosen))
        return dict(zip(ports, found, strict=True))

    if UPSTREAM_PATIENCE:
        for name, outcome in (await outcomes(patience=UPSTREAM_PATIENCE, ours=False)).items():
            print(f"{name}, FastStream: {outcome}")
    ours = await outcomes(patience=60.0, ours=True)
    for name, outcome in ours.items():
        print(f"{name}: {outcome}")
    for name, outcome in ours.items():
        check(name, outcome)


def check(name: str, outcome: Outcome) -> None:
    assert outcome.seen is not None, name
    assert outcome.seen < SEEN_WITHIN, name
    assert outcome.consuming is not None, name
    assert outcome.consuming < REPLACED_WITHIN, name
    if name in REDELIVERED:
        assert outcome.lost == 0, name


async def test_nothing_is_torn_down_while_the_server_stalls(kind, server, received, monkeypatch):
    module = "faststream_integrations.brokers.supervisor"
    monkeypatch.setattr(f"{module}.WATCH_INTERVAL", 0.1)
    monkeypatch.setattr(f"{module}.CUT_AFTER", 0.3)
    monkeypatch.setattr(f"{module}.REACH_TIMEOUT", 0.3)
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        supervisor = Supervisor.of(broker)
        reached: asyncio.Queue[None] = asyncio.Queue()
        reach = supervisor.kind.reach

        async def count() -> None:
            reached.put_nowait(None)
            await reach()

        def cut(subscriber: Any = None) -> None:
            raise AssertionError("it was torn down")

        monkeypatch.setattr(supervisor.kind, "reach", count)
        monkeypatch.setattr(supervisor.kind, "cut", cut)
        server.pause()
        for _ in range(3):
            await asyncio.wait_for(reached.get(), PATIENCE)
        server.resume()
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"
        assert not supervisor._task.done()


@pytest.mark.parametrize("kind", [KINDS["redis-list"], KINDS["redis-stream"]])
async def test_consumer_that_gets_errors_for_every_fetch_is_not_ready(kind, server, received):
    broker = kind.make(server.port, received.put, logger=None)
    async with serving(broker) as service:
        await broker._connection.delete(broker.address)
        await broker._connection.set(broker.address, "of another type")
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        await broker._connection.delete(broker.address)
