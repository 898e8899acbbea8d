"""MQTT, by zmqtt 0.2."""

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
    live,
    peek,
)

__all__ = ("MqttDriver",)


class MqttDriver(Driver):
    """See `Driver`."""

    kind = "mqtt"
    consume_tasks = 1

    @property
    def client(self) -> Any:
        """The zmqtt client, `None` while there is none."""
        client = peek(self.broker, "_connection")
        return None if client is UNKNOWN else client

    def generation(self) -> Any:
        return id(self.client), id(peek(self.client, "_protocol"))

    def lost(self) -> str:
        running = peek(self.client, "_run_task")
        if isinstance(running, asyncio.Task) and running.done():
            return "the client gave up reconnecting"
        return ""

    def attached(self, subscriber: Any) -> Verdict:
        subscription = peek(subscriber, "_subscription")
        if subscription is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its subscription is not known")
        if subscription is None:
            return Verdict(Consumption.DEAD, "not subscribed")
        return UP

    async def round_trip(self) -> None:
        if self.client is None:
            msg = "not connected"
            raise Unreachable(msg)
        await self.client.ping(timeout=10**6)

    async def drain(self, subscriber: Any) -> None:
        subscription = peek(subscriber, "_subscription")
        if subscription in (None, UNKNOWN):
            return
        if self._persistent():
            # Not acknowledged, so the server keeps it, and the subscription, for the next start.
            await subscription.detach()
            await self.handled(subscriber)
        else:
            await subscription.stop()
            queue = peek(subscription, "_queue")
            await self.handled(subscriber, lambda: queue is UNKNOWN or queue.empty())
        subscriber._subscription = None

    def _persistent(self) -> bool:
        options = self.broker._connection_kwargs
        return not options.get("clean_session", True) or bool(
            options.get("session_expiry_interval")
        )

    def detach(self, subscriber: Any) -> None:
        if peek(subscriber, "_subscription") is not UNKNOWN:
            subscriber._subscription = None

    async def close(self) -> None:
        client = self.client
        if client is None:
            return
        if live(running := peek(client, "_run_task")):
            running.cancel()
        abort_writer(peek(client, "_protocol", "_transport", "_writer"))
        await self.finish(client.disconnect())
        self.broker.config.disconnect()
