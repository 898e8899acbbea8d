"""What both clients of Kafka have: topics of partitions."""

from __future__ import annotations

from typing import Any

from faststream_integrations.brokers.kinds.base import Kind, peek, present

__all__ = ("TopicKind",)


class TopicKind(Kind):
    """See `Kind`."""

    command_name = "KafkaPublishCommand"

    def producer(self) -> Any:
        """Return the client library's producer, `None` while there is none."""
        state = peek(self.broker, "config", "broker_config", "producer", "_producer")
        # FastStream's state without a producer is false, and raises where it is asked for one.
        return peek(state, "producer", default=None) if present(state) and state else None

    def declared_address(self, channel: Any) -> str:
        return str(channel.bindings.kafka.topic)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        partitions = (each.partition for each in subscriber.partitions if each.topic == address)
        return {"topic": address, "partition": next(partitions, None)}
