"""Probes: what an answer costs, how late it is under load, and what the watch costs when idle.

A NATS server of our own. Upstream's ping, and a handler that does nothing, stand beside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from typing import Any

from faststream.asgi import make_ping_asgi as upstream_ping
from faststream.nats import NatsBroker, PullSub

from benchmarks.measure import HEADERS, table
from faststream_integrations import (
    broker_lifespan,
    get,
    make_liveness_asgi,
    make_ping_asgi,
    make_readiness_asgi,
)
from faststream_integrations.asgi import AsgiResponse
from faststream_integrations.testing import nats_server

__all__ = ("main",)

SUBSCRIBERS = (2, 50, 500)
ANSWERS, ROUNDS = 300, 7
CONNECTIONS, SECONDS = 32, 4.0
WORK = 0.001
"""Seconds for which each of the other connections holds the event loop, again and again."""
IDLE_SUBSCRIBERS, IDLE_SECONDS, IDLE_ROUNDS = 50, 10.0, 3


@get
async def plain(scope: Any) -> AsgiResponse:
    return AsgiResponse(b"", 204)


def make_broker(url: str, subscribers: int, **options: Any) -> NatsBroker:
    broker = NatsBroker(url, logger=None)
    for number in range(subscribers):

        async def handle(message: str) -> None: ...

        broker.subscriber(f"probes.{number}", **options)(handle)
    return broker


def probes_of(broker: Any) -> dict[str, Any]:
    return {
        "plain handler": plain,
        "faststream.asgi ping": upstream_ping(broker, timeout=5.0),
        "ping": make_ping_asgi(broker),
        "readiness": make_readiness_asgi(broker),
        "liveness": make_liveness_asgi(broker),
    }


async def ask(app: Any) -> None:
    async def send(message: Any) -> None: ...

    scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "scheme": "http",
             "headers": list(HEADERS), "query_string": b"", "http_version": "1.1"}  # fmt: skip
    await app(scope, None, send)


async def cost(app: Any) -> float:
    """Return the microseconds of CPU of an answer."""
    began = time.process_time()
    for _ in range(ANSWERS):
        await ask(app)
    return (time.process_time() - began) / ANSWERS * 1e6


async def costs(url: str) -> None:
    rows = []
    for subscribers in SUBSCRIBERS:
        broker = make_broker(url, subscribers)
        async with broker_lifespan(broker, startup_timeout=60.0)():
            found: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                for name, app in probes_of(broker).items():
                    found.setdefault(name, []).append(await cost(app))
            rows.append([str(subscribers), *(f"{median(each):.0f}" for each in found.values())])
    print("Microseconds of CPU for an answer, by the number of subscribers:\n")
    print(table(["subscribers", *found], rows))


async def latencies(url: str) -> None:
    broker = make_broker(url, 2)
    found: dict[str, list[float]] = {}

    async def keep_busy() -> None:
        while True:
            until = time.perf_counter() + WORK
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    async with broker_lifespan(broker)():
        busy = [asyncio.create_task(keep_busy()) for _ in range(CONNECTIONS)]
        ends = time.perf_counter() + SECONDS
        apps = probes_of(broker)
        while time.perf_counter() < ends:
            for name, app in apps.items():
                # As a server does: a request is a task of its own.
                began = time.perf_counter()
                await asyncio.create_task(ask(app))
                found.setdefault(name, []).append(time.perf_counter() - began)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    rows = [
        [name, f"{median(each) * 1000:.0f}", f"{quantiles(each, n=100)[98] * 1000:.0f}"]
        for name, each in found.items()
    ]
    turn = CONNECTIONS * WORK * 1000
    print(f"\nMilliseconds until an answer, on an event loop whose turns take {turn:.0f} ms:\n")
    print(table(["probe", "median", "99th percentile"], rows))


async def idle(url: str) -> None:
    async def measure(run: Callable[[], Awaitable[None]]) -> float:
        began = time.process_time()
        await run()
        return (time.process_time() - began) / IDLE_SECONDS * 1000

    async def wait() -> None:
        await asyncio.sleep(IDLE_SECONDS)

    ours, upstream = [], []
    options = {"stream": "probes", "pull_sub": PullSub()}
    for _ in range(IDLE_ROUNDS):
        broker = make_broker(url, IDLE_SUBSCRIBERS, **options)
        await broker.start()
        upstream.append(await measure(wait))
        await broker.stop()
        broker = make_broker(url, IDLE_SUBSCRIBERS, **options)
        async with broker_lifespan(broker, startup_timeout=60.0)():
            ours.append(await measure(wait))
    ratio = median(ours) / median(upstream)
    print(
        f"\nIdle, with {IDLE_SUBSCRIBERS} JetStream pull subscribers: {median(ours):.1f} ms of CPU "
        f"in a second, FastStream {median(upstream):.1f} ms: {ratio:.2f} times (goal: 1.3)."
    )


def main() -> None:
    with nats_server() as server:
        asyncio.run(costs(server.url))
        asyncio.run(latencies(server.url))
        asyncio.run(idle(server.url))
