"""What is special about each kind of broker: the truth about its consumers, draining, forced close.

The only place that reads private names of the client libraries (nats-py, redis, aio-pika, zmqtt,
aiokafka, confluent-kafka) and of FastStream's subscribers. Each is read with `peek`: a name that
is not there makes an answer "unknown", and a step that needs it is left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from faststream_integrations.drivers.base import Consumption, Driver, Unreachable, Verdict

__all__ = ("Consumption", "Driver", "Unreachable", "Verdict", "driver_of")

_KINDS = {
    "faststream.nats": ("nats", "NatsDriver"),
    "faststream.redis": ("redis", "RedisDriver"),
    "faststream.rabbit": ("rabbit", "RabbitDriver"),
    "faststream.kafka": ("kafka", "KafkaDriver"),
    "faststream.confluent": ("confluent", "ConfluentDriver"),
    "faststream.mqtt": ("mqtt", "MqttDriver"),
}


def driver_of(broker: Any) -> Driver:
    """Return a new driver for a broker, by its class or the classes that it inherits from."""
    for cls in type(broker).__mro__:
        kind = ".".join(cls.__module__.split(".")[:2])
        if kind in _KINDS:
            module, name = _KINDS[kind]
            driver: type[Driver] = getattr(import_module(f"{__name__}.{module}"), name)
            return driver(broker)
    return Driver(broker)
