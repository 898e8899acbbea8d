"""What is special about each kind of broker: one class for each, found by the broker's class.

The truth about its consumers, draining, a forced close, addresses, names, and what a dry run needs.
The only place that reads private names of the client libraries (nats-py, redis, aio-pika, zmqtt,
aiokafka, confluent-kafka), and names of FastStream that one kind has. Each is read with `peek`: a
name that is not there makes an answer "unknown", and a step that needs it is left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from faststream_integrations.brokers.kinds.base import Consumption, Kind, Unreachable, Verdict

__all__ = ("Consumption", "Kind", "Unreachable", "Verdict", "kind_of")

_KINDS = {
    "nats": "NatsKind",
    "redis": "RedisKind",
    "rabbit": "RabbitKind",
    "kafka": "KafkaKind",
    "confluent": "ConfluentKind",
    "mqtt": "MqttKind",
}
"""The class of each kind, in the module that is named as FastStream names its package."""


def kind_of(broker: Any) -> Kind:
    """Return a new object that knows a broker, by its class or the classes it inherits from."""
    for cls in type(broker).__mro__:
        package, name, *_ = *cls.__module__.split("."), ""
        if package == "faststream" and name in _KINDS:
            kind: type[Kind] = getattr(import_module(f"{__name__}.{name}"), _KINDS[name])
            return kind(broker)
    return Kind(broker)
