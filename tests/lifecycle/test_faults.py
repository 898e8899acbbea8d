"""Servers that are killed, stalled and restarted under an application that runs."""

import asyncio
import time

import pytest

from tests.lifecycle.service import PATIENCE, serving
from tests.processes import free_port


async def test_readiness_follows_a_server_that_stalls_and_comes_back(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        assert await service.get("/ready") == 200
        server.pause()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        server.resume()
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


async def test_readiness_follows_a_server_that_is_killed_and_restarted(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        assert await service.get("/ready") == 200
        server.kill()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        server.restart()
        await service.until("/ready", 200)
        assert await service.get("/live") == 200
        # Redis' lists and streams look again after five seconds only.
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


@pytest.mark.parametrize("fault", ["pause", "kill"])
async def test_stop_ends_in_time_when_the_server_is_away(kind, server, received, fault):
    broker = kind.make(server.port, received.put)
    tasks = asyncio.all_tasks()
    async with serving(broker, shutdown_timeout=2.0) as service:
        assert await service.get("/ready") == 200
        getattr(server, fault)()
        began = time.monotonic()
    assert time.monotonic() - began < 2.0 + 3.5
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    if fault == "kill":
        server.restart()


async def test_start_fails_in_time_when_the_server_stalls(kind, server, received):
    broker = kind.make(server.port, received.put)
    server.pause()
    tasks = asyncio.all_tasks()
    began = time.monotonic()
    with pytest.raises(ConnectionError, match=type(broker).__name__):
        async with serving(broker, startup_timeout=1.0):
            raise AssertionError
    assert time.monotonic() - began < 1.0 + 4.5
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    server.resume()
    async with serving(broker) as service:
        assert await service.get("/ready") == 200


async def test_retry_starts_at_once_and_connects_when_the_server_is_there(kind, server, received):
    broker = kind.make(server.port, received.put)
    # RabbitMQ takes long to start, and to refuse is what a stalled one does too.
    away = server.pause if kind.server == "rabbit" else server.kill
    back = server.resume if kind.server == "rabbit" else server.restart
    away()
    began = time.monotonic()
    async with serving(broker, on_unavailable="retry", startup_timeout=2.0) as service:
        assert time.monotonic() - began < 1.0
        assert await service.get("/ready") == 503
        assert await service.get("/live") == 200
        back()
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


@pytest.mark.parametrize("pause", [0.05, 0.2, 0.7])
async def test_stop_while_it_retries_is_immediate(kind, received, pause):
    broker = kind.make(free_port(), received.put)
    tasks = asyncio.all_tasks()
    async with serving(broker, on_unavailable="retry") as service:
        assert await service.get("/ready") == 503
        await asyncio.sleep(pause)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
