"""The ways to consume: for each kind of broker, a broker with one subscriber."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Handler = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Kind:
    """A way to consume.

    Attributes:
        name: How tests call it.
        server: The server that it needs, of `SERVERS`.
        url: The address of a server, by its port.
        broker: Makes a broker from an address.
        subscribe: Adds a subscriber for an address of messages, with a number of workers.
        publish: Sends a message to that address.
    """

    name: str
    server: str
    url: str
    broker: Callable[..., Any]
    subscribe: Callable[[Any, str, Handler, int], Any]
    publish: Callable[[Any, str, str], Awaitable[Any]]

    def make(
        self, port: int, handler: Handler, *, address: str = "", workers: int = 1, **options: Any
    ) -> Any:
        """Return a broker with one subscriber, whose address is `broker.address`."""
        broker = self.broker(self.url.format(port=port), **options)
        broker.address = address or f"lifecycle-{uuid.uuid4().hex}"
        self.subscribe(broker, broker.address, handler, workers)
        return broker

    def send(self, broker: Any, text: str, address: str = "") -> Awaitable[Any]:
        return self.publish(broker, address or broker.address, text)


def _nats(url: str, **options: Any) -> Any:
    from faststream.nats import NatsBroker

    return NatsBroker(url, reconnect_time_wait=0.1, **options)


def _core(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(address, max_workers=workers)(handler)


def _consumer() -> Any:
    from nats.js.api import ConsumerConfig

    return ConsumerConfig(ack_wait=2.0)  # what a killed process had is delivered again soon


def _pull(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    from faststream.nats import PullSub

    return broker.subscriber(
        address,
        stream=address,
        durable="d",
        pull_sub=PullSub(),
        max_workers=workers,
        config=_consumer(),
    )(handler)


def _push(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(address, "q", stream=address, max_workers=workers, config=_consumer())(
        handler
    )


async def _publish_core(broker: Any, address: str, text: str) -> None:
    await broker.publish(text, address)


async def _publish_stream(broker: Any, address: str, text: str) -> None:
    await broker.publish(text, address, stream=address, timeout=5.0)


def _redis(url: str, **options: Any) -> Any:
    from faststream.redis import RedisBroker

    return RedisBroker(url, **options)


def _channel(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(address, max_workers=workers)(handler)


def _list(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(list=address, max_workers=workers)(handler)


def _stream(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    from faststream.redis import StreamSub

    stream = StreamSub(address, group="g", consumer="c", max_records=10)
    return broker.subscriber(stream=stream, max_workers=workers)(handler)


def _rabbit(url: str, **options: Any) -> Any:
    from faststream.rabbit import RabbitBroker

    return RabbitBroker(url, reconnect_interval=0.2, **options)


def _queue(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    from faststream.rabbit import Channel, RabbitQueue

    queue = RabbitQueue(address, durable=True)
    return broker.subscriber(queue, channel=Channel(prefetch_count=10 * workers))(handler)


def _mqtt(url: str, **options: Any) -> Any:
    import zmqtt
    from faststream.mqtt import MQTTBroker

    host, _, port = url.partition(":")
    return MQTTBroker(
        host=host,
        port=int(port),
        reconnect=zmqtt.ReconnectConfig(initial_delay=0.1, max_delay=0.2),
        **options,
    )


def _topic(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(address, qos=1, max_workers=workers)(handler)


async def _publish_topic(broker: Any, address: str, text: str) -> None:
    import zmqtt

    await broker.publish(text, address, qos=zmqtt.QoS.AT_LEAST_ONCE)


def _kafka(url: str, **options: Any) -> Any:
    from faststream.kafka import KafkaBroker

    return KafkaBroker(url, retry_backoff_ms=50, **options)


def _confluent(url: str, **options: Any) -> Any:
    from faststream.confluent import KafkaBroker

    return KafkaBroker(url, **options)


def _group(broker: Any, address: str, handler: Handler, workers: int) -> Any:
    return broker.subscriber(
        address, group_id=address, auto_offset_reset="earliest", max_workers=workers
    )(handler)


_NATS, _REDIS, _KAFKA = "nats://127.0.0.1:{port}", "redis://127.0.0.1:{port}", "127.0.0.1:{port}"

KINDS = {
    kind.name: kind
    for kind in (
        Kind("nats-core", "nats", _NATS, _nats, _core, _publish_core),
        Kind("nats-pull", "nats", _NATS, _nats, _pull, _publish_stream),
        Kind("nats-push", "nats", _NATS, _nats, _push, _publish_stream),
        Kind("redis-channel", "redis", _REDIS, _redis, _channel,
             lambda broker, address, text: broker.publish(text, address)),
        Kind("redis-list", "redis", _REDIS, _redis, _list,
             lambda broker, address, text: broker.publish(text, list=address)),
        Kind("redis-stream", "redis", _REDIS, _redis, _stream,
             lambda broker, address, text: broker.publish(text, stream=address)),
        Kind("rabbit", "rabbit", "amqp://guest:guest@127.0.0.1:{port}/", _rabbit, _queue,
             lambda broker, address, text: broker.publish(text, address)),
        Kind("mqtt", "mqtt", "127.0.0.1:{port}", _mqtt, _topic, _publish_topic),
        Kind("kafka", "kafka", _KAFKA, _kafka, _group,
             lambda broker, address, text: broker.publish(text, address)),
        Kind("confluent", "kafka", _KAFKA, _confluent, _group,
             lambda broker, address, text: broker.publish(text, address)),
    )
}  # fmt: skip


async def left_on_the_server(kind: Kind, port: int, address: str) -> tuple[int, int]:
    """Return how many messages wait on a server, and how many it waits to have acknowledged."""
    if kind.server == "kafka":
        return await _uncommitted(f"127.0.0.1:{port}", address), 0
    broker = kind.broker(kind.url.format(port=port))
    client = await broker.connect()
    try:
        if kind.name in ("nats-pull", "nats-push"):
            (info,) = await client.jetstream().consumers_info(address)
            return info.num_pending or 0, info.num_ack_pending or 0
        if kind.name == "redis-stream":
            (group,) = await client.xinfo_groups(address)
            return group["lag"], group["pending"]
        if kind.name == "redis-list":
            return await client.llen(address), 0
        if kind.name == "rabbit":
            queue = await (await client.channel()).declare_queue(address, passive=True)
            return queue.declaration_result.message_count, 0
        return 0, 0
    finally:
        await broker.stop()


async def _uncommitted(server: str, address: str) -> int:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    async with AIOKafkaConsumer(
        bootstrap_servers=server, group_id=address, enable_auto_commit=False
    ) as consumer:
        partitions = [
            TopicPartition(address, each) for each in consumer.partitions_for_topic(address) or ()
        ]
        ends = await consumer.end_offsets(partitions)
        return sum([ends[each] - (await consumer.committed(each) or 0) for each in partitions])
