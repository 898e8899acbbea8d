"""Kafka, by confluent-kafka 2.6 - 2.16."""

from __future__ import annotations

from typing import Any

from faststream_integrations.drivers.base import (
    UNKNOWN,
    UP,
    Consumption,
    Driver,
    Verdict,
    peek,
)

__all__ = ("ConfluentDriver",)


class ConfluentDriver(Driver):
    """See `Driver`."""

    kind = "confluent"
    consume_tasks = 1

    def attached(self, subscriber: Any) -> Verdict:
        consumer = peek(subscriber, "consumer")
        if consumer is None:
            return Verdict(Consumption.DEAD, "no consumer")
        closed = peek(consumer, "_thread_pool", "_shutdown")
        if closed is UNKNOWN:
            return Verdict(Consumption.UNKNOWN, "its consumer is not known")
        return Verdict(Consumption.DEAD, "its consumer is closed") if closed else UP

    def detach(self, subscriber: Any) -> None:
        if hasattr(subscriber, "consumer"):
            subscriber.consumer = None
