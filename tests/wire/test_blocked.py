"""A RabbitMQ server that is short of memory: it blocks the connections that publish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from faststream_integrations.brokers.supervisor import Supervisor
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.servers import RABBIT, find, rabbit_server
from tests.lifecycle.service import PATIENCE, serving


@pytest.fixture
def port_and_limit() -> Iterator[tuple[int, Callable[[str], None]]]:
    """A server's port, and what limits its memory: its alarm goes off at once, or it ends."""
    with rabbit_server() as server:
        control = find("rabbitmqctl", first=RABBIT)
        yield server.port, lambda part: server.run(control, "set_vm_memory_high_watermark", part)


async def test_blocked_connection_is_told_and_left_alone(port_and_limit, received, monkeypatch):
    module = "faststream_integrations.brokers.supervisor"
    for name, seconds in (("WATCH_INTERVAL", 0.1), ("CUT_AFTER", 0.3), ("CUT_PAUSE", 0.3)):
        monkeypatch.setattr(f"{module}.{name}", seconds)
    port, limit = port_and_limit
    kind = KINDS["rabbit"]
    broker = kind.make(port, received.put, logger=None)
    async with serving(broker) as service:
        supervisor = Supervisor.of(broker)
        connection = supervisor.kind.generation()
        await asyncio.to_thread(limit, "0.00001")
        publishing = asyncio.create_task(kind.send(broker, "one"))
        await service.until("/ready", 503)
        told = [check for checks in (await service.checks("/ready")).values() for check in checks]
        assert any("short of memory or disk" in each.get("output", "") for each in told)
        looks: asyncio.Queue[None] = asyncio.Queue()
        supervisor.listeners.append(lambda: looks.put_nowait(None))
        for _ in range(30):  # ten times as long as a connection may be silent
            await asyncio.wait_for(looks.get(), PATIENCE)
        assert supervisor.kind.generation() == connection
        assert await service.get("/live") == 200
        await asyncio.to_thread(limit, "0.6")
        await service.until("/ready", 200)
        await asyncio.wait({publishing}, timeout=PATIENCE)
        assert await asyncio.wait_for(received.get(), PATIENCE) == "one"
        assert supervisor.kind.generation() == connection
