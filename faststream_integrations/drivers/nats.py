"""NATS, by nats-py 2.10 - 2.16: core, JetStream push and pull, key-value and object watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

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

__all__ = ("NatsDriver",)

_DENIED = "permissions violation for subscription to "


class NatsDriver(Driver):
    """See `Driver`."""

    kind = "nats"
    clients = (Client,)

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._denied: set[str] = set()
        self._callbacks: dict[str, Any] = {}

    @property
    def client(self) -> Any:
        """The nats-py client, `None` while there is none."""
        client = peek(self.broker, "_connection")
        return None if client is UNKNOWN else client

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
            reading = peek(client, "_reading_task")
            return "" if reading is UNKNOWN or live(reading) else "the client reads no more"
        reconnecting = peek(client, "_reconnection_task")
        if isinstance(reconnecting, asyncio.Task) and reconnecting.done():
            return "the client gave up reconnecting"
        return ""

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
        if not hasattr(subscriber, "_consume_pull") and not _is_watcher(subscriber):
            reading = peek(subscription, "_wait_for_msgs_task")
            if reading is not UNKNOWN and not live(reading):
                return Verdict(Consumption.DEAD, "its consumer task has ended")
        return UP

    async def round_trip(self) -> None:
        client = self.client
        if client is None or not client.is_connected:
            msg = "not connected"
            raise Unreachable(msg)
        # Not `rtt()` and no deadline of its own: a PONG that comes after one has passed ends
        # the client's read loop for good.
        await client.flush(timeout=10**6)

    async def inspect(self, subscriber: Any) -> Verdict | None:
        info = getattr(peek(subscriber, "subscription"), "consumer_info", None)
        if info is None:
            return None
        try:
            await info()
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
            if isinstance(buckets, dict):
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
        self.trouble = error
        _, denied, subject = str(error).lower().partition(_DENIED)
        if denied:
            self._denied.add(subject.strip("\"' ").partition('"')[0])
        await self._call("error_cb", error)

    async def _on_reconnected(self) -> None:
        # The server says it again where it still refuses.
        self._denied.clear()
        await self._call("reconnected_cb")

    async def drain(self, subscriber: Any) -> None:
        subscription = peek(subscriber, "subscription")
        if subscription in (None, UNKNOWN) or _is_watcher(subscriber):
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
        parked = asyncio.Event()

        async def park(*args: Any, **kwargs: Any) -> Any:
            parked.set()
            await asyncio.Event().wait()

        subscription.fetch = park
        inbox = peek(subscription, "_sub")
        with suppress(Error, OSError):
            # From here on the server sends nothing, and what it had sent is in the queue.
            await self.client._send_unsubscribe(inbox._id)
            await self.client.flush(timeout=10**6)
        # A fetch of one message holds nothing but what is in that queue; one of a batch may.
        single = peek(subscriber, "pull_sub", "batch_size") == 1 and not _is_batch(subscriber)
        await self.handled(
            subscriber, lambda: parked.is_set() or (single and not subscription.pending_msgs)
        )

    def detach(self, subscriber: Any) -> None:
        for name in ("subscription", "_fetch_sub"):
            if hasattr(subscriber, name):
                setattr(subscriber, name, None)

    async def close(self) -> None:
        for client in {self.client, *self.made} - {None}:
            client.options["allow_reconnect"] = False
            subscriptions = peek(client, "_subs")
            subscriptions = tuple(subscriptions.values()) if subscriptions is not UNKNOWN else ()
            await self.finish(client.close())
            abort_writer(peek(client, "_transport", "_io_writer"))
            for subscription in subscriptions:
                if live(task := peek(subscription, "_wait_for_msgs_task")):
                    task.cancel()
        self.made = []
        self.broker.config.disconnect()


def _is_watcher(subscriber: Any) -> bool:
    return hasattr(subscriber, "kv_watch") or hasattr(subscriber, "obj_watch")


def _is_batch(subscriber: Any) -> bool:
    return type(subscriber).__name__.startswith("Batch")
