"""NATS, by nats-py 2.10 - 2.16: core, JetStream push and pull, key-value and object watchers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from nats.aio.client import PING_PROTO, Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as FetchTimeoutError
from nats.js.errors import NotFoundError

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
    ended,
    live,
    peek,
    present,
)

__all__ = ("NatsKind",)

_DENIED = re.compile(r"permissions violation for (?:subscription|publish) to \"?([^\s\"]+)")


class NatsKind(Kind):
    """See `Kind`."""

    package = "faststream.nats"
    libraries = ("nats",)
    command_name = "NatsPublishCommand"
    clients = (Client,)

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._denied: set[str] = set()
        self._callbacks: dict[str, Any] = {}

    def generation(self) -> Any:
        client = self.client
        return id(client), client and client.stats["reconnects"]

    def lost(self) -> str:
        client = self.client
        if client is None:
            return ""
        if client.is_closed:
            return "the client gave up reconnecting"
        if client.is_connected:
            return "the client reads no more" if ended(peek(client, "_reading_task")) else ""
        return (
            "the client gave up reconnecting" if ended(peek(client, "_reconnection_task")) else ""
        )

    def consume_tasks_of(self, subscriber: Any) -> int | None:
        return 1 if hasattr(subscriber, "_consume_pull") or _is_watcher(subscriber) else 0

    def attached(self, subscriber: Any) -> Verdict:
        subscription = peek(subscriber, "subscription")
        if subscription is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its subscription is not known")
        if subscription is None:
            return Verdict(Consumption.DEAD, "not subscribed")
        if peek(subscription, "_closed") is True:
            return Verdict(Consumption.DEAD, "its subscription is closed")
        if str(getattr(subscription, "subject", "")).lower() in self._denied:
            return Verdict(Consumption.DOWN, "the server refuses the subscription")
        if str(getattr(subscription, "_nms", "")).lower() in self._denied:
            return Verdict(Consumption.DOWN, "the server refuses its fetches")
        if ended(peek(subscription, "_wait_for_msgs_task")):
            return Verdict(Consumption.DEAD, "its consumer task has ended")
        return UP

    def connected(self) -> bool:
        return bool(self.client and self.client.is_connected)

    def stopped_on_purpose(self, subscriber: Any) -> bool:
        return peek(subscriber, "subscription") is None

    def ask(self) -> Awaitable[None]:
        client = self.client
        pongs, pending = peek(client, "_pongs"), peek(client, "_pending")
        transport = peek(client, "_transport")
        if not self.connected() or UNKNOWN in (pongs, pending, transport):
            return self.round_trip()
        # What `flush` does, without its deadline: a PONG that comes after one has passed, or for
        # a future that was cancelled, ends the client's read loop for good. And after what waits
        # to be sent, so that a subscription that the server refuses is known with the answer.
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        transport.writelines([*pending, PING_PROTO])
        pending.clear()
        client._pending_data_size = 0
        pongs.append(answer)
        return answer

    async def round_trip(self) -> None:
        client = self.client
        if client is None or not client.is_connected:
            msg = "not connected"
            raise Unreachable(msg)
        await client.flush(timeout=FOREVER)

    async def reach(self) -> None:
        options = {**self.broker._connection_kwargs, "allow_reconnect": False}
        for callback in ("closed_cb", "error_cb", "disconnected_cb", "reconnected_cb"):
            options[callback] = _ignore
        client = Client()
        try:
            await client.connect(**options)
            await client.flush()
        finally:
            client.options["allow_reconnect"] = False
            await client.close()

    def cut(self, subscriber: Any = None) -> None:
        abort_writer(peek(self.client, "_transport", "_io_writer"))

    def inspects(self, subscriber: Any) -> bool:
        return hasattr(peek(subscriber, "subscription"), "consumer_info")

    async def inspect(self, subscriber: Any) -> Verdict:
        try:
            await subscriber.subscription.consumer_info()
        except NotFoundError:
            return Verdict(Consumption.DEAD, "its JetStream consumer was deleted")
        except (Error, TimeoutError, OSError) as error:
            return Verdict(Consumption.UNKNOWN, f"consumer_info: {type(error).__name__}")
        return UP

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        self._denied.clear()
        for declarer in ("kv_declarer", "os_declarer"):
            # They keep buckets of the former connection.
            buckets = peek(self.broker.config, declarer, "buckets")
            if present(buckets):
                buckets.clear()
        for name, wrapper in (
            ("closed_cb", self._on_closed),
            ("error_cb", self._on_error),
            ("reconnected_cb", self._on_reconnected),
        ):
            given = self.broker._connection_kwargs.get(name)
            if given != wrapper:  # of an earlier start
                self._callbacks[name] = given
                self.broker._connection_kwargs[name] = wrapper
        async with super().starting(timeout):
            yield

    async def _call(self, name: str, *args: Any) -> None:
        if (callback := self._callbacks.get(name)) is not None:
            await callback(*args)

    async def _on_closed(self) -> None:
        # A pull subscriber of a closed client would otherwise loop without a pause and freeze
        # the event loop.
        for subscriber in self.broker.subscribers:
            subscriber.running = False
        self.lost_event.set()
        await self._call("closed_cb")

    async def _on_error(self, error: Exception) -> None:
        # What the server has said tells more than how the connection then ended.
        if not (isinstance(error, OSError) and isinstance(self.trouble, Error)):
            self.trouble = error
        if denied := _DENIED.search(str(error).lower()):
            self._denied.add(denied[1])
        try:
            await self._call("error_cb", error)
        except Error as raised:
            # FastStream ends a client that the server refuses, in a task of nats-py's that nobody
            # awaits. The watch finds it ended, and starts another.
            if raised is error and (task := asyncio.current_task()) is not None:
                task.add_done_callback(_retrieve)
            raise

    async def _on_reconnected(self) -> None:
        # The server says it again where it still refuses.
        self._denied.clear()
        # The server has forgotten the fetches that were under way: they would wait in vain.
        for subscriber in self.broker.subscribers:
            if hasattr(subscriber, "_consume_pull") and present(subscriber.subscription):
                self._end_fetch(subscriber)
        await self._call("reconnected_cb")

    def _end_fetch(self, subscriber: Any) -> None:
        """Let a fetch return what it has, as when the server says that its time is over."""
        inbox = peek(subscriber, "subscription", "_sub", "_pending_queue")
        if present(inbox) and not inbox.full():
            # A fetch of one message goes on after a 408 for as long as its timeout says.
            status = "503" if _fetches_one(subscriber) else "408"
            inbox.put_nowait(Msg(self.client, headers={"Status": status, "Description": "over"}))

    async def drain(self, subscriber: Any) -> None:
        subscription = peek(subscriber, "subscription")
        if not present(subscription) or _is_watcher(subscriber):
            return
        if hasattr(subscriber, "_consume_pull"):
            await self._drain_pull(subscriber, subscription)
            return
        if self.client.is_connected:
            with suppress(Error):
                await subscription.drain()
        await self.handled(subscriber, lambda: not subscription.pending_msgs)
        subscriber.subscription = None

    async def _drain_pull(self, subscriber: Any, subscription: Any) -> None:
        fetches = 0
        parked = asyncio.Event()

        async def fetch_no_more(*args: Any, **kwargs: Any) -> Any:
            nonlocal fetches
            fetches += 1
            if fetches == 1:
                raise FetchTimeoutError  # a batch that is gathered is handled as it is
            parked.set()
            await asyncio.Event().wait()

        subscription.fetch = fetch_no_more
        inbox = peek(subscription, "_sub")
        with suppress(Error, OSError):
            # From here on the server sends nothing, and what it had sent is in the queue.
            await self.client._send_unsubscribe(inbox._id)
            await self.client.flush(timeout=FOREVER)
        while not parked.is_set():
            if not subscription.pending_msgs:
                self._end_fetch(subscriber)
            with anyio.move_on_after(0.05):
                await parked.wait()
        await self.handled(subscriber)

    def detach(self, subscriber: Any) -> None:
        for name in ("subscription", "_fetch_sub"):
            if hasattr(subscriber, name):
                setattr(subscriber, name, None)

    async def close(self) -> None:
        for client in {self.client, *self.made} - {None}:
            client.options["allow_reconnect"] = False
            subscriptions = tuple(peek(client, "_subs", default={}).values())
            await self.finish(client.close())
            abort_writer(peek(client, "_transport", "_io_writer"))
            for subscription in subscriptions:
                if live(task := peek(subscription, "_wait_for_msgs_task")):
                    end(task)
        self.made = []
        self.broker.config.disconnect()

    def declared_address(self, channel: Any) -> str:
        return str(channel.bindings.nats.subject)

    def concrete(self, address: str, subscriber: Any) -> str:
        parts = super().concrete(address, subscriber).split(".")
        return ".".join("any" if part in {"*", ">"} else part for part in parts)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        stream = getattr(subscriber, "stream", None)
        return {"subject": address, "stream": stream.name if stream else None}

    def acknowledges(self, subscriber: Any) -> bool:
        return getattr(subscriber, "stream", None) is not None

    def takes_messages(self, subscriber: Any) -> bool:
        return not _is_watcher(subscriber)

    def producers(self) -> list[tuple[Any, str]]:
        return [*super().producers(), (self.broker.config.broker_config, "js_producer")]


async def _ignore(*_: Any) -> None: ...


def _is_watcher(subscriber: Any) -> bool:
    return hasattr(subscriber, "kv_watch") or hasattr(subscriber, "obj_watch")


def _fetches_one(subscriber: Any) -> bool:
    return bool(peek(subscriber, "pull_sub", "batch_size") == 1)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
