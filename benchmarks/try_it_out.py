"""Try It Out: for how long a hostile request keeps the event loop from everything else.

Goal: 50 ms of CPU time at most, whatever is sent. Beside it FastStream's own endpoint, each request
in a process of its own that is ended after ten seconds.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import httpx
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.redis import RedisBroker
from pydantic import BaseModel

from benchmarks.measure import table
from faststream_integrations import AsgiFastStream
from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE

__all__ = ("main",)

GOAL = 50
LOADS = 5
PATIENCE = 10
MEBIBYTE = 1024 * 1024 - 300
WALL = "".join(letter * 1800 for letter in "abcde")


class Line(BaseModel):
    article: int
    price: float
    name: str


def brokers() -> tuple[NatsBroker, RedisBroker]:
    nats, redis = NatsBroker(logger=None), RedisBroker()

    @nats.subscriber("anything")
    async def anything(body: Any) -> Any:
        return body

    @nats.subscriber("lines")
    async def lines(_body: list[Line]) -> None: ...

    @nats.subscriber("batch", stream=JStream("work"), pull_sub=PullSub(batch=True))
    async def batch(_body: list[Any]) -> None: ...

    @nats.subscriber("publishes")
    async def publishes(body: str) -> None:
        for number in range(2000):
            await nats.publish(body, f"elsewhere.{number}")

    @redis.subscriber("a*b*c*d*")
    async def wild(_body: Any) -> None: ...

    return nats, redis


def many(value: str, count: int) -> str:
    return f"[{','.join([value] * count)}]"


POSTS: Mapping[str, Callable[[], tuple[str, str]]] = {
    "a small message": lambda: ("anything", "1"),
    "a mebibyte of text": lambda: ("anything", f'"{"x" * MEBIBYTE}"'),
    "350,000 objects": lambda: ("anything", many("{}", MEBIBYTE // 3)),
    "2,400 objects": lambda: ("anything", many("{}", 2400)),
    "7,200 validation errors": lambda: ("lines", many("{}", 2400)),
    "a batch of 10,000": lambda: ("batch", many("{}", 10_000)),
    "a batch of 500": lambda: ("batch", many("{}", 500)),
    "9,000 characters against four wildcards": lambda: (WALL, "1"),
    "500 characters against four wildcards": lambda: (WALL[::18], "1"),
    "2,000 messages published": lambda: ("publishes", '"x"'),
}


def main() -> None:
    rows = []
    within = True
    for name in POSTS:
        ours = median(asyncio.run(_longest(_ours, name)) for _ in range(LOADS))
        within = within and ours <= GOAL
        rows.append([name, f"{ours:.1f}", _upstreams(name)])
    print("The longest turn of the event loop, in milliseconds of CPU time:\n")
    print(table(["request", "ours", "faststream.asgi"], rows))
    print(f"\nGoal: {GOAL} ms at most, {'met' if within else 'NOT met'}.")


def _upstreams(name: str) -> str:
    command = [sys.executable, "-m", __name__, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"over {PATIENCE * 1000:,}"
    return done.stdout.strip().rpartition("\n")[2] or "failed"


def _ours() -> Any:
    nats, redis = brokers()
    app = AsgiFastStream(nats, asyncapi_path="/docs")
    app.add_broker(redis)
    return app


def _theirs() -> Any:
    nats, redis = brokers()
    app = UpstreamAsgiFastStream(nats, asyncapi_path="/docs")
    app.add_broker(redis)
    return app


async def _longest(make: Callable[[], Any], name: str) -> float:
    """Send a request, and return the milliseconds of CPU time of the longest turn."""
    channel, payload = POSTS[name]()
    form = json.dumps({"channelName": channel})
    body = f'{form[:-1]}, "message": {{"message": {payload}}}, "options": {{}}}}'.encode()
    transport = httpx.ASGITransport(make())
    headers = {"content-type": "application/json", "accept": f"{REPORT_TYPE}, */*;q=0.5"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        warm = {"channelName": "anything", "message": {"message": 1}, "options": {}}
        await client.post("/docs/try", json=warm, headers=headers)
        longest = 0.0
        run = asyncio.events.Handle._run

        def timed(handle: asyncio.events.Handle) -> None:
            nonlocal longest
            start = time.thread_time()
            run(handle)
            longest = max(longest, time.thread_time() - start)

        handles: Any = asyncio.events.Handle
        handles._run = timed
        # The turn that is going on is not measured: the request has turns of its own.
        await asyncio.sleep(0)
        try:
            response = await client.post("/docs/try", content=body, headers=headers)
            await asyncio.sleep(0)
        finally:
            handles._run = run
    assert response.status_code in {200, 404, 413, 500}, response.text[:200]
    return longest * 1000


if __name__ == "__main__":
    print(f"{asyncio.run(_longest(_theirs, sys.argv[1])):,.1f}")
