"""Redis, by redis-py 5 - 8: channels, lists and streams."""

from __future__ import annotations

import asyncio
from typing import Any

from faststream_integrations.drivers.base import (
    UNKNOWN,
    UP,
    Consumption,
    Driver,
    Unreachable,
    Verdict,
    abort_writer,
    end,
    peek,
)

__all__ = ("RedisDriver",)

_READS = ("xread", "xreadgroup", "xautoclaim")


class RedisDriver(Driver):
    """See `Driver`."""

    kind = "redis"
    consume_tasks = 1

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._parked: set[asyncio.Task[Any] | None] = set()

    @property
    def client(self) -> Any:
        """The redis-py client, `None` while there is none."""
        client = peek(self.broker, "_connection")
        return None if client is UNKNOWN else client

    def attached(self, subscriber: Any) -> Verdict:
        if not hasattr(subscriber, "subscription"):
            # A list or a stream asks again and again; its task and the ping are all there is.
            return UP
        connected = peek(subscriber, "subscription", "connection", "is_connected")
        if connected is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its connection is not known")
        if not connected:
            return Verdict(Consumption.DOWN, "its connection is lost")
        return UP

    async def round_trip(self) -> None:
        if self.client is None:
            msg = "not connected"
            raise Unreachable(msg)
        await self.client.ping()

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
        # Held while a message is popped and handed over.
        async with subscriber._read_lock:
            await self.handled(subscriber)
            tasks = tuple(subscriber.tasks)
            subscriber.tasks.clear()
            for task in tasks:
                end(task)

    async def _drain_stream(self, subscriber: Any) -> None:
        client, tasks = self.client, tuple(subscriber.tasks)

        async def park(*args: Any, **kwargs: Any) -> Any:
            self._parked.add(asyncio.current_task())
            await asyncio.Event().wait()

        for name in _READS:
            setattr(client, name, park)
        # The consumer parks when it wants to read more, with all that it had read handled.
        await self.handled(subscriber, lambda: any(task in self._parked for task in tasks))

    def detach(self, subscriber: Any) -> None:
        if (subscription := peek(subscriber, "subscription")) is UNKNOWN:
            return
        abort_writer(peek(subscription, "connection", "_writer"))
        subscriber.subscription = None

    async def close(self) -> None:
        self._parked.clear()
        pool = peek(self.client, "connection_pool")
        for name in ("_available_connections", "_in_use_connections"):
            connections = peek(pool, name)
            for connection in () if connections in (None, UNKNOWN) else tuple(connections):
                abort_writer(peek(connection, "_writer"))
        await self.finish(self.broker.config.disconnect())
