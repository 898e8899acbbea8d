"""One dry run on every kind of broker and subscriber, without a connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock

import pytest
from faststream import Path
from faststream.confluent import KafkaBroker as ConfluentBroker
from faststream.confluent import TopicPartition as ConfluentPartition
from faststream.kafka import KafkaBroker, TopicPartition
from faststream.middlewares import AckPolicy
from faststream.mqtt import MQTTBroker, MQTTRouter
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.redis import ListSub, PubSub, RedisBroker, StreamSub
from pydantic import BaseModel

from faststream_integrations.dry_run.run import DryRun, Published
from tests.installed import OLDEST_FASTSTREAM


class Order(BaseModel):
    id: int


async def double(order: Order) -> dict[str, int]:
    return {"doubled": order.id * 2}


async def ids(orders: list[Order]) -> list[int]:
    return [order.id for order in orders]


async def with_path(order: Order, name: str = Path()) -> list[Any]:
    return [name, order.id]


@dataclass
class Case:
    broker: Callable[[], Any]
    subscribe: Callable[[Any], Any]
    channel: str
    handler: Callable[..., Any] = double
    payload: Any = None
    result: Any = None
    acknowledgement: str | None = "ack"
    address: str | None = None


BATCH: dict[str, Any] = {"handler": ids, "payload": [{"id": 1}, {"id": 2}], "result": [1, 2]}
PATH: dict[str, Any] = {"handler": with_path, "result": ["red", 21]}
STREAM = JStream("jobs", subjects=["jobs.*"])

CASES = {
    "nats core": Case(
        NatsBroker, lambda b: b.subscriber("orders"), "orders:Double", acknowledgement=None
    ),
    "nats queue group": Case(
        NatsBroker, lambda b: b.subscriber("orders", "workers"), "orders", acknowledgement=None
    ),
    "nats path": Case(
        NatsBroker,
        lambda b: b.subscriber("colour.{name}"),
        "colour.{name}:WithPath",
        address="colour.red",
        acknowledgement=None,
        **PATH,
    ),
    "nats jetstream push": Case(
        NatsBroker, lambda b: b.subscriber("jobs.a", stream=STREAM), "jobs.a:Double"
    ),
    "nats jetstream pull": Case(
        NatsBroker,
        lambda b: b.subscriber("jobs.a", stream=STREAM, durable="d", pull_sub=PullSub()),
        "jobs.a:Double",
    ),
    "nats jetstream pull batch": Case(
        NatsBroker,
        lambda b: b.subscriber("jobs.a", stream=STREAM, pull_sub=PullSub(batch=True)),
        "jobs.a:Ids",
        **BATCH,
    ),
    "nats concurrent": Case(
        NatsBroker,
        lambda b: b.subscriber("orders", max_workers=4),
        "orders:Double",
        acknowledgement=None,
    ),
    "redis channel": Case(
        RedisBroker, lambda b: b.subscriber("orders"), "orders:Double", acknowledgement=None
    ),
    "redis pattern": Case(
        RedisBroker,
        lambda b: b.subscriber(PubSub("colour.{name}")),
        "colour.red",
        acknowledgement=None,
        **PATH,
    ),
    "redis list": Case(
        RedisBroker, lambda b: b.subscriber(list="orders"), "orders:Double", acknowledgement=None
    ),
    "redis list batch": Case(
        RedisBroker,
        lambda b: b.subscriber(list=ListSub("orders", batch=True)),
        "orders:Ids",
        acknowledgement=None,
        **BATCH,
    ),
    "redis stream": Case(
        RedisBroker, lambda b: b.subscriber(stream="orders"), "orders:Double", acknowledgement=None
    ),
    "redis stream group": Case(
        RedisBroker,
        lambda b: b.subscriber(stream=StreamSub("orders", group="g", consumer="c")),
        "orders:Double",
    ),
    "redis stream batch": Case(
        RedisBroker,
        lambda b: b.subscriber(stream=StreamSub("orders", group="g", consumer="c", batch=True)),
        "orders:Ids",
        **BATCH,
    ),
    "rabbit queue": Case(RabbitBroker, lambda b: b.subscriber("orders"), "orders:_:Double"),
    "rabbit topic path": Case(
        RabbitBroker,
        lambda b: b.subscriber(
            RabbitQueue("orders", routing_key="colour.{name}"),
            RabbitExchange("shop", type=ExchangeType.TOPIC),
        ),
        "orders:shop:WithPath",
        address="colour.red",
        **PATH,
    ),
    "rabbit fanout": Case(
        RabbitBroker,
        lambda b: b.subscriber("orders", RabbitExchange("shop", type=ExchangeType.FANOUT)),
        "orders:shop:Double",
    ),
    "rabbit headers": Case(
        RabbitBroker,
        lambda b: b.subscriber(
            RabbitQueue("orders", bind_arguments={"colour": "red", "x-match": "all"}),
            RabbitExchange("shop", type=ExchangeType.HEADERS),
        ),
        "orders:shop:Double",
    ),
    "kafka topic": Case(KafkaBroker, lambda b: b.subscriber("orders"), "orders:Double"),
    "kafka one of two topics": Case(
        KafkaBroker, lambda b: b.subscriber("first", "second"), "second:Double"
    ),
    "kafka batch": Case(
        KafkaBroker, lambda b: b.subscriber("orders", batch=True), "orders:Ids", **BATCH
    ),
    "kafka partition": Case(
        KafkaBroker,
        lambda b: b.subscriber(partitions=[TopicPartition("orders", 3)]),
        "orders:Double",
    ),
    "kafka pattern": Case(
        KafkaBroker,
        lambda b: b.subscriber(pattern="colour.{name}"),
        "colour.{name}:WithPath",
        address="colour.red",
        **PATH,
    ),
    "confluent topic": Case(ConfluentBroker, lambda b: b.subscriber("orders"), "orders:Double"),
    "confluent batch": Case(
        ConfluentBroker, lambda b: b.subscriber("orders", batch=True), "orders:Ids", **BATCH
    ),
    "confluent partition": Case(
        ConfluentBroker,
        lambda b: b.subscriber(partitions=[ConfluentPartition("orders", 3)]),
        "orders:Double",
    ),
    "mqtt qos 0": Case(
        MQTTBroker, lambda b: b.subscriber("orders"), "orders:Double", acknowledgement=None
    ),
    "mqtt qos 1": Case(MQTTBroker, lambda b: b.subscriber("orders", qos=1), "orders:Double"),
    "mqtt shared path": Case(
        MQTTBroker,
        lambda b: b.subscriber("colour/{name}", shared="g"),
        "colour/red",
        acknowledgement=None,
        **PATH,
    ),
    "mqtt 3.1.1": Case(
        lambda: MQTTBroker(version="3.1.1"),
        lambda b: b.subscriber("orders"),
        "orders:Double",
        acknowledgement=None,
    ),
}


if OLDEST_FASTSTREAM:
    # Its subscribers with workers leave streams open that nobody started.
    del CASES["nats concurrent"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_handler_runs_and_its_answer_is_recorded(case: Case) -> None:
    broker = case.broker()
    # The document is usually made before the first dry run, and both must find the handler.
    case.subscribe(broker)(broker.publisher("answers")(case.handler))

    report = await DryRun([broker]).run(
        case.channel, case.payload or {"id": 21}, address=case.address
    )

    assert report.error is None
    assert report.result == (case.result or {"doubled": 42})
    assert report.acknowledgement == case.acknowledgement
    assert [(m.channel, m.payload) for m in report.published] == [("answers", report.result)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_failing_handler_shows_its_exception_and_what_it_did_before(case: Case) -> None:
    broker = case.broker()

    async def failing(order: Any) -> None:
        await broker.publish("before", "audit", headers={"trace": "1"})
        msg = "no stock"
        raise RuntimeError(msg)

    failing.__name__ = case.handler.__name__
    case.subscribe(broker)(failing)

    report = await DryRun([broker]).run(
        case.channel, case.payload or {"id": 21}, address=case.address
    )

    assert report.error is not None
    assert (report.error.type, report.error.message) == ("RuntimeError", "no stock")
    assert [(m.channel, m.payload, m.headers) for m in report.published] == [
        ("audit", "before", {"trace": "1"})
    ]
    if case.acknowledgement is None:
        assert report.acknowledgement is None


async def test_mqtt_router_takes_the_version_of_its_broker() -> None:
    router = MQTTRouter()

    @router.subscriber("orders")
    async def handler(_body: str) -> str:
        return type(broker.context.get("handler_")._decoder.__self__).__name__

    broker = MQTTBroker(version="3.1.1")
    broker.include_router(router)

    assert (await DryRun([broker]).run("orders", "x")).result == "MQTTParserV311"


BROKERS = [NatsBroker, RedisBroker, RabbitBroker, KafkaBroker, ConfluentBroker, MQTTBroker]


@pytest.mark.parametrize("make", BROKERS)
async def test_headers_and_correlation_id_reach_the_handler(make: Callable[[], Any]) -> None:
    broker = make()
    seen: list[Any] = []

    @broker.subscriber("orders")
    async def handler(_body: str, message: Any = None) -> None:
        message = broker.context.get("message")
        seen.append((message.headers["tenant"], message.correlation_id))

    report = await DryRun([broker]).run("orders", "x", {"tenant": "blue", "correlation_id": "one"})

    assert report.error is None
    assert seen == [("blue", "one")]


@pytest.mark.parametrize("make", [NatsBroker, RedisBroker, RabbitBroker, MQTTBroker])
async def test_request_is_answered_by_the_application_and_recorded(make: Callable[[], Any]) -> None:
    broker = make()

    @broker.subscriber("prices")
    async def price(name: str) -> str:
        await broker.publish(name, "asked")
        return f"{name}: 7"

    @broker.subscriber("orders")
    async def order(name: str) -> Any:
        return await (await broker.request(name, "prices")).decode()

    report = await DryRun([broker]).run("orders", "tea")

    assert report.error is None
    assert report.result == "tea: 7"
    assert [m.channel for m in report.published] == ["prices", "asked"]


@pytest.mark.parametrize("make", [KafkaBroker, ConfluentBroker])
async def test_live_consumer_neither_commits_nor_seeks(make: Callable[[], Any]) -> None:
    broker = make()

    @broker.subscriber("orders", group_id="g", ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handler(_body: str) -> None:
        await broker.context.get("message").consumer.commit()
        msg = "no stock"
        raise RuntimeError(msg)

    # As the start of a consumer does.
    consumer = AsyncMock()
    broker.subscribers[0].parser._setup(consumer)

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is not None
    assert report.error.message == "no stock"
    assert report.acknowledgement == "nack"
    assert consumer.mock_calls == []


async def test_router_prefix_belongs_to_the_address() -> None:
    broker = NatsBroker()
    router = NatsRouter(prefix="shop.")
    router.subscriber("orders")(router.publisher("answers")(double))
    broker.include_router(router, prefix="eu.")

    report = await DryRun([broker]).run("eu.shop.orders:Double", {"id": 1})

    assert report.published == [
        Published(
            broker="NatsBroker",
            channel="eu.shop.answers",
            payload={"doubled": 2},
            headers={},
            correlation_id=report.published[0].correlation_id,
        )
    ]


async def test_batch_published_by_the_handler_is_recorded_message_by_message() -> None:
    broker = KafkaBroker()

    @broker.subscriber("orders")
    async def split(order: dict[str, int]) -> None:
        await broker.publish_batch(1, 2, 3, topic="parts")

    report = await DryRun([broker]).run("orders", {"id": 1})

    assert [(m.channel, m.payload) for m in report.published] == [
        ("parts", 1),
        ("parts", 2),
        ("parts", 3),
    ]


async def test_redis_publisher_of_its_own_is_recorded() -> None:
    broker = RedisBroker()
    publisher = broker.publisher(list=ListSub("parts", batch=True))

    @broker.subscriber("orders")
    async def split(_order: str) -> None:
        await publisher.publish("a", "b", list="parts")

    report = await DryRun([broker]).run("orders", "x")

    assert [(m.channel, m.payload) for m in report.published] == [("parts", "a"), ("parts", "b")]


async def test_redis_publisher_that_a_handler_starts_is_recorded() -> None:
    broker = RedisBroker()

    @broker.subscriber("orders")
    async def handler(_order: str) -> None:
        publisher = broker.publisher("late")
        await publisher.start()
        await publisher.publish("x")

    report = await DryRun([broker]).run("orders", "x")

    assert [(m.channel, m.payload) for m in report.published] == [("late", "x")]


@pytest.mark.parametrize("make", [KafkaBroker, ConfluentBroker])
async def test_kafka_publisher_that_flushes_is_recorded(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make()
    flush = AsyncMock()
    monkeypatch.setattr(type(broker.config.producer), "flush", flush)
    broker.subscriber("orders")(broker.publisher("answers", autoflush=True)(double))

    report = await DryRun([broker]).run("orders", {"id": 1})

    assert [(m.channel, m.payload) for m in report.published] == [("answers", {"doubled": 2})]
    flush.assert_not_awaited()


@pytest.mark.parametrize("make", BROKERS)
async def test_wrapped_producer_is_as_true_as_it_was(make: Callable[[], Any]) -> None:
    broker = make()
    before = bool(broker.config.producer)

    DryRun([broker])

    assert bool(broker.config.producer) is before
