"""Redis, by redis-py 5 - 8: channels, lists and streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from fnmatch import fnmatchcase
from itertools import pairwise
from math import comb, inf
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import anyio
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from typing_extensions import Self

from faststream_integrations._faststream import frames_of
from faststream_integrations.brokers.kinds.base import (
    FOREVER,
    UNKNOWN,
    UP,
    Consumption,
    Kind,
    Unreachable,
    Verdict,
    abort_writer,
    end,
    idle,
    peek,
)

__all__ = ("RedisKind",)

PRIMARY = "master"
"""What Redis calls it."""

LONG_POLL = 0.4
"""Seconds for which a stop may wait for a read that is under way."""

FETCH_TIME = 1.5
"""Seconds after which a fetch that follows one that has failed is believed to work."""

IDLE, IN_USE = "_available_connections", "_in_use_connections"
"""Where a pool keeps its connections."""

_READS = ("xread", "xreadgroup", "xautoclaim")


class _Channel:
    """Stands in for the channel of a subscriber, as one without wildcards or prefix."""

    pattern = False

    def __init__(self, name: str) -> None:
        self.name = name

    def add_prefix(self, prefix: str) -> Self:
        return self


class RedisKind(Kind):
    """See `Kind`."""

    package = "faststream.redis"
    libraries = ("redis",)
    command_name = "RedisPublishCommand"
    consume_tasks = 1

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._parked: set[asyncio.Task[Any] | None] = set()
        self._reading: WeakKeyDictionary[Any, tuple[FrameType | None, float]] = WeakKeyDictionary()
        self._asked: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._failing: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._forget_role()

    def _forget_role(self) -> None:
        self._tells_role: bool | None = None  # not asked yet
        self._was_primary = False
        self._demoted_at: float | None = None
        self._to_demoted: WeakSet[Any] = WeakSet()  # writers of the connections there were then

    def attached(self, subscriber: Any) -> Verdict:
        if not hasattr(subscriber, "subscription"):
            if self._fails(subscriber):
                return Verdict(Consumption.DOWN, "its fetches fail")
            return UP
        connected = peek(subscriber, "subscription", "connection", "is_connected")
        if connected is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its connection is not known")
        if not connected:
            return Verdict(Consumption.DOWN, "its connection is lost")
        return UP

    def _fails(self, subscriber: Any) -> bool:
        # A list or a stream asks again and again, with a pause after an error.
        if any(_pauses_after_an_error(task) for task in subscriber.tasks):
            self._failing[subscriber] = inf
            return True
        if subscriber not in self._failing:
            return False
        # The next fetch may be under way, and fail as well.
        now = asyncio.get_running_loop().time()
        since = self._failing[subscriber] = min(self._failing[subscriber], now)
        if now - since < FETCH_TIME:
            return True
        del self._failing[subscriber]
        return False

    def silence(self, subscriber: Any) -> float:
        if subscriber is None:
            # One that was a primary answers, and takes nothing: others have gone elsewhere.
            demoted = self._demoted_at
            return 0.0 if demoted is None else asyncio.get_running_loop().time() - demoted
        if hasattr(subscriber, "subscription"):
            return self._silence_of_channel(subscriber)
        now = asyncio.get_running_loop().time()
        reading = next(_reads(subscriber), None)
        before, since = self._reading.get(subscriber, (None, now))
        if reading is not before:
            since = now
        self._reading[subscriber] = (reading, since)
        return 0.0 if reading is None else max(now - since - _poll_of(subscriber), 0.0)

    def _silence_of_channel(self, subscriber: Any) -> float:
        # A channel hears from its server when there is a message, so it is asked for a PONG. Who
        # reads that is the consumer, and not while it handles a message.
        connection = peek(subscriber, "subscription", "connection")
        if not hasattr(connection, "next_health_check") or not idle(subscriber):
            self._asked.pop(connection, None)
            return 0.0
        now = asyncio.get_running_loop().time()
        if not connection.health_check_interval:
            # So that the client takes the answer for what it is; and it notes when it last read.
            connection.health_check_interval = FOREVER
            connection.next_health_check = now + FOREVER
        read = connection.next_health_check - connection.health_check_interval
        asked = self._asked.get(connection, -1.0)
        if asked > read:
            return now - asked
        self._asked[connection] = now
        self.spawn(self._send_ping(connection))
        return 0.0

    async def _send_ping(self, connection: Any) -> None:
        with suppress(RedisError, OSError):
            await connection.send_command("PING", PubSub.HEALTH_CHECK_MESSAGE, check_health=False)

    async def reach(self) -> None:
        connection = self.client.connection_pool.make_connection()
        try:
            await connection.connect()
            await connection.send_command("PING" if self._demoted_at is None else "HELLO")
            answer = await connection.read_response()
        finally:
            await connection.disconnect()
        if self._demoted_at is not None and _role_in(answer) != PRIMARY:
            msg = "a new connection leads to a replica, too"
            raise Unreachable(msg)

    def cut(self, subscriber: Any = None) -> None:
        if subscriber is None:
            for connection in self._pool(IDLE):
                # redis-py would find out by a command that fails.
                abort_writer(peek(connection, "_writer"))
                self.spawn(connection.disconnect(nowait=True))
            for connection in self._pool(IN_USE):
                writer = peek(connection, "_writer")
                # What was connected since may read from one that is no replica.
                if self._demoted_at is None or writer in self._to_demoted:
                    abort_writer(writer)
            self._to_demoted.clear()
        elif hasattr(subscriber, "subscription"):
            abort_writer(peek(subscriber, "subscription", "connection", "_writer"))
        else:
            for connection in _connections(subscriber):
                abort_writer(peek(connection, "_writer"))

    def _pool(self, name: str) -> tuple[Any, ...]:
        return tuple(peek(self.client, "connection_pool", name, default=()) or ())

    async def round_trip(self) -> None:
        if self.client is None:
            msg = "not connected"
            raise Unreachable(msg)
        role = await self._ask_role()
        if role == PRIMARY:
            self._was_primary, self._demoted_at = True, None
        elif role and self._was_primary:  # and not one that is consumed from on purpose
            if self._demoted_at is None:
                self._demoted_at = asyncio.get_running_loop().time()
            if not self._to_demoted:
                for connection in self._pool(IDLE) + self._pool(IN_USE):
                    if (writer := peek(connection, "_writer", default=None)) is not None:
                        self._to_demoted.add(writer)
            msg = "its server has become a replica, which takes no writes"
            raise Unreachable(msg)

    async def _ask_role(self) -> str:
        """Get an answer, and the server's role from it; empty where it does not say."""
        if self._tells_role is not False:
            try:
                role = _role_in(await self.client.execute_command("HELLO"))
            except (ResponseError, ConnectionError, RedisConnectionError):
                if self._tells_role:
                    raise
            else:
                self._tells_role = True
                return role
        await self.client.ping()
        self._tells_role = False
        return ""

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        self._failing.clear()
        self._forget_role()
        async with super().starting(timeout):
            yield

    def inspects(self, subscriber: Any) -> bool:
        stream = getattr(subscriber, "stream_sub", None)
        return bool(stream and stream.group and not subscriber.running and subscriber in self._ran)

    async def inspect(self, subscriber: Any) -> Verdict:
        # FastStream stops a consumer whose group is gone, as it does one that is asked to stop.
        stream = subscriber.stream_sub
        try:
            groups = await self.client.xinfo_groups(stream.name)
        except ResponseError:  # neither is the stream there
            groups = []
        if any(each["name"] in (stream.group, stream.group.encode()) for each in groups):
            return self.consuming(subscriber)
        return Verdict(Consumption.DEAD, "its consumer group is gone")

    async def drain(self, subscriber: Any) -> None:
        if hasattr(subscriber, "_read_lock"):
            await self._drain_list(subscriber)
        elif hasattr(subscriber, "stream_sub"):
            await self._drain_stream(subscriber)
        elif subscription := peek(subscriber, "subscription"):
            await self._drain_channel(subscriber, subscription)

    async def _drain_channel(self, subscriber: Any, subscription: Any) -> None:
        await subscription.unsubscribe()
        await subscription.punsubscribe()
        # What was published before is read before the server's answer, which ends `subscribed`.
        await self.handled(subscriber, lambda: not peek(subscription, "subscribed"))

    async def _drain_list(self, subscriber: Any) -> None:
        self.spawn(self._unblock(subscriber))
        # Held while a message is popped and handed over.
        async with subscriber._read_lock:
            await self.handled(subscriber)
            tasks = tuple(subscriber.tasks)
            subscriber.tasks.clear()
            for task in tasks:
                end(task)

    async def _unblock(self, subscriber: Any) -> None:
        """Let the server answer a read that it keeps waiting; to cancel it might lose a message."""
        if _poll_of(subscriber) < LONG_POLL:
            return
        for connection in _connections(subscriber):
            host, port, *_ = peek(connection, "_writer").get_extra_info("sockname")
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for each in await self.client.client_list(_type="normal"):
                if each["addr"] == address:
                    await self.client.client_unblock(int(each["id"]))

    async def _drain_stream(self, subscriber: Any) -> None:
        client, tasks = self.client, tuple(subscriber.tasks)

        async def park(*args: Any, **kwargs: Any) -> Any:
            self._parked.add(asyncio.current_task())
            await asyncio.Event().wait()

        for name in _READS:
            setattr(client, name, park)
        self.spawn(self._unblock(subscriber))
        # The consumer parks when it wants to read more, with all that it had read handled.
        await self.handled(
            subscriber,
            lambda: any(task in self._parked or _pauses_after_an_error(task) for task in tasks),
        )

    def detach(self, subscriber: Any) -> None:
        if hasattr(subscriber, "subscription"):
            abort_writer(peek(subscriber, "subscription", "connection", "_writer"))
            subscriber.subscription = None
        if hasattr(subscriber, "_read_lock"):
            subscriber._read_lock = anyio.Lock()

    async def close(self) -> None:
        self._parked.clear()
        for connection in (*self._pool(IDLE), *self._pool(IN_USE)):
            abort_writer(peek(connection, "_writer"))
        await self.finish(self.broker.config.disconnect())

    def declared_address(self, channel: Any) -> str:
        return str(channel.bindings.redis.channel)

    def concrete(self, address: str, subscriber: Any) -> str:
        address = super().concrete(address, subscriber)
        pattern = getattr(getattr(subscriber, "channel", None), "pattern", False)
        return address.replace("*", "any") if pattern else address

    def stand_in(
        self, subscriber: Any, process: Callable[[Any], Awaitable[Any]], address: str
    ) -> Any:
        channel = getattr(subscriber, "channel", None)
        if channel is None or not channel.pattern:
            return super().stand_in(subscriber, process, address)

        async def process_matched(raw: Any) -> Any:
            return await process({**raw, "pattern": channel.name.encode()})

        # FastStream would match by a regular expression that backtracks.
        copied = super().stand_in(subscriber, process_matched, address)
        copied._channel = _Channel(address if fnmatchcase(address, channel.name) else "")
        return copied

    def parse_steps(self, subscriber: Any, address: str) -> int:
        regex = peek(subscriber, "channel", "path_regex", default=None)
        # Each wildcard may end at each character, whatever the others do.
        wildcards = regex.pattern.count(".*") if regex else 1
        return comb(len(address) + wildcards, wildcards)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        if hasattr(subscriber, "stream_sub"):
            return {"stream": address}
        return {"list" if hasattr(subscriber, "list_sub") else "channel": address}

    def acknowledges(self, subscriber: Any) -> bool:
        stream = getattr(subscriber, "stream_sub", None)
        return bool(stream and stream.group and not stream.no_ack)

    def is_batch(self, raw: Any) -> bool:
        return isinstance(raw, dict) and raw.get("type") in {"blist", "bstream"}

    def merge(self, batches: list[Any]) -> Any:
        return {**batches[0], "data": [item for batch in batches for item in batch["data"]]}

    def producers(self) -> list[tuple[Any, str]]:
        # A publisher that starts makes its own.
        own = [(publisher, "producer") for publisher in self.broker.publishers]
        return [*super().producers(), *own]

    def in_memory_producer(self, view: Any) -> Any:
        from faststream.redis.testing import FakeProducer

        return FakeProducer(view, (view,), self.broker.config)


