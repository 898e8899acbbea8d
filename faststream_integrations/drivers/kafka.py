"""Kafka, by aiokafka 0.12 - 0.14."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from faststream_integrations.drivers.base import (
    UNKNOWN,
    UP,
    Consumption,
    Driver,
    Unreachable,
    Verdict,
    peek,
)

__all__ = ("KafkaDriver",)


class KafkaDriver(Driver):
    """See `Driver`."""

    kind = "kafka"
    clients = (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)

    def consume_tasks_of(self, subscriber: Any) -> int | None:
        # One that consumes partitions concurrently has a consumer, and a task, for each worker.
        group = peek(subscriber, "consumer_subgroup")
        return 1 if group is UNKNOWN else max(len(group), 1)

    def attached(self, subscriber: Any) -> Verdict:
        group = peek(subscriber, "consumer_subgroup")
        for consumer in (peek(subscriber, "consumer"),) if group is UNKNOWN else tuple(group):
            if consumer is None:
                return Verdict(Consumption.DEAD, "no consumer")
            if peek(consumer, "_closed") is True:
                return Verdict(Consumption.DEAD, "its consumer is closed")
            coordinating = peek(consumer, "_coordinator", "_coordination_task")
            fetching = peek(consumer, "_fetcher", "_fetch_task")
            if fetching is UNKNOWN:
                return Verdict(Consumption.UNKNOWN, "its consumer is not known")
            if any(
                isinstance(each, asyncio.Future) and each.done()
                for each in (coordinating, fetching)
            ):
                return Verdict(Consumption.DEAD, "its consumer has ended")
        return UP

    async def round_trip(self) -> None:
        if peek(self.broker, "config", "consumer_only") is not True:
            await super().round_trip()
            return
        # There is no admin client to ask; any consumer can list the topics.
        for subscriber in self.broker.subscribers:
            if consumer := getattr(subscriber, "consumer", None):
                await consumer.topics()
                return
        msg = "not connected"
        raise Unreachable(msg)

    def detach(self, subscriber: Any) -> None:
        for name, empty in (("consumer", None), ("consumer_subgroup", [])):
            if hasattr(subscriber, name):
                setattr(subscriber, name, empty)

    async def close(self) -> None:
        for client in self.made:
            await self.finish(client.close() if hasattr(client, "close") else client.stop())
        self.made = []
