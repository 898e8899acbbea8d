"""RabbitMQ, by aio-pika 9 - 10 and aiormq 6 - 7."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aio_pika import RobustConnection

from faststream_integrations.drivers.base import (
    UNKNOWN,
    UP,
    Consumption,
    Driver,
    Unreachable,
    Verdict,
    abort_writer,
    live,
    peek,
)

__all__ = ("RabbitDriver",)


class RabbitDriver(Driver):
    """See `Driver`."""

    kind = "rabbit"
    clients = (RobustConnection,)
    consume_tasks = 0

    @property
    def connection(self) -> Any:
        """The aiormq connection of the moment, `None` while there is none."""
        connection = peek(self.broker, "_connection", "transport", "connection")
        return None if connection is UNKNOWN else connection

    def generation(self) -> Any:
        return id(self.connection)

    def lost(self) -> str:
        connection = peek(self.broker, "_connection")
        if connection in (None, UNKNOWN):
            return ""
        reconnecting = peek(connection, "_RobustConnection__reconnection_task")
        if reconnecting is not UNKNOWN and not live(reconnecting):
            return "the client will not reconnect"
        return ""

    def attached(self, subscriber: Any) -> Verdict:
        consumers = peek(subscriber, "_queue_obj", "channel", "_channel", "channel", "consumers")
        tag = peek(subscriber, "_consumer_tag")
        if consumers is UNKNOWN or tag is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its channel is not known")
        if tag is None or consumers is None or tag not in consumers:
            return Verdict(Consumption.DOWN, "its channel has no consumer")
        return UP

    async def round_trip(self) -> None:
        connection = self.connection
        if connection is None or connection.is_closed:
            msg = "not connected"
            raise Unreachable(msg)
        # To open a channel is a question to the server, and needs no permission.
        channel = await connection.channel()
        await channel.close()

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        options = self.broker._connection_kwargs
        given = options.get("timeout")
        options["timeout"] = min(timeout, given or timeout)
        try:
            async with super().starting(timeout):
                yield
        finally:
            options["timeout"] = given

    async def drain(self, subscriber: Any) -> None:
        queue, tag = peek(subscriber, "_queue_obj"), peek(subscriber, "_consumer_tag")
        if queue in (None, UNKNOWN) or tag in (None, UNKNOWN):
            return
        if not queue.channel.is_closed:
            await queue.cancel(tag)
        subscriber._consumer_tag = None
        await self.handled(subscriber)

    def detach(self, subscriber: Any) -> None:
        for name in ("_consumer_tag", "_queue_obj"):
            if hasattr(subscriber, name):
                setattr(subscriber, name, None)

    async def close(self) -> None:
        current = peek(self.broker, "_connection")
        for connection in {current, *self.made} - {None, UNKNOWN}:
            await self._close(connection)
        self.made = []
        if peek(self.broker, "_channel") is not UNKNOWN:
            self.broker._channel = None
        with suppress(NotImplementedError):  # it was never connected
            self.broker.config.disconnect()

    async def _close(self, connection: RobustConnection) -> None:
        if peek(connection, "_close_called") is not UNKNOWN:
            connection._close_called = True
        # aiormq keeps the socket in its tasks alone.
        underlay = peek(connection, "transport", "connection")
        writer_task = peek(underlay, "_writer_task")
        if isinstance(writer_task, asyncio.Task):
            frame = peek(writer_task.get_coro(), "cr_frame", "f_locals")
            abort_writer(frame.get("writer") if isinstance(frame, dict) else None)
        await self.finish(connection.close())
        for name in ("_reader_task", "_writer_task"):
            if live(task := peek(underlay, name)):
                task.cancel()
