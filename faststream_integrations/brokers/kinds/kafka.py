"""Kafka, by aiokafka 0.12 - 0.14."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]

from faststream_integrations._faststream import frames_of
from faststream_integrations.brokers.kinds.base import (
    UNKNOWN,
    UP,
    Consumption,
    Unreachable,
    Verdict,
    abort_writer,
    end,
    ended,
    peek,
    present,
)
from faststream_integrations.brokers.kinds.topics import TopicKind

__all__ = ("KafkaKind",)

OWES_NOT = 3.0
"""Seconds for which a connection that is well may owe an answer."""


class KafkaKind(TopicKind):
    """See `Kind`."""

    package = "faststream.kafka"
    libraries = ("aiokafka",)
    clients = (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient, AIOKafkaConnection)

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._owed: WeakKeyDictionary[Any, tuple[Any, float]] = WeakKeyDictionary()

    def consume_tasks_of(self, subscriber: Any) -> int | None:
        # One that consumes partitions concurrently has a consumer, and a task, for each worker.
        return max(len(peek(subscriber, "consumer_subgroup", default=())), 1)

    def attached(self, subscriber: Any) -> Verdict:
        group = peek(subscriber, "consumer_subgroup")
        for consumer in tuple(group) if present(group) else (peek(subscriber, "consumer"),):
            if consumer is None:
                return Verdict(Consumption.DEAD, "no consumer")
            if peek(consumer, "_closed") is True:
                return Verdict(Consumption.DEAD, "its consumer is closed")
            coordinating = peek(consumer, "_coordinator", "_coordination_task")
            fetching = peek(consumer, "_fetcher", "_fetch_task")
            if fetching is UNKNOWN:
                return Verdict(Consumption.UNKNOWN, "its consumer is not known")
            if ended(coordinating) or ended(fetching):
                return Verdict(Consumption.DEAD, "its consumer has ended")
        return UP

    # What a connection owes is known by the client: a fetch and a heartbeat are always under way.

    def silence(self, subscriber: Any) -> float:
        now = asyncio.get_running_loop().time()
        if subscriber is None:
            return 0.0
        return max(
            (
                self._owes(connection, now) - peek(consumer, "_fetch_max_wait_ms", default=0) / 1000
                for consumer in _consumers_of(subscriber)
                for connection in _connections(consumer)
            ),
            default=0.0,
        )

    def _owes(self, connection: Any, now: float) -> float:
        waits = self._waits(connection, now)
        # A server may take its time to answer who joins a group.
        return 0.0 if _joins(connection) else waits

    def _waits(self, connection: Any, now: float) -> float:
        requests = peek(connection, "_requests", default=())
        if not requests:
            self._owed.pop(connection, None)
            return 0.0
        before, since = self._owed.get(connection, (None, now))
        if requests[0] is not before:
            since = now
        self._owed[connection] = requests[0], since
        return now - since

    async def reach(self) -> None:
        consumer = self.client()
        try:
            await consumer.start()
        finally:
            await self.finish(consumer.stop())

    def cut(self, subscriber: Any = None) -> None:
        now = asyncio.get_running_loop().time()
        if subscriber is None:
            for client in self._others():
                for connection in _connections(client):
                    abort_writer(peek(connection, "_writer"))
        for each in self.broker.subscribers if subscriber is None else (subscriber,):
            for client in _consumers_of(each):
                # The client has one to each server, and to some of them two.
                late = {c for c in _connections(client) if self._waits(c, now) > OWES_NOT}
                # Whether to join a group takes that long, or was not heard of, is not known. It
                # joins once more where another connection, as old, was of no use: by new ones only.
                if any(map(_joins, late)):
                    late.update(_connections(client))
                elif subscriber is None:
                    continue
                for connection in late:
                    abort_writer(peek(connection, "_writer"))

    def _others(self) -> list[Any]:
        """Return the clients that do not consume."""
        admin = peek(self.broker, "config", "broker_config", "admin", "admin_client", default=None)
        return [each for each in (self.producer(), admin) if isinstance(each, self.clients)]

    async def round_trip(self) -> None:
        if peek(self.broker, "config", "consumer_only") is not True:
            # FastStream's ping gives up and begins anew.
            await self.broker.config.admin_client.describe_cluster()
            return
        # There is no admin client to ask; any consumer can list the topics.
        for subscriber in self.broker.subscribers:
            if consumer := getattr(subscriber, "consumer", None):
                await consumer.topics()
                return
        msg = "not connected"
        raise Unreachable(msg)

    # Drain.

    async def drain(self, subscriber: Any) -> None:
        consumers = _consumers_of(subscriber)
        tasks = tuple(peek(subscriber, "tasks", default=()))
        parked: set[Any] = set()

        async def park(*args: Any, **kwargs: Any) -> Any:
            parked.add(asyncio.current_task())
            await asyncio.Event().wait()

        fetching = [task for task in tasks if _is_fetching(task, consumers)]
        for consumer in consumers:
            consumer.getone = consumer.getmany = park
        for task in fetching:
            # It has no message in hand: one that it is given meanwhile stays with the client.
            subscriber.tasks.remove(task)  # first, or FastStream would start it again
            end(task)
        await self.handled(
            subscriber,
            lambda: all(task.done() or task in parked or not _consumes(task) for task in tasks),
        )

    # Close by force.

    def detach(self, subscriber: Any) -> None:
        self.made += _consumers_of(subscriber)
        for name, empty in (("consumer", None), ("consumer_subgroup", [])):
            if hasattr(subscriber, name):
                setattr(subscriber, name, empty)

    async def close(self) -> None:
        config = peek(self.broker, "config", "broker_config", default=None)
        clients = [*self.made, *self._others()]
        self.made = []
        for client in clients:
            if isinstance(client, self.clients):
                _abort(client)
        if config is not None:
            self.spawn(config.disconnect())
        await asyncio.sleep(0)


def _consumers_of(subscriber: Any) -> list[Any]:
    group = peek(subscriber, "consumer_subgroup")
    found = list(group) if present(group) and group else [peek(subscriber, "consumer")]
    return [each for each in found if present(each)]


def _consumes(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task takes messages from a consumer, and not from a queue."""
    return any(frame.f_code.co_name == "_run_consume_loop" for frame in frames_of(task))


