"""Kafka, by confluent-kafka 2.6 - 2.16."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from faststream.confluent.helpers.client import AsyncConfluentConsumer

from faststream_integrations._faststream import frames_of
from faststream_integrations.brokers.kinds.base import (
    UNKNOWN,
    UP,
    Consumption,
    Verdict,
    end,
    live,
    peek,
    present,
)
from faststream_integrations.brokers.kinds.topics import TopicKind

__all__ = ("ConfluentKind",)

LONGEST_POLL = 0.2
"""Seconds that a poll may wait for a message."""

REACH_TIMEOUT = 3.0
"""Seconds for a new connection to be made and answered."""

STATISTICS = {"statistics.interval.ms": 2000}
"""What clients are given, but where the broker's `config` has it."""

# A connection that owes an answer for longer is replaced by librdkafka, which has no other way to
# be told: soon enough for the group to keep the consumer as a member. Not for producers: a server
# may take its time to acknowledge.
CONSUMING = {**STATISTICS, "socket.timeout.ms": 6000}


COORDINATOR = "GroupCoordinator"
"""What librdkafka calls its connection for a group."""

OWES_NOT = 3.0
"""Seconds for which a connection that is well may owe an answer."""


class ConfluentKind(TopicKind):
    """See `Kind`."""

    package = "faststream.confluent"
    libraries = ("confluent_kafka", "cimpl")
    clients = (AsyncConfluentConsumer,)
    consume_tasks = 1

    def generation(self) -> Any:
        return id(self.client), id(peek(self.producer(), "producer"))

    def silence(self, subscriber: Any) -> float:
        client = self.producer() if subscriber is None else peek(subscriber, "consumer")
        statistics = _statistics_of(client)
        return statistics.silence() if statistics else 0.0

    async def reach(self) -> None:
        settings = self.broker.config.broker_config.connection_config.admin_config

        def ask() -> None:
            AdminClient(settings).list_topics(timeout=REACH_TIMEOUT)

        await asyncio.to_thread(ask)

    def cut(self, subscriber: Any = None) -> None:
        # A consumer's connection is replaced by librdkafka, see above. A producer's is that of the
        # round trip.
        if subscriber is not None:
            return
        self._join_anew()
        producer = self.producer()
        silent = peek(producer, "producer")
        # A producer that still has messages is left to send them.
        if isinstance(silent, Producer) and not len(silent):
            producer.config = self.broker.config.broker_config.connection_config.producer_config
            producer.producer = Producer(producer.config)
            # Its end waits for its threads.
            self.spawn(asyncio.to_thread(_hold, silent))

    def _join_anew(self) -> None:
        """Have the consumers that join a group join by a new connection.

        librdkafka waits minutes for a join, as members wait for each other. Behind it goes a
        question that has to be answered within the `socket.timeout.ms` that consumers are given.
        """
        for subscriber in self.broker.subscribers:
            consumer = peek(subscriber, "consumer")
            statistics = _statistics_of(consumer)
            if statistics and statistics.joining() > OWES_NOT and consumer.topics:
                topic = TopicPartition(consumer.topics[0].name, 0)
                with suppress(RuntimeError):  # it is closed
                    consumer._thread_pool.submit(consumer.consumer.committed, [topic], timeout=0.1)

    def attached(self, subscriber: Any) -> Verdict:
        consumer = peek(subscriber, "consumer")
        if consumer is None:
            return Verdict(Consumption.DEAD, "no consumer")
        closed = peek(consumer, "_thread_pool", "_shutdown")
        if closed is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its consumer is not known")
        return Verdict(Consumption.DEAD, "its consumer is closed") if closed else UP

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        for subscriber in self.broker.subscribers:
            interval = peek(subscriber, "polling_interval")
            # A stop waits for the poll of the moment. A batch is what comes within its interval.
            if isinstance(interval, (int, float)) and not hasattr(subscriber, "max_records"):
                subscriber.polling_interval = min(interval, LONGEST_POLL)
        config = peek(self.broker, "config", "broker_config")
        settings, builder = peek(config, "connection_config"), peek(config, "builder")
        if present(settings) and not isinstance(settings, _Settings) and hasattr(builder, "config"):
            config.connection_config = builder.config = _Settings(settings)
        async with super().starting(timeout):
            yield

    async def drain(self, subscriber: Any) -> None:
        consumer = peek(subscriber, "consumer")
        if not present(consumer):
            return
        tasks = tuple(peek(subscriber, "tasks", default=()))
        parking = _Parking(consumer)
        subscriber.consumer = parking
        await self.handled(
            subscriber,
            lambda: all(
                task.done() or task in parking.parked or not _consumes(task) for task in tasks
            ),
        )

    def detach(self, subscriber: Any) -> None:
        consumer = peek(subscriber, "consumer", default=None)
        if consumer is not None:
            self.made.append(consumer)
            subscriber.consumer = None

    async def close(self) -> None:
        config = peek(self.broker, "config", "broker_config", default=None)
        producer = self.producer()
        for consumer in self.made:
            _close_in_its_thread(consumer)
        self.made = []
        polling = peek(producer, "_poll_task")
        if live(polling):
            end(polling)
        purge = peek(producer, "producer", "purge")
        if callable(purge):
            purge()  # or the flush of its stop waits for the server
        if config is not None:
            await self.finish(config.disconnect())