def _role_in(answer: Any) -> str:
    """Return the role that an answer to HELLO tells: a list under RESP2, a map under RESP3."""
    pairs = (
        answer.items()
        if isinstance(answer, Mapping)
        else zip(answer[::2], answer[1::2], strict=False)
    )
    found = {_text(key): value for key, value in pairs}
    return _text(found.get("role", ""))


def _text(found: Any) -> str:
    return found.decode() if isinstance(found, bytes) else str(found)


def _reads(subscriber: Any) -> Iterator[FrameType]:
    """Go through the reads from a connection that the tasks of a subscriber are in."""
    for task in subscriber.tasks:
        for frame in frames_of(task):
            if frame.f_code.co_name == "read_response" and hasattr(
                frame.f_locals.get("self"), "_writer"
            ):
                yield frame


def _connections(subscriber: Any) -> list[Any]:
    return [frame.f_locals["self"] for frame in _reads(subscriber)]


def _poll_of(subscriber: Any) -> float:
    """Return for how many seconds the server may keep a read of a list or a stream waiting."""
    if (stream := getattr(subscriber, "stream_sub", None)) is not None:
        milliseconds = stream.polling_interval
        return inf if milliseconds == 0 else (milliseconds or 0) / 1000
    return float(subscriber.list_sub.polling_interval) or inf


def _pauses_after_an_error(task: asyncio.Task[Any]) -> bool:
    names = [frame.f_code.co_name for frame in frames_of(task)]
    # FastStream's pause, and that of redis-py before it tries a command again.
    return any(
        before in ("_consume", "call_with_retry") and name == "sleep"
        for before, name in pairwise(names)
    )
