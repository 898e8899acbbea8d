"""What a dry run shows and what it keeps away from the live broker, in memory."""

import asyncio
import sys
import threading
from contextlib import suppress
from typing import Annotated, Any
from unittest.mock import Mock

import anyio.to_thread
import pytest
from faststream import AckPolicy, BaseMiddleware, Context, Depends, ExceptionMiddleware, Path
from faststream.exceptions import AckMessage, NackMessage, RejectMessage, StopConsume
from faststream.nats import JStream, NatsBroker, NatsRouter, TestNatsBroker
from faststream.nats.publisher.producer import NatsFastProducer
from faststream.redis import RedisBroker
from faststream.response import Response
from pydantic import BaseModel, Field

from faststream_integrations.asyncapi import is_dry_run
from faststream_integrations.brokers import kinds
from faststream_integrations.dry_run.report import Allowance, Failure
from faststream_integrations.dry_run.run import (
    ChannelNotFoundError,
    DryRun,
    DryRunUnavailableError,
)

STREAM = JStream("jobs", subjects=["jobs.*"])


class Order(BaseModel):
    id: int
    quantity: int = Field(default=1, gt=0)


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


# --- Finding the subscriber ------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["shop/orders:Handler", "shop.orders:Handler", "shop/orders"])
async def test_channel_is_found_by_its_id_and_by_its_address(
    broker: NatsBroker, channel: str
) -> None:
    @broker.subscriber("shop/orders")
    async def handler(body: str) -> str:
        return body

    report = await DryRun([broker]).run(channel, "x")

    assert report.result == "x"


async def test_channel_with_a_title_is_found_by_it(broker: NatsBroker) -> None:
    @broker.subscriber("orders", title="New orders: all")
    async def handler(body: str) -> str:
        return body

    assert (await DryRun([broker]).run("New orders: all", "x")).result == "x"


