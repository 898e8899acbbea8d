"""Dry runs while a real NATS server carries live traffic: nothing lost, duplicated or leaked."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import nats
import pytest
from faststream import Path
from faststream.nats import JStream, NatsBroker, PullSub
from typing_extensions import Self

from faststream_integrations.asyncapi import is_dry_run
from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE, TryItOut
from faststream_integrations.testing import asgi_client, nats_server

KINDS = ("core", "wild", "push", "pull", "rpc")
WORKERS = 4
LIVE_PER_RUN = 10
"""Messages from the application, and as many from outside, during each dry run."""


@dataclass
class Traffic:
    """A live application on a NATS server, and who watches it from outside."""

    url: str
    reply_timeout: float = 60
    total: int | None = None
    handled: Counter[str] = field(default_factory=Counter)
    handled_dry: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    handed_in: list[str] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.broker = NatsBroker(self.url, logger=None)
        self._declare(self.broker)
        self.outside = await nats.connect(self.url)
        for subject in ("app.>", "done.>", "jsdone.>"):
            await self.outside.subscribe(subject, cb=self._receive)
        await self.outside.jetstream().add_stream(name="results", subjects=["jsdone.>"])
        await self.outside.flush()
        await self.broker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.broker.stop()
        await self.outside.close()

    def _declare(self, broker: NatsBroker) -> None:
        work = JStream("work", subjects=["push", "pull"])

        async def handle(name: str) -> str:
            (self.handled_dry if is_dry_run() else self.handled)[name] += 1
            await broker.publish(name, f"done.{name}")
            # An acknowledged publication goes through another producer.
            await broker.publish(name, f"jsdone.{name}", stream="results")
            self._check()
            return name

        @broker.subscriber("core")
        async def core(name: str) -> str:
            return await handle(name)

        @broker.subscriber("wild.{kind}")
        async def wild(name: str, kind: str = Path()) -> str:
            assert kind == name
            return await handle(name)

        @broker.subscriber("push", stream=work)
        async def push(name: str) -> str:
            return await handle(name)

        @broker.subscriber(
            "pull", stream=work, durable="pull", pull_sub=PullSub(batch_size=10, batch=True)
        )
        async def pull(names: list[str]) -> list[str]:
            return [await handle(name) for name in names]

        @broker.subscriber("rpc")
        async def rpc(name: str) -> str:
            return await handle(name)

    async def _receive(self, message: Any) -> None:
        self.received[f"{message.subject} {message.data.decode()}"] += 1
        self._check()

    def expected(self) -> list[str]:
        return [
            *(f"app.{name} {name}" for name in self.sent),
            *(f"done.{name} {name}" for name in self.handed_in),
            *(f"jsdone.{name} {name}" for name in self.handed_in),
        ]

    def _check(self) -> None:
        if self.total is not None and self.received.total() >= self.total:
            self.complete.set()

    async def publish(self, name: str) -> None:
        """From the application, outside of any handler."""
        self.sent.append(name)
        await self.broker.publish(name, f"app.{name}")

    async def hand_in(self, kind: str, name: str) -> None:
        """From outside, to a live subscriber."""
        self.handed_in.append(name)
        if kind == "rpc":
            with suppress(nats.errors.Error):
                reply = await self.outside.request("rpc", name.encode(), timeout=self.reply_timeout)
                assert reply.data.decode() == name
        elif kind in {"push", "pull"}:
            await self.outside.jetstream().publish(kind, name.encode())
        else:
            subject = f"wild.{name}" if kind == "wild" else kind
            await self.outside.publish(subject, name.encode())

    async def run(self, dry_run: Callable[[str, str], Awaitable[None]], runs: int) -> None:
        async def worker(numbers: range) -> None:
            for number in numbers:
                kind = KINDS[number % len(KINDS)]
                live = [f"{number}-{i}" for i in range(LIVE_PER_RUN)]
                await asyncio.gather(
                    dry_run(kind, f"dry-{number}"),
                    *(self.publish(f"a-{name}") for name in live),
                    *(self.hand_in(kind, f"o-{name}") for name in live),
                )

        await asyncio.gather(*(worker(range(i, runs, WORKERS)) for i in range(WORKERS)))

    async def settle(self, timeout: float) -> None:
        """Wait until everything has arrived that has to."""
        await self.outside.flush()
        self.total = len(self.expected())
        self._check()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.complete.wait(), timeout)

    async def unacknowledged(self) -> int:
        """How many messages the stream's consumers have not settled, when that has come to rest."""
        for _ in range(500):
            consumers = await self.outside.jetstream().consumers_info("work")
            if (pending := sum(consumer.num_ack_pending for consumer in consumers)) == 0:
                break
            await asyncio.sleep(0.02)
        return pending

    def lost(self) -> int:
        missing = Counter(self.expected()) - self.received
        return missing.total() + (Counter(self.handed_in) - self.handled).total()

    def duplicated_or_leaked(self) -> Counter[str]:
        return (self.received - Counter(self.expected())) + (self.handled - Counter(self.handed_in))


@pytest.fixture
def url() -> Any:
    with nats_server() as server:
        yield server.url


async def test_dry_runs_neither_lose_nor_duplicate_nor_leak_live_messages(url: str) -> None:
    runs = 200
    answers: dict[str, Any] = {}

    async with Traffic(url) as traffic:
        endpoint = TryItOut([traffic.broker], max_concurrency=WORKERS)
        async with asgi_client(endpoint) as client:
            client.headers["accept"] = REPORT_TYPE

            async def dry_run(kind: str, name: str) -> None:
                form = {
                    "channelName": "wild.{kind}:Wild" if kind == "wild" else kind,
                    "message": {"message": name},
                    "address": f"wild.{name}" if kind == "wild" else "",
                }
                answers[name] = (await client.post("/try", json=form)).json()

            await traffic.run(dry_run, runs)
        await traffic.settle(timeout=60)
        unacknowledged = await traffic.unacknowledged()

    assert len(traffic.sent) == len(traffic.handed_in) == 2000
    assert traffic.lost() == 0
    assert traffic.duplicated_or_leaked() == Counter()
    assert unacknowledged == 0

    names = [f"dry-{number}" for number in range(runs)]
    assert traffic.handled_dry == Counter(names)
    for name in names:
        answer = answers[name]
        assert answer["status"] == "ok", json.dumps(answer)
        assert answer["result"] in (name, [name])
        assert [(m["channel"], m["payload"]) for m in answer["published"]] == [
            (f"done.{name}", name),
            (f"jsdone.{name}", name),
        ]


@pytest.mark.filterwarnings("ignore")
async def test_upstream_endpoint_loses_messages_in_the_same_traffic(url: str) -> None:
    """The reason for all this; when it fails, upstream has been repaired."""
    from faststream.asgi.factories.asyncapi.try_it_out import TryItOutProcessor

    async with Traffic(url, reply_timeout=0.5) as traffic:
        processor = TryItOutProcessor(traffic.broker)

        async def dry_run(kind: str, name: str) -> None:
            destination = f"wild.{name}" if kind == "wild" else kind
            await processor.process(
                {"channelName": destination, "message": {"message": name}, "options": {}}
            )

        with suppress(Exception):
            await asyncio.wait_for(traffic.run(dry_run, 20), 20)
        await traffic.settle(timeout=1)

        assert traffic.lost() > 0
