"""Dry runs beside a live subscriber on a real server of each kind that this machine can run."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from faststream.mqtt import MQTTBroker
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.redis import ListSub, RedisBroker, StreamSub

from faststream_integrations.asyncapi import is_dry_run
from faststream_integrations.dry_run.run import DryRun

# The oldest FastStream calls the newest redis client so.
pytestmark = pytest.mark.filterwarnings("ignore:Call to '__init__':DeprecationWarning")


@dataclass
class Live:
    """A kind of subscriber on its server; `{}` in an argument is a name that nobody else has."""

    broker: Callable[[str], Any]
    port: int | None
    subscriber: Callable[[Any, str], Any]
    batch: bool = False


def redis(_url: str) -> RedisBroker:
    return RedisBroker("redis://127.0.0.1:6379", logger=None)


def rabbit(_url: str) -> RabbitBroker:
    return RabbitBroker("amqp://guest:guest@127.0.0.1:5672/", logger=None)


def mqtt(_url: str) -> MQTTBroker:
    return MQTTBroker("127.0.0.1", port=1883, logger=None)


def nats(url: str) -> NatsBroker:
    return NatsBroker(url, logger=None)


def fanout(name: str) -> RabbitExchange:
    return RabbitExchange(f"{name}.exchange", type=ExchangeType.FANOUT, auto_delete=True)


def queue(name: str, **options: Any) -> RabbitQueue:
    return RabbitQueue(name, auto_delete=True, **options)


LIVE = {
    "nats core": Live(nats, None, lambda b, n: b.subscriber(n)),
    "nats jetstream push": Live(
        nats, None, lambda b, n: b.subscriber(n, stream=JStream(n, subjects=[n]))
    ),
    "nats jetstream pull batch": Live(
        nats,
        None,
        lambda b, n: b.subscriber(
            n, stream=JStream(n, subjects=[n]), pull_sub=PullSub(batch_size=1, batch=True)
        ),
        batch=True,
    ),
    "redis channel": Live(redis, 6379, lambda b, n: b.subscriber(n)),
    "redis list": Live(redis, 6379, lambda b, n: b.subscriber(list=n)),
    "redis list batch": Live(
        redis, 6379, lambda b, n: b.subscriber(list=ListSub(n, batch=True)), batch=True
    ),
    "redis stream group": Live(
        redis, 6379, lambda b, n: b.subscriber(stream=StreamSub(n, group="g", consumer="c"))
    ),
    "rabbit queue": Live(rabbit, 5672, lambda b, n: b.subscriber(queue(n))),
    "rabbit fanout": Live(rabbit, 5672, lambda b, n: b.subscriber(queue(n), fanout(n))),
    "mqtt": Live(mqtt, 1883, lambda b, n: b.subscriber(n, qos=1)),
}


@pytest.fixture(params=LIVE.values(), ids=LIVE.keys())
def live(request: pytest.FixtureRequest) -> Live:
    live: Live = request.param
    if live.port is not None and not _listens(live.port):
        reason = f"no {live.broker.__name__} server on 127.0.0.1:{live.port}"
        if os.environ.get("BROKERS") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    return live


@pytest.mark.parametrize("early", [True, False], ids=["made before start", "made after start"])
async def test_live_subscriber_gets_its_messages_and_none_of_a_dry_run(
    live: Live, nats_url: str, early: bool
) -> None:
    name = f"dry-run-{uuid.uuid4().hex}"
    broker = live.broker(nats_url)
    handled: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
    audited: asyncio.Queue[str] = asyncio.Queue()
    audit = f"{name}-audit"

    async def handle(body: Any) -> str:
        (text,) = body if live.batch else (body,)
        handled.put_nowait((text, is_dry_run()))
        await broker.publish(text, audit)
        return "done"

    async def handler(body: str) -> str:
        return await handle(body)

    async def batch_handler(body: list[str]) -> str:
        return await handle(body)

    called = batch_handler if live.batch else handler
    live.subscriber(broker, name)(broker.publisher(audit)(called))

    @broker.subscriber(queue(audit) if live.port == 5672 else audit)
    async def auditor(text: str) -> None:
        audited.put_nowait(text)

    engine = DryRun([broker] if early else [])
    async with broker:
        await broker.start()
        if not early:
            engine = DryRun([broker])
        channel = next(
            key
            for key in [key for s in broker.subscribers for key in s.schema()]
            if key.endswith("andler")
        )

        async def seen() -> list[Any]:
            queues = [handled, audited, audited]
            return [await asyncio.wait_for(queue.get(), 10) for queue in queues]

        await engine.publish(channel, "before")
        before = await seen()
        report = await engine.run(channel, "dry")
        dry = handled.get_nowait()
        # What the broker was told of the dry run would reach the auditor before this.
        await engine.publish(channel, "after")
        after = await seen()
        running = [subscriber.running for subscriber in broker.subscribers]
        if isinstance(broker, RedisBroker):
            await broker._connection.delete(name)

    assert before == [("before", False), "before", "done"]
    assert (report.error, report.result, dry) == (None, "done", ("dry", True))
    assert [(m.channel, m.payload) for m in report.published] == [
        (audit, "dry"),
        (audit, "done"),
    ]
    assert after == [("after", False), "after", "done"]
    assert handled.empty()
    assert audited.empty()
    assert running == [True, True]


async def test_live_subscriber_started_by_a_dry_run_is_live(nats_url: str) -> None:
    broker = NatsBroker(nats_url, logger=None)
    name = uuid.uuid4().hex
    handled: asyncio.Queue[bool] = asyncio.Queue()
    audited: asyncio.Queue[str] = asyncio.Queue()

    @broker.subscriber(f"{name}.start")
    async def start(_body: str) -> None:
        subscriber = broker.subscriber(f"{name}.late")

        @subscriber
        async def late(body: str) -> None:
            handled.put_nowait(is_dry_run())
            await broker.publish(body, f"{name}.audit")

        await subscriber.start()

    @broker.subscriber(f"{name}.audit")
    async def auditor(text: str) -> None:
        audited.put_nowait(text)

    async with broker:
        await broker.start()
        report = await DryRun([broker]).run(f"{name}.start", "x")
        await broker.publish("live", f"{name}.late")
        seen = [await asyncio.wait_for(queue.get(), 10) for queue in (handled, audited)]

    assert report.error is None
    assert seen == [False, "live"]


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