async def test_each_of_two_subscribers_at_one_address_has_its_id(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def first(_body: str) -> str:
        return "first"

    @broker.subscriber("orders")
    async def second(_body: str) -> str:
        return "second"

    engine = DryRun([broker])

    assert (await engine.run("orders:First", "x")).result == "first"
    assert (await engine.run("orders:Second", "x")).result == "second"


async def test_exact_address_wins_over_a_wildcard(broker: NatsBroker) -> None:
    @broker.subscriber("*.new")
    async def wildcard(_body: str) -> str:
        return "wildcard"

    @broker.subscriber("orders.new")
    async def exact(_body: str) -> str:
        return "exact"

    engine = DryRun([broker])

    assert (await engine.run("orders.new", "x")).result == "exact"
    assert (await engine.run("returns.new", "x")).result == "wildcard"


async def test_path_parameter_without_an_address_is_filled_with_its_name(
    broker: NatsBroker,
) -> None:
    @broker.subscriber("logs.{level}")
    async def handler(_body: str, level: str = Path()) -> str:
        return level

    assert (await DryRun([broker]).run("logs.{level}:Handler", "x")).result == "level"


@pytest.mark.parametrize("channel", ["nowhere", "answers", "answers:Publisher", "hidden"])
async def test_channel_that_no_documented_subscriber_serves_is_unknown(
    broker: NatsBroker, channel: str
) -> None:
    @broker.subscriber("orders")
    @broker.publisher("answers")
    async def handler(body: str) -> str:
        return body

    @broker.subscriber("hidden", include_in_schema=False)
    async def hidden(_body: str) -> None:
        pytest.fail("a hidden subscriber ran")

    with pytest.raises(ChannelNotFoundError):
        await DryRun([broker]).run(channel, "x")


async def test_address_that_does_not_match_the_channel_is_unknown(broker: NatsBroker) -> None:
    @broker.subscriber("logs.{level}")
    async def handler(_body: str, level: str = Path()) -> str:
        return level

    with pytest.raises(ChannelNotFoundError):
        await DryRun([broker]).run("logs.{level}:Handler", "x", address="orders.new")


async def test_broker_subscriber_and_router_added_late_are_found(broker: NatsBroker) -> None:
    brokers: list[Any] = []
    engine = DryRun(lambda: brokers)
    brokers.append(broker)
    router = NatsRouter(prefix="late.")

    @router.subscriber("orders")
    async def handler(_body: str) -> None:
        await broker.publish("x", "audit")

    broker.include_router(router)

    report = await engine.run("late.orders:Handler", "x")

    assert [message.channel for message in report.published] == ["audit"]


async def test_handler_is_chosen_by_its_filter(broker: NatsBroker) -> None:
    subscriber = broker.subscriber("orders")
    messages: list[Any] = []

    def is_a(message: Any) -> bool:
        messages.append(message)
        return bool(message.headers.get("kind") == "a")

    @subscriber(filter=is_a)
    async def a(_body: str) -> str:
        return "a"

    @subscriber
    async def b(_body: str) -> str:
        messages.append(broker.context.get("message"))
        return "b"

    engine = DryRun([broker])

    assert (await engine.run("orders", "x", {"kind": "a"})).result == "a"
    messages.clear()
    assert (await engine.run("orders", "x")).result == "b"
    # It is parsed once for both.
    assert messages[0] is messages[1]


# --- What the report says --------------------------------------------------------------------


async def test_invalid_message_shows_every_problem_and_nothing_of_the_context(
    broker: NatsBroker,
) -> None:
    @broker.subscriber("orders.{number}")
    async def handler(
        order: Order, number: Annotated[int, Path()], log: Annotated[Any, Context("logger")]
    ) -> None:
        pytest.fail("the handler ran")

    report = await DryRun([broker]).run(
        "orders.new", {"id": "<b>one</b>", "quantity": 0}, {"h": "1"}
    )

    assert report.error is not None
    assert (report.error.type, report.error.message) == (
        "ValidationError",
        "3 validation errors for handler",
    )
    assert [(p["type"], p["loc"], p["input"]) for p in report.error.details] == [
        ("int_parsing", ["order", "id"], "<b>one</b>"),
        ("greater_than", ["order", "quantity"], 0),
        ("int_parsing", ["number"], "new"),
    ]


async def test_missing_field_shows_where_it_is_missing(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(orders: list[Order]) -> None: ...

    report = await DryRun([broker]).run("orders", [{"quantity": 2}])

    assert report.error is not None
    assert report.error.details == [
        {
            "type": "missing",
            "loc": ["orders", 0, "id"],
            "msg": "Field required",
            "path": [0, "id"],
            "input": {"quantity": 2},
        }
    ]


async def test_missing_argument_does_not_show_the_other_arguments(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(order: Order, number: Annotated[int, Path()]) -> None: ...

    report = await DryRun([broker]).run("orders", {"id": 1})

    assert report.error is not None
    assert report.error.details == [{"type": "missing", "loc": ["number"], "msg": "Field required"}]


@pytest.mark.parametrize(
    ("exception", "acknowledgement"),
    [(AckMessage(), "ack"), (NackMessage(), "nack"), (RejectMessage(), "reject")],
    ids=["ack", "nack", "reject"],
)
async def test_acknowledgement_exception_is_a_handled_error(
    broker: NatsBroker, exception: Exception, acknowledgement: str
) -> None:
    @broker.subscriber("jobs.a", stream=STREAM)
    async def handler(_body: str) -> None:
        raise exception

    report = await DryRun([broker]).run("jobs.a", "x")

    assert report.error is None
    assert report.handled_error == Failure(type(exception).__name__, str(exception))
    assert report.acknowledgement == acknowledgement


async def test_exception_middleware_shows_the_error_and_what_was_recovered() -> None:
    middleware = ExceptionMiddleware()
    broker = NatsBroker(middlewares=[middleware])

    @middleware.add_handler(ValueError, publish=True)
    def recover(_error: ValueError) -> str:
        return "recovered"

    @broker.subscriber("orders")
    @broker.publisher("answers")
    async def handler(_body: str) -> None:
        msg = "no stock"
        raise ValueError(msg)

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is None
    assert report.handled_error == Failure("ValueError", "no stock")
    assert report.result == "recovered"
    assert [(m.channel, m.payload) for m in report.published] == [("answers", "recovered")]


async def test_manual_acknowledgement_is_none_until_the_handler_gives_one(
    broker: NatsBroker,
) -> None:
    @broker.subscriber("jobs.a", stream=STREAM, ack_policy=AckPolicy.MANUAL)
    async def handler(give: bool) -> None:
        if give:
            message = broker.context.get("message")
            await message.nack()
            await message.ack()

    engine = DryRun([broker])

    assert (await engine.run("jobs.a", False)).acknowledgement is None
    assert (await engine.run("jobs.a", True)).acknowledgement == "nack"


async def test_exception_in_the_parser_is_an_error() -> None:
    async def parser(_message: Any, _original: Any) -> Any:
        msg = "not ours"
        raise ValueError(msg)

    broker = NatsBroker()

    @broker.subscriber("jobs.a", stream=STREAM, parser=parser)
    async def handler(_body: str) -> None: ...

    report = await DryRun([broker]).run("jobs.a", "x")

    assert report.error == Failure("ValueError", "not ours", "message")


async def test_body_that_cannot_be_encoded_fails_as_it_would(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        await broker.publish(object(), "answers")

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is not None
    assert report.published == []


async def test_published_body_is_shown_as_it_was_when_it_was_published(
    broker: NatsBroker,
) -> None:
    @broker.subscriber("orders")
    async def handler(order: dict[str, int]) -> None:
        await broker.publish(order, "audit")
        order["id"] = 2

    report = await DryRun([broker]).run("orders", {"id": 1})

    assert [message.payload for message in report.published] == [{"id": 1}]


async def test_request_that_nobody_here_answers_is_an_error(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        await broker.request("x", "elsewhere")

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is not None
    assert report.error.message == (
        "Nobody answers the request to 'elsewhere': in a dry run it reaches only the subscribers "
        "of this application."
    )


async def test_request_is_answered_by_another_broker_of_the_kind(broker: NatsBroker) -> None:
    other = NatsBroker()

    @other.subscriber("prices")
    async def price(name: str) -> str:
        return f"{name}: 7"

    @broker.subscriber("orders")
    async def handler(name: str) -> Any:
        return await (await broker.request(name, "prices")).decode()

    assert (await DryRun([broker, other]).run("orders", "tea")).result == "tea: 7"


async def test_request_reaches_no_key_value_watcher(broker: NatsBroker) -> None:
    @broker.subscriber("prices", kv_watch="bucket")
    async def watcher(_body: str) -> None:
        pytest.fail("the watcher ran")

    @broker.subscriber("orders")
    async def handler(name: str) -> Any:
        return await broker.request(name, "prices")

    report = await DryRun([broker]).run("orders", "tea")

    assert report.error is not None
    assert report.error.type == "DryRunError"


async def test_message_to_another_broker_is_recorded_too(broker: NatsBroker) -> None:
    other = RedisBroker()

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        await other.publish("x", list="jobs")

    report = await DryRun([broker, other]).run("orders", "x")

    assert [(m.broker, m.channel) for m in report.published] == [("RedisBroker", "jobs")]


async def test_middlewares_and_dependencies_run() -> None:
    class Tag(BaseMiddleware):
        async def publish_scope(self, call_next: Any, cmd: Any) -> Any:
            cmd.headers["tag"] = "1"
            return await call_next(cmd)

    broker = NatsBroker(middlewares=[Tag])

    def dependency() -> str:
        return "dependency"

    @broker.subscriber("orders")
    @broker.publisher("answers")
    async def handler(_body: str, value: Annotated[str, Depends(dependency)]) -> str:
        return value

    report = await DryRun([broker]).run("orders", "x")

    assert [(m.payload, m.headers) for m in report.published] == [("dependency", {"tag": "1"})]


# --- What stays untouched --------------------------------------------------------------------


async def test_stop_consume_stops_nobody(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        raise StopConsume

    (subscriber,) = broker.subscribers
    subscriber.running = True

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is None
    assert report.handled_error == Failure("StopConsume", str(StopConsume()))
    assert subscriber.running


async def test_exit_does_not_end_the_process(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        sys.exit(3)

    report = await DryRun([broker]).run("orders", "x")

    assert report.error == Failure("SystemExit", "3")


async def test_live_subscriber_is_not_changed(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    @broker.publisher("answers")
    async def handler(body: str) -> str:
        return body

    (subscriber,) = broker.subscribers
    (item,) = subscriber.calls

    def state() -> list[Any]:
        objects = [subscriber, item, item.handler]
        names = [{*vars(type(o)), *getattr(o, "__dict__", {})} for o in objects]
        slots = {s for o in objects for c in type(o).__mro__ for s in vars(c).get("__slots__", ())}
        return [
            getattr(o, name, None)
            for o, own in zip(objects, names, strict=True)
            for name in sorted(own | slots)
            if not name.startswith("__") and name not in {"subject", "clear_subject"}
        ]

    # A stopping subscriber waits for those who hold its lock.
    subscriber.lock = Mock(spec=["nobody enters it"])
    before = [id(value) for value in state() if not callable(value)]
    report = await DryRun([broker]).run("orders", "x")
    after = [id(value) for value in state() if not callable(value)]

    assert report.error is None
    assert after == before
    assert list(broker.subscribers) == [subscriber]


async def test_producer_of_the_broker_is_wrapped_once_and_keeps_its_class(
    broker: NatsBroker,
) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None: ...

    engine = DryRun([broker])
    producer = broker.config.producer
    await engine.run("orders", "x")
    DryRun([broker])

    assert broker.config.producer is producer
    assert isinstance(producer, NatsFastProducer)


async def test_test_broker_works_as_before(broker: NatsBroker) -> None:
    seen: list[str] = []

    @broker.subscriber("orders")
    async def handler(body: str) -> None:
        seen.append(body)
        await broker.publish("x", "audit")

    engine = DryRun([broker])
    producer = broker.config.producer
    async with TestNatsBroker(broker) as test_broker:
        await test_broker.publish("live", "orders")
        report = await engine.run("orders", "dry")
        await test_broker.publish("live", "orders")

    assert seen == ["live", "dry", "live"]
    assert [message.channel for message in report.published] == ["audit"]
    assert broker.config.producer is producer


@pytest.mark.parametrize(
    "hook",
    [
        "faststream.nats.testing.FakeProducer",
        "faststream.nats.response.NatsPublishCommand",
        "faststream._internal.endpoint.subscriber.SubscriberUsecase._build_fastdepends_model",
        "faststream._internal.endpoint.subscriber.call_item.HandlerItem.handler",
        "faststream._internal.endpoint.subscriber.SubscriberUsecase.process_message",
    ],
)
async def test_missing_hook_makes_dry_runs_unavailable(
    broker: NatsBroker, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        pytest.fail("the handler ran")

    monkeypatch.delattr(hook)
    engine = DryRun([broker])

    with pytest.raises(DryRunUnavailableError):
        await engine.run("orders", "x")


async def test_broker_of_an_unknown_kind_has_no_dry_run_and_leaves_the_others_theirs(
    broker: NatsBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(kinds._KINDS, "redis")
    unknown = RedisBroker()

    @unknown.subscriber("shop/unknown")
    async def odd(_body: str) -> None: ...

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        # It never reaches the server: there is none.
        await unknown.publish("x", "elsewhere")

    engine = DryRun([unknown, broker])

    reason = "A dry run is unavailable: RedisBroker is not a known kind of broker."
    assert engine.unavailable() == {"shop.unknown:Odd": reason}
    with pytest.raises(DryRunUnavailableError, match="not a known kind of broker"):
        await engine.run("shop.unknown:Odd", "x")
    report = await engine.run("orders", "x")
    assert report.error is None
    assert [(m.broker, m.channel) for m in report.published] == [("RedisBroker", "elsewhere")]


async def test_dry_run_that_a_live_handler_starts_is_one(broker: NatsBroker) -> None:
    live = NatsBroker()
    engine = DryRun([live, broker])
    reports: list[Any] = []

    @broker.subscriber("inner")
    async def inner(_body: str) -> bool:
        await broker.publish("x", "audit")
        return is_dry_run()

    @live.subscriber("outer")
    async def outer(_body: str) -> None:
        reports.append(await engine.run("inner", "x"))
        reports.append(is_dry_run())

    @broker.subscriber("audit")
    async def audit(_body: str) -> None:
        pytest.fail("the message was sent")

    async with TestNatsBroker(broker), TestNatsBroker(live) as test_broker:
        await test_broker.publish("x", "outer")

    assert (reports[0].error, reports[0].result, reports[1]) == (None, True, False)


# --- Being in a dry run ----------------------------------------------------------------------


async def test_code_of_a_dry_run_knows_it(broker: NatsBroker) -> None:
    seen: dict[str, bool] = {}

    def dependency() -> None:
        seen["dependency"] = is_dry_run()

    async def task() -> None:
        seen["task"] = is_dry_run()

    @broker.subscriber("orders", dependencies=[Depends(dependency)])
    async def handler(_body: str) -> None:
        seen["handler"] = is_dry_run()
        seen["asyncio thread"] = await asyncio.to_thread(is_dry_run)
        seen["anyio thread"] = await anyio.to_thread.run_sync(is_dry_run)
        await asyncio.create_task(task())

    report = await DryRun([broker]).run("orders", "x")

    assert report.error is None
    assert seen == dict.fromkeys(
        ["dependency", "handler", "asyncio thread", "anyio thread", "task"], True
    )
    assert not is_dry_run()


async def test_task_that_outlives_its_run_gets_an_error_when_it_publishes(
    broker: NatsBroker,
) -> None:
    over = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def late() -> None:
        await over.wait()
        await broker.publish("late", "audit")

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        tasks.append(asyncio.create_task(late()))

    report = await DryRun([broker]).run("orders", "x")
    over.set()
    (error,) = await asyncio.gather(*tasks, return_exceptions=True)

    assert report.published == []
    assert str(error) == (
        "The dry run that started this task is over: what it publishes goes nowhere."
    )


async def test_runs_at_the_same_time_do_not_see_each_other(broker: NatsBroker) -> None:
    barrier = asyncio.Event()
    waiting = 0

    @broker.subscriber("orders")
    async def handler(number: int) -> int:
        nonlocal waiting
        waiting += 1
        if waiting == 20:
            barrier.set()
        await barrier.wait()
        await broker.publish(number, "audit")
        return number

    engine = DryRun([broker])
    reports = await asyncio.gather(*(engine.run("orders", n) for n in range(20)))

    assert [r.result for r in reports] == list(range(20))
    assert [[m.payload for m in r.published] for r in reports] == [[n] for n in range(20)]


async def test_handler_that_takes_too_long_is_cancelled(broker: NatsBroker) -> None:
    cancelled = asyncio.Event()

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        await broker.publish("x", "audit")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    engine = DryRun([broker])
    report = await engine.run("orders", "x", timeout=0.01)

    assert cancelled.is_set()
    assert report.error == Failure(
        "TimeoutError", "The handler did not finish within 0.01 s and was cancelled.", "timeout"
    )
    assert report.handled_error is None
    assert [message.channel for message in report.published] == ["audit"]
    assert engine.active == 0


async def test_handler_that_refuses_to_be_cancelled_counts_until_it_ends(
    broker: NatsBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faststream_integrations.dry_run.run._GRACE", 0.01)
    released = asyncio.Event()
    errors: list[Exception] = []

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()
        try:
            await broker.publish("x", "audit")
        except RuntimeError as error:
            errors.append(error)

    engine = DryRun([broker])
    report = await engine.run("orders", "x", timeout=0.01)

    assert report.error is not None
    assert report.error.message.endswith("cannot be cancelled: it is still running.")
    assert engine.active == 1

    released.set()
    await asyncio.gather(*engine._tasks)
    assert engine.active == 0
    assert len(errors) == 1


async def test_plain_function_that_is_cancelled_ends_in_its_thread(broker: NatsBroker) -> None:
    started, released, ended = threading.Event(), threading.Event(), threading.Event()

    @broker.subscriber("orders")
    def handler(_body: str) -> None:
        started.set()
        released.wait()
        ended.set()

    engine = DryRun([broker])
    caller = asyncio.create_task(engine.run("orders", "x"))
    await asyncio.to_thread(started.wait, 60)
    caller.cancel()
    await asyncio.wait([caller, *engine._tasks])

    assert engine.active == 0
    assert not ended.is_set()
    released.set()
    assert await asyncio.to_thread(ended.wait, 60)


async def test_caller_that_goes_away_cancels_the_run(broker: NatsBroker) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    caller = asyncio.create_task(DryRun([broker]).run("orders", "x"))
    await started.wait()
    caller.cancel()

    await asyncio.wait_for(cancelled.wait(), 5)


async def test_handler_that_cancels_itself_is_an_error(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handler(_body: str) -> None:
        raise asyncio.CancelledError

    report = await DryRun([broker]).run("orders", "x")

    assert report.error == Failure("CancelledError", "The handler cancelled itself.")


# --- JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Order(id=1), {"id": 1, "quantity": 1}),
        (b"text", "text"),
        (b"\xff", "_w=="),
        (float("nan"), "NaN"),
        ({1, 2}, [1, 2]),
        (Response("body"), "body"),
        (complex(1, 2), "1+2j"),
    ],
)
def test_any_value_has_a_json_form(value: Any, expected: Any) -> None:
    assert Allowance(1000, 1000).to_json(value) == expected


def test_value_that_contains_itself_is_cut_there() -> None:
    value: list[Any] = [1]
    value.append(value)
    allowance = Allowance(1000, 1000)

    assert allowance.to_json(value) == [1, "…"]
    assert allowance.cuts == 1
