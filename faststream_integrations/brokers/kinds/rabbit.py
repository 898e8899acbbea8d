"""RabbitMQ, by aio-pika 9 - 10 and aiormq 6 - 7."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from math import comb
from typing import Any

import anyio
from aio_pika import RobustConnection, connect

from faststream_integrations._faststream import frames_of
from faststream_integrations.brokers.kinds.base import (
    UNKNOWN,
    UP,
    Consumption,
    Kind,
    Unreachable,
    Verdict,
    abort_writer,
    end,
    ended,
    live,
    peek,
    present,
)

__all__ = ("RabbitKind",)


TRY_INTERVAL = 10.0
"""Seconds between two attempts to find out why a client does not connect."""

TRY_TIMEOUT = 1.0
"""Seconds for such an attempt."""


class RabbitKind(Kind):
    """See `Kind`."""

    package = "faststream.rabbit"
    libraries = (
        "aio_pika",
        "aiormq",
        "pamqp",
    )
    command_name = "RabbitPublishCommand"
    clients = (RobustConnection,)
    consume_tasks = 0

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._tried = 0.0
        self._question: tuple[Any, Any] = (None, None)  # a connection, and our channel on it

    @property
    def connection(self) -> Any:
        """The aiormq connection of the moment, `None` while there is none."""
        return peek(self.client, "transport", "connection", default=None)

    def generation(self) -> Any:
        return id(self.connection)

    def lost(self) -> str:
        reconnecting = peek(self.client, "_RobustConnection__reconnection_task")
        return "the client will not reconnect" if ended(reconnecting) else ""

    def attached(self, subscriber: Any) -> Verdict:
        consumers = peek(subscriber, "_queue_obj", "channel", "_channel", "channel", "consumers")
        tag = peek(subscriber, "_consumer_tag")
        if consumers is UNKNOWN or tag is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its channel is not known")
        if tag is None or consumers is None or tag not in consumers:
            return Verdict(Consumption.DOWN, "its channel has no consumer")
        return UP

    def connected(self) -> bool:
        return self.connection is not None and not self.connection.is_closed

    def stopped_on_purpose(self, subscriber: Any) -> bool:
        return peek(subscriber, "_consumer_tag") is None

    def held_back(self) -> str:
        # aiormq writes nothing then, no acknowledgement either.
        unblocked = peek(self.connection, "_Connection__connection_unblocked")
        if self.connected() and isinstance(unblocked, asyncio.Event) and not unblocked.is_set():
            return "the server is short of memory or disk, and has blocked the connection"
        return ""

    async def round_trip(self) -> None:
        if not self.connected():
            raise await self._find_out_why()
        if why := self.held_back():
            raise Unreachable(why)
        # To open a channel is a question to the server, and needs no permission. That of the first
        # question is kept for the others: what is asked on it disturbs nobody, and the server
        # always says yes.
        connection, (asked_on, channel) = self.connection, self._question
        if asked_on is connection and not channel.is_closed:
            await channel.flow(active=True)
        else:
            channel = await connection.channel(publisher_confirms=False)
            self._question = connection, channel
        self.trouble = None

    async def _find_out_why(self) -> Exception:
        """Tell why there is no connection; the client, which goes on trying, only logs it."""
        now = asyncio.get_running_loop().time()
        if self.trouble is None or now - self._tried > TRY_INTERVAL:
            self.trouble, self._tried = Unreachable("not connected"), now
            with anyio.move_on_after(TRY_TIMEOUT):
                try:
                    await self.reach()
                except Exception as error:
                    self.trouble = error
        return self.trouble

    async def reach(self) -> None:
        options = self.broker._connection_kwargs
        known = ("url", "host", "port", "login", "password", "virtualhost", "ssl", "ssl_options",
                 "ssl_context", "timeout")  # fmt: skip
        connection = await connect(**{name: options[name] for name in known if name in options})
        await self.finish(connection.close())

    def cut(self, subscriber: Any = None) -> None:
        _abort(self.connection)

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
        if not present(queue) or not present(tag):
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
        for connection in {self.client, *self.made} - {None}:
            await self._close(connection)
        self.made = []
        self._question = (None, None)
        if hasattr(self.broker, "_channel"):
            self.broker._channel = None
        with suppress(NotImplementedError):  # it was never connected
            self.broker.config.disconnect()

    async def _close(self, connection: RobustConnection) -> None:
        if hasattr(connection, "_close_called"):
            connection._close_called = True
        underlay = peek(connection, "transport", "connection")
        _abort(underlay)
        await self.finish(connection.close())
        for name in ("_reader_task", "_writer_task"):
            if live(task := _task_of(underlay, name)):
                end(task)

    def declared_address(self, channel: Any) -> str:
        return str(channel.operation.bindings.amqp.routing_key)

    def concrete(self, address: str, subscriber: Any) -> str:
        address = super().concrete(address, subscriber)
        if not self._is_topic(subscriber):
            return address
        return ".".join("any" if part in {"*", "#"} else part for part in address.split("."))

    def _is_topic(self, subscriber: Any) -> bool:
        return bool(subscriber.exchange.type.value == "topic")

    def parse_steps(self, subscriber: Any, address: str) -> int:
        # Each `#` may end at each dot, whatever the others do.
        wildcards = subscriber.routing().count("#") if self._is_topic(subscriber) else 0
        words = address.count(".") + 1
        return len(address) * comb(words + wildcards, wildcards)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        return {"routing_key": address, "exchange": subscriber.exchange}

    def headers(self, subscriber: Any, headers: Mapping[str, str]) -> dict[str, Any]:
        # An exchange of type "headers" routes by them.
        bound = subscriber.queue.bind_arguments or {}
        return {**{key: value for key, value in bound.items() if key != "x-match"}, **headers}

    def channel_of(self, command: Any) -> str:
        # A fanout exchange has no routing key.
        return str(command.destination or getattr(command.exchange, "name", ""))


def _abort(underlay: Any) -> None:
    """Close the socket of an aiormq connection, which keeps it in its tasks alone."""
    if live(writing := _task_of(underlay, "_writer_task")):
        for frame in frames_of(writing):
            abort_writer(frame.f_locals.get("writer"))


def _task_of(underlay: Any, name: str) -> Any:
    """Return a task of an aiormq connection, without what is wrapped around it since aiormq 6."""
    task = peek(underlay, name)
    return peek(task, "task", default=task)
