"""MQTT, by zmqtt 0.2."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from zmqtt import ReconnectConfig
from zmqtt.client import MQTTClient

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
    live,
    peek,
    present,
)

__all__ = ("MqttKind",)


class MqttKind(Kind):
    """See `Kind`."""

    package = "faststream.mqtt"
    libraries = ("zmqtt",)
    command_name = "MQTTPublishCommand"
    consume_tasks = 1

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

    def connected(self) -> bool:
        return peek(self.client, "_protocol") is not None

    async def round_trip(self) -> None:
        if self.client is None:
            msg = "not connected"
            raise Unreachable(msg)
        await self.client.ping(timeout=FOREVER)

    async def reach(self) -> None:
        # Under another name: a server closes the connection of a client whose name comes again.
        options = {
            name: getattr(self.client, f"_{name}")
            for name in ("host", "port", "tls", "username", "password", "version")
        }
        client = MQTTClient(**options, reconnect=ReconnectConfig(enabled=False))
        async with client:
            await client.ping(timeout=FOREVER)

    def cut(self, subscriber: Any = None) -> None:
        abort_writer(peek(self.client, "_protocol", "_transport", "_writer"))

    async def drain(self, subscriber: Any) -> None:
        subscription = peek(subscriber, "_subscription")
        if not present(subscription):
            return
        if self._persistent():
            # Not acknowledged, so the server keeps it, and the subscription, for the next start.
            await subscription.detach()
            await self.handled(subscriber)
        else:
            await subscription.stop()
            queue = peek(subscription, "_queue")
            await self.handled(subscriber, lambda: not present(queue) or queue.empty())
        subscriber._subscription = None

    def _persistent(self) -> bool:
        options = self.broker._connection_kwargs
        return not options.get("clean_session", True) or bool(
            options.get("session_expiry_interval")
        )

    def detach(self, subscriber: Any) -> None:
        if hasattr(subscriber, "_subscription"):
            subscriber._subscription = None

    async def close(self) -> None:
        client = self.client
        if client is None:
            return
        if live(running := peek(client, "_run_task")):
            end(running)
        abort_writer(peek(client, "_protocol", "_transport", "_writer"))
        await self.finish(client.disconnect())
        self.broker.config.disconnect()

    def declared_address(self, channel: Any) -> str:
        return re.sub(r"^\$share/[^/]+/", "", str(channel.bindings.mqtt.topic))

    def concrete(self, address: str, subscriber: Any) -> str:
        parts = super().concrete(address, subscriber).split("/")
        return "/".join("any" if part in {"+", "#"} else part for part in parts)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        return {"topic": address, "qos": subscriber._qos}

    def acknowledges(self, subscriber: Any) -> bool:
        return int(subscriber._qos) > 0

    def complete(self, subscriber: Any) -> None:
        # The parser is chosen at the start, when the broker's version is known.
        parser = subscriber._build_parser()
        subscriber._parser, subscriber._decoder = parser.parse_message, parser.decode_message
