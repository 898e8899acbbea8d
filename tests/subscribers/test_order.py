"""One order: what is opened closes in reverse, before the reply and the acknowledgement."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated, Any

import fastapi
import faststream
import pytest
from fastapi import FastAPI
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import NackMessage
from faststream.message import StreamMessage
from faststream.nats import NatsBroker
from faststream.nats.message import NatsMessage
from litestar import Litestar
from litestar.di import NamedDependency, Provide

from faststream_integrations import AsgiFastStream
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.installed import OLDEST_FASTSTREAM

events: list[str] = []


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    """Note what happens to messages."""
    events.clear()
    for name in ("ack", "nack", "reject"):

        async def note(self: StreamMessage[Any], name: str = name, **options: Any) -> None:
            events.append(name)

        monkeypatch.setattr(NatsMessage, name, note)


class Middleware(BaseMiddleware):
    async def publish_scope(self, call_next: Any, cmd: Any) -> Any:
        if cmd.destination == "answers":
            events.append("reply")
        return await call_next(cmd)


async def outer() -> Any:
    async with _generator("outer") as value:
        yield value


async def inner(outer: str = faststream.Depends(outer)) -> Any:
    async with _generator("inner") as value:
        yield value


async def inner_of_fastapi(outer: Annotated[str, fastapi.Depends(outer)]) -> Any:
    async with _generator("inner") as value:
        yield value


async def inner_of_litestar(outer: str) -> Any:
    async with _generator("inner") as value:
        yield value


@asynccontextmanager
async def _generator(name: str) -> Any:
    events.append(f"open {name}")
    try:
        yield name
    except BaseException as error:
        events.append(f"{name} {type(error).__name__}")
        raise
    events.append(f"close {name}")
    if name == "outer" and commit_fails:
        raise OSError("commit")


commit_fails: list[bool] = []


@pytest.fixture(autouse=True)
def commits():
    commit_fails.clear()


def of_faststream(broker: NatsBroker, handle: Any, **options: Any) -> Any:
    @broker.subscriber("orders", **options)
    @broker.publisher("answers")
    async def subscriber(order: int, value: Annotated[str, faststream.Depends(inner)]) -> str:
        return await handle()

    return AsgiFastStream(broker)


def of_fastapi(broker: NatsBroker, handle: Any, **options: Any) -> Any:
    @broker.subscriber("orders", **options)
    @broker.publisher("answers")
    async def subscriber(
        order: int,
        value: Annotated[str, fastapi.Depends(inner_of_fastapi, scope="request")],
    ) -> str:
        return await handle()

    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    return app


def of_litestar(broker: NatsBroker, handle: Any, **options: Any) -> Any:
    @broker.subscriber("orders", **options)
    @broker.publisher("answers")
    async def subscriber(order: int, inner: NamedDependency[str]) -> str:
        return await handle()

    dependencies = {"outer": Provide(outer), "inner": Provide(inner_of_litestar)}
    return Litestar(dependencies=dependencies, plugins=[FastStreamPlugin(broker)])


@pytest.fixture(params=[of_faststream, of_fastapi, of_litestar])
def build(request):
    return request.param


async def run(build: Any, handle: Any, body: Any = 1, policy: Any = AckPolicy.NACK_ON_ERROR) -> Any:
    broker = NatsBroker(middlewares=[Middleware])
    app = build(broker, handle, ack_policy=policy, stream="orders")

    async with asgi_client(app, broker):
        await broker.publish(body, "orders", stream="orders")


OPEN = ["open outer", "open inner"]


async def test_closes_before_reply_and_acknowledgement(build):
    async def handle() -> str:
        events.append("handler")
        return "answer"

    await run(build, handle)

    assert events[:6] == [*OPEN, "handler", "close inner", "close outer", "reply"]
    assert set(events[6:]) == {"ack"}


@pytest.mark.parametrize(
    ("policy", "then"),
    [
        (AckPolicy.NACK_ON_ERROR, ["nack"]),
        (AckPolicy.REJECT_ON_ERROR, ["reject"]),
        (AckPolicy.ACK, ["ack"]),
        (AckPolicy.MANUAL, []),
    ],
)
async def test_failure_rolls_back_first_and_does_not_reply(build, policy, then):
    async def handle() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run(build, handle, policy=policy)

    assert events == [*OPEN, "inner ZeroDivisionError", "outer ZeroDivisionError", *then]


async def test_message_that_the_handler_refuses_rolls_back(build):
    async def handle() -> str:
        raise NackMessage

    await run(build, handle)

    assert events == [*OPEN, "inner NackMessage", "outer NackMessage", "nack"]


async def test_message_that_is_not_valid_rolls_back(build):
    async def handle() -> str:
        raise AssertionError("it is not valid")

    with pytest.raises(ValueError, match="order"):
        await run(build, handle, body="one")

    assert events == [*OPEN, "inner ValidationError", "outer ValidationError", "nack"]


async def test_result_that_is_not_valid_rolls_back(build):
    async def handle() -> Any:
        return 1

    with pytest.raises(ValueError, match="string"):
        await run(build, handle)

    assert events == [*OPEN, "inner ValidationError", "outer ValidationError", "nack"]


async def test_commit_that_fails_does_not_reply(build):
    async def handle() -> str:
        return "answer"

    commit_fails.append(True)
    with pytest.raises(OSError, match="commit"):
        await run(build, handle)

    assert events == [*OPEN, "close inner", "close outer", "nack"]


async def test_cancelled_message_rolls_back_and_acknowledges_nothing(build):
    inside = asyncio.Event()

    async def handle() -> str:
        inside.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(run(build, handle))
    await asyncio.wait_for(inside.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    # FastStream 0.7.0 takes it for a failure.
    nacked = ["nack"] if OLDEST_FASTSTREAM else []
    assert events == [*OPEN, "inner CancelledError", "outer CancelledError", *nacked]
