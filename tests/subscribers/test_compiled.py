"""Where subscribers are compiled: every one of a broker that a host of ours runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from faststream import AckPolicy, BaseMiddleware, Context, Depends, ExceptionMiddleware, FastStream
from faststream.confluent import KafkaBroker as ConfluentBroker
from faststream.confluent import TestKafkaBroker as TestConfluentBroker
from faststream.kafka import KafkaBroker, TestKafkaBroker
from faststream.mqtt import MQTTBroker, TestMQTTBroker
from faststream.nats import NatsBroker, NatsRouter, TestNatsBroker
from faststream.rabbit import RabbitBroker, TestRabbitBroker
from faststream.redis import RedisBroker, TestRedisBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel

from faststream_integrations import AsgiFastStream, broker_lifespan, make_asyncapi_asgi
from faststream_integrations.asgi import as_asgi
from faststream_integrations.compiler import signature
from faststream_integrations.compiler.annotations import read_signature
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.subscribers import adopt
from faststream_integrations.subscribers.config import SWITCH
from tests.subscribers.compiled import is_compiled
from tests.subscribers.hosts import CONTEXTS_ARE_COMPOSED

pytestmark = pytest.mark.filterwarnings("ignore:.*parallel:DeprecationWarning")


class Order(BaseModel):
    id: int


@pytest.fixture
def broker() -> NatsBroker:
    broker = NatsBroker()
    broker.context.set_global("price", 3)
    return broker


def subscribe(broker: Any, name: str = "orders") -> tuple[Any, list[Any]]:
    seen: list[Any] = []
    subscriber = broker.subscriber(name)

    @subscriber
    async def handle(order: Order, price: Annotated[int, Context()]) -> int:
        seen.append((order, price))
        return order.id

    return subscriber, seen


HOSTS = {
    "asgi": AsgiFastStream,
    "asgi-later": lambda broker: AsgiFastStream().add_broker(broker),
    "as-asgi": lambda broker: as_asgi(FastStream(broker)),
    "lifespan": broker_lifespan,
    "lifespan-of-an-app": lambda broker: broker_lifespan(FastStream(broker)),
    "fastapi": FastStreamRouter,
    "litestar": FastStreamPlugin,
    "page": lambda broker: make_asyncapi_asgi(AsyncAPI(broker)),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("give", HOSTS.values(), ids=HOSTS)
async def test_broker_of_any_host(broker, give, when):
    if when == "before":
        subscriber, seen = subscribe(broker)
    give(broker)
    if not CONTEXTS_ARE_COMPOSED:
        broker.context.set_global("price", 3)
    if when == "after":
        subscriber, seen = subscribe(broker)

    async with TestNatsBroker(broker) as client:
        assert await (await client.request({"id": 1}, "orders")).decode() == 1

    assert is_compiled(subscriber)
    assert seen == [(Order(id=1), 3)]


async def test_broker_of_nobody_is_left_alone(broker):
    subscriber, seen = subscribe(broker)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "orders")

    assert not is_compiled(subscriber)
    assert seen == [(Order(id=1), 3)]


@pytest.mark.parametrize("value", ["0", "1"])
async def test_switch(broker, monkeypatch, value):
    monkeypatch.setenv(SWITCH, value)
    adopt([broker])
    subscriber, seen = subscribe(broker)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "orders")

    assert is_compiled(subscriber) is (value == "1")
    assert seen == [(Order(id=1), 3)]


async def test_application_that_is_made_afterwards_keeps_it_and_brings_its_context(broker):
    broker_lifespan(broker)
    app = FastStream(broker)
    app.context.set_global("rate", 7)
    if not CONTEXTS_ARE_COMPOSED:
        app.context.set_global("price", 3)
    seen = []
    subscriber = broker.subscriber("orders")

    @subscriber
    async def handle(order: Order, rate: Annotated[int, Context()], price: int = Context()) -> None:
        seen.append((rate, price))

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "orders")

    assert is_compiled(subscriber)
    assert seen == [(7, 3)]


async def test_router_that_is_included_later(broker):
    adopt([broker])
    router = NatsRouter(prefix="shop.")
    subscriber, seen = subscribe(router)
    broker.include_router(router)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "shop.orders")

    assert is_compiled(subscriber)
    assert seen == [(Order(id=1), 3)]


async def test_subscriber_that_starts_at_run_time(broker, nats_url):
    broker = NatsBroker(nats_url)
    broker.context.set_global("price", 3)
    async with broker_lifespan(broker)():
        subscriber, seen = subscribe(broker, "compiled.late")
        await subscriber.start()

        reply = await broker.request({"id": 1}, "compiled.late", timeout=5)

    assert await reply.decode() == 1
    assert is_compiled(subscriber)
    assert seen == [(Order(id=1), 3)]


KINDS = {
    "nats": (NatsBroker, TestNatsBroker),
    "redis": (RedisBroker, TestRedisBroker),
    "rabbit": (RabbitBroker, TestRabbitBroker),
    "mqtt": (MQTTBroker, TestMQTTBroker),
    "kafka": (KafkaBroker, TestKafkaBroker),
    "confluent": (ConfluentBroker, TestConfluentBroker),
}


@pytest.mark.parametrize(("kind", "in_memory"), KINDS.values(), ids=KINDS)
async def test_every_kind_of_broker(kind, in_memory):
    broker = kind()
    broker.context.set_global("price", 3)
    adopt([broker])
    subscriber, seen = subscribe(broker)

    async with in_memory(broker) as client:
        await client.publish({"id": 1}, "orders")

    assert is_compiled(subscriber)
    assert seen == [(Order(id=1), 3)]


@pytest.mark.parametrize("kind", ["redis", "kafka", "confluent"])
async def test_batch(kind):
    make, in_memory = KINDS[kind]
    broker = make()
    adopt([broker])
    seen = []
    options = {"list": "orders"} if kind == "redis" else {}
    if kind == "redis":
        from faststream.redis import ListSub

        subscriber = broker.subscriber(list=ListSub("orders", batch=True))
    else:
        subscriber = broker.subscriber("orders", batch=True)

    @subscriber
    async def handle(orders: list[Order], context: Annotated[Any, Context("message")]) -> None:
        seen.append((orders, context is not None))

    async with in_memory(broker) as client:
        if options:
            await client.publish_batch({"id": 1}, {"id": 2}, **options)
        else:
            await client.publish_batch({"id": 1}, {"id": 2}, topic="orders")

    assert is_compiled(subscriber)
    assert seen == [([Order(id=1), Order(id=2)], True)]


async def test_several_calls_with_filters(broker):
    adopt([broker])
    seen = []
    subscriber = broker.subscriber("orders")

    @subscriber(filter=lambda message: message.headers.get("kind") == "tea")
    async def tea(order: Order, price: Annotated[int, Context()]) -> None:
        seen.append(("tea", order.id, price))

    @subscriber
    async def other(order: Order) -> None:
        seen.append(("other", order.id))

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "orders", headers={"kind": "tea"})
        await client.publish({"id": 2}, "orders")

    assert is_compiled(subscriber)
    assert seen == [("tea", 1, 3), ("other", 2)]


async def test_publishers_middlewares_and_mocks_go_on_to_work(broker):
    adopt([broker])
    seen = []

    class Middleware(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            seen.append("before")
            result = await call_next(msg)
            seen.append(f"after {result}")
            return result

    broker.add_middleware(Middleware)

    @broker.subscriber("orders")
    @broker.publisher("priced")
    async def price(order: Order, price: Annotated[int, Context()]) -> int:
        return order.id * price

    @broker.subscriber("priced")
    async def priced(amount: int) -> None:
        seen.append(amount)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 2}, "orders")
        price.mock.assert_called_once_with({"id": 2})
        priced.mock.assert_called_once_with(6)
        assert await price.wait_call(1) is None
        assert await price(Order(id=1), 2) == 2

    assert seen == ["before", "after 6", "before", 6, "after None"]


async def test_exception_middleware(broker):
    adopt([broker])
    exceptions = ExceptionMiddleware()

    @exceptions.add_handler(ZeroDivisionError, publish=True)
    def answer(error: ZeroDivisionError) -> str:
        return "divided"

    broker.add_middleware(exceptions)

    @broker.subscriber("orders")
    async def handle(order: Order) -> float:
        return order.id / 0

    async with TestNatsBroker(broker) as client:
        assert await (await client.request({"id": 1}, "orders")).decode() == "divided"


async def test_without_injection(broker):
    broker = NatsBroker(apply_types=False)
    adopt([broker])
    subscriber = broker.subscriber("orders")
    seen = []

    @subscriber
    async def handle(order: Order) -> None:
        seen.append(order)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": "1"}, "orders")

    assert not is_compiled(subscriber)
    assert seen == [{"id": "1"}]


async def test_overrides_are_read_at_each_message(broker):
    async def real() -> str:
        return "real"

    async def nested(value: Annotated[str, Depends(real)]) -> str:
        return f"nested {value}"

    before = []

    async def guard() -> None:
        before.append("guard")

    async def fake(price: Annotated[int, Context()]) -> str:
        return f"fake {price}"

    adopt([broker])
    subscriber = broker.subscriber("orders", dependencies=[Depends(guard)])
    seen = []

    @subscriber
    async def handle(order: Order, value: Annotated[str, Depends(nested)]) -> None:
        seen.append(value)

    async with TestNatsBroker(broker) as client:
        await client.publish({"id": 1}, "orders")
        with broker.provider.scope(real, fake), broker.provider.scope(guard, lambda: None):
            await client.publish({"id": 1}, "orders")
        await client.publish({"id": 1}, "orders")

    assert is_compiled(subscriber)
    assert seen == ["nested real", "nested fake 3", "nested real"]
    assert before == ["guard", "guard"]


async def test_many_sets_of_overrides_leave_nothing_behind(broker):
    async def real() -> int:
        return 0

    adopt([broker])
    subscriber = broker.subscriber("orders")
    seen = []

    @subscriber
    async def handle(order: Order, value: Annotated[int, Depends(real)]) -> None:
        seen.append(value)

    async with TestNatsBroker(broker) as client:
        for number in range(40):
            with broker.provider.scope(real, lambda number=number: number):
                await client.publish({"id": 1}, "orders")

    assert seen == list(range(40))
    compiled = subscriber.calls[0].handler._wrapped_call.__self__
    assert len(compiled._overridden) <= 16


async def test_messages_at_a_time_do_not_meet(broker):
    adopt([broker])
    inside = asyncio.Event()
    seen = []

    async def dependency(x: Annotated[str, Context("message.headers.x")]) -> str:
        if x == "1":
            await inside.wait()
        return x

    @broker.subscriber("orders")
    async def handle(
        order: Order,
        value: Annotated[str, Depends(dependency)],
        header: Annotated[str, Context("message.headers.x")],
    ) -> None:
        seen.append((order.id, value, header))

    async with TestNatsBroker(broker) as client:
        first = asyncio.create_task(client.publish({"id": 1}, "orders", headers={"x": "1"}))
        await asyncio.sleep(0)
        await client.publish({"id": 2}, "orders", headers={"x": "2"})
        inside.set()
        await first

    assert seen == [(2, "2", "2"), (1, "1", "1")]


async def open_session(attempts: Annotated[list[Any], Context()]) -> Any:
    try:
        yield "session"
    except ValueError:
        attempts.append("rolled back")
        raise
    attempts.append("committed")


async def test_retries_of_jetstream(nats_url):
    broker = NatsBroker(nats_url)
    done = asyncio.Event()
    attempts: list[Any] = []
    broker.context.set_global("attempts", attempts)

    @broker.subscriber(
        "compiled.retries",
        stream="compiled-retries",
        pull_sub=True,
        durable="compiled-retries",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(order: Order, session: Annotated[str, Depends(open_session)]) -> None:
        attempts.append(order.id)
        if len(attempts) < 4:
            raise ValueError
        done.set()

    async with broker_lifespan(broker)():
        await broker.publish({"id": 7}, "compiled.retries", stream="compiled-retries")
        await asyncio.wait_for(done.wait(), 20)  # the stop waits for the commit

    assert attempts == [7, "rolled back", 7, "rolled back", 7, "committed"]


@pytest.mark.parametrize("give", [broker_lifespan, FastStreamRouter, FastStreamPlugin])
async def test_signature_is_read_once_for_a_start(broker, give, monkeypatch):
    read: list[Any] = []

    def record(function: Any) -> Any:
        read.append(function)
        return read_signature(function)

    monkeypatch.setattr(signature, "read_signature", record)

    async def dependency() -> int:
        return 5

    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[int, Depends(dependency)]) -> int:
        return order.id + value

    lifespan = broker_lifespan(broker)
    give(broker)
    for _ in range(3):
        read_before = len(read)
        async with TestNatsBroker(broker, connect_only=True) as client, lifespan():
            assert await (await client.request({"id": 1}, "orders")).decode() == 6
        assert len(read) - read_before <= 2
        assert read.count(dependency) * 2 == len(read)
    assert len(read) == 6


async def test_what_was_read_early_gives_way_to_what_has_come_since(broker):
    async def price() -> str:
        return "1"

    subscriber = broker.subscriber("orders")

    @subscriber
    async def handle(price: Annotated[Price, Depends(price)]) -> Any:  # noqa: F821
        return price

    lifespan = broker_lifespan(broker)
    globals()["Price"] = str
    try:
        async with TestNatsBroker(broker, connect_only=True) as client, lifespan():
            assert await (await client.request({"id": 1}, "orders")).decode() == "1"
            assert is_compiled(subscriber)
    finally:
        del globals()["Price"]


async def test_source_can_be_printed(broker):
    adopt([broker])
    subscriber, _ = subscribe(broker)
    async with TestNatsBroker(broker):
        source = subscriber.calls[0].handler._wrapped_call.__self__.source

    assert "await call__handle(order=valid__order, price=raw__price)" in source