class _Settings:
    """Gives each client what FastStream's settings say, and statistics of its own."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, name)

    @property
    def consumer_config(self) -> dict[str, Any]:
        given = self._settings.consumer_config
        return {**CONSUMING, **given, "stats_cb": _Statistics(given)}

    @property
    def producer_config(self) -> dict[str, Any]:
        given = self._settings.producer_config
        return {**STATISTICS, **given, "stats_cb": _Statistics(given)}


class _Statistics:
    """Hears from a client, while it is polled, what librdkafka knows of its connections."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._users: Any = config.get("stats_cb")
        self._wait = float(config.get("fetch.wait.max.ms", 500)) / 1000
        self._at = 0.0
        self._owes: dict[str, tuple[int, float]] = {}
        self._joins = False

    def __call__(self, text: str) -> None:
        statistics = json.loads(text)
        self._joins = statistics.get("cgrp", {}).get("join_state", "steady") != "steady"
        owes = {}
        self._at = time.monotonic()
        for name, connection in statistics["brokers"].items():
            if connection["waitresp_cnt"]:
                answers, since = self._owes.get(name, (-1, self._at))
                if answers != connection["rx"]:
                    answers, since = connection["rx"], self._at
                owes[name] = answers, since
        self._owes = owes
        if self._users is not None:
            self._users(text)

    def silence(self) -> float:
        """Tell for how many seconds a connection has owed an answer when last heard of."""
        # A server may take its time to answer who joins a group.
        excused = COORDINATOR if self._joins else ""
        since = (since for name, (_, since) in self._owes.items() if name != excused)
        return max(self._at - min(since, default=self._at) - self._wait, 0.0)

    def joining(self) -> float:
        """Tell for how many seconds the server has not answered who joins a group."""
        _, since = self._owes.get(COORDINATOR, (0, self._at))
        return self._at - since if self._joins else 0.0


def _statistics_of(client: Any) -> _Statistics | None:
    found = peek(client, "config", default={}).get("stats_cb")
    return found if isinstance(found, _Statistics) else None


def _hold(_: Any) -> None:
    """Be the last to know what takes time to end."""


class _Parking:
    """Stands before a consumer: who asks for a message waits for ever."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.parked: set[Any] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def getone(self, *args: Any, **kwargs: Any) -> Any:
        self.parked.add(asyncio.current_task())
        await asyncio.Event().wait()

    getmany = getone


def _consumes(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task takes messages from a consumer, and not from a queue."""
    return any(frame.f_code.co_name == "_consume" for frame in frames_of(task))


def _close_in_its_thread(consumer: Any) -> None:
    # librdkafka says goodbye to the server, which may take a minute, and nothing ends it before.
    pool = peek(consumer, "_thread_pool")
    close = peek(consumer, "consumer", "close")
    if isinstance(pool, ThreadPoolExecutor) and callable(close):
        with suppress(RuntimeError):  # it was closed before
            pool.submit(close)
            pool.shutdown(wait=False)