def _is_fetching(task: asyncio.Task[Any], consumers: list[Any]) -> bool:
    """Tell whether a task waits for a message of one of the consumers."""
    return any(frame.f_locals.get("self") in consumers for frame in frames_of(task))


def _connections(client: Any) -> Iterator[Any]:
    """Go through the connections of a client to the servers of a cluster."""
    yield from tuple(peek(client, "_client", "_conns", default={}).values())


def _joins(connection: Any) -> bool:
    """Tell whether what a connection waits for is to join a group."""
    requests = peek(connection, "_requests", default=())
    return bool(requests) and type(requests[0][1]).__name__.startswith(("JoinGroup", "SyncGroup"))


def _abort(client: Any) -> None:
    """End the tasks and the connections of a client, without a word to the server."""
    parts = _parts_of(client)
    for task in asyncio.all_tasks():
        frame = next(frames_of(task), None)
        if frame is not None and any(frame.f_locals.get("self") is part for part in parts):
            task.cancel()
    if not isinstance(client, AIOKafkaConnection):
        client._closed = True
    for part in parts:
        connections = peek(part, "_conns", default={})
        for connection in (part, *connections.values()):
            if isinstance(connection, AIOKafkaConnection):
                writer = peek(connection, "_writer")
                with suppress(RuntimeError):  # its event loop is closed
                    connection.close()
                abort_writer(writer)


def _parts_of(client: Any) -> list[Any]:
    """Return a client with the objects of aiokafka that it is made of."""
    found = [client]
    for part in found:
        found += (
            each
            for each in vars(part).values()
            if not isinstance(part, AIOKafkaConnection)
            and type(each).__module__.startswith("aiokafka.")
            and hasattr(each, "__dict__")
            and not any(each is known for known in found)
        )
    return found
