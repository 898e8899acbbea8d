"""Whatever a client sends, the event loop goes on: nothing holds it for 50 ms."""

import gc
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from faststream.kafka import KafkaBroker
from faststream.mqtt import MQTTBroker
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.redis import ListSub, RedisBroker, StreamSub
from pydantic import BaseModel

from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE, TryItOut
from faststream_integrations.dry_run.limits import DryRunLimits
from faststream_integrations.testing import asgi_client
from tests.dry_run.held import loop_held

HELD = 0.05
MEBIBYTE = 1024 * 1024 - 300  # of payload: the rest of the request comes on top
SETS = {"objects": "{}", "lists": "[]", "integers": "1", "texts": '"a"', "floats": "1e9"}


class Line(BaseModel):
    article: int
    price: float
    name: str


class Tree(BaseModel):
    children: "list[Tree]" = []
    leaf: int | str = 0


def quiet_logger() -> logging.Logger:
    """A logger that writes in full, to nobody: what it costs is part of a dry run."""
    logger = logging.getLogger("bounds")
    logger.propagate = False
    logger.handlers.clear()
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    return logger


def brokers() -> list[Any]:
    nats, redis = NatsBroker(logger=quiet_logger()), RedisBroker(logger=None)
    kafka, rabbit, mqtt = KafkaBroker(logger=None), RabbitBroker(logger=None), MQTTBroker()

    @nats.subscriber("anything")
    async def anything(body: Any) -> Any:
        return body

    @nats.subscriber("lines")
    async def lines(_body: list[Line]) -> None: ...

    @nats.subscriber("trees")
    async def trees(body: Tree) -> Tree:
        return body

    @nats.subscriber("forever")
    async def forever(body: Any) -> None:
        while True:
            await nats.publish(body, "elsewhere")

    @nats.subscriber("stubborn")
    async def stubborn(body: Any) -> None:
        for _ in range(20_000):
            try:
                await nats.publish(body, "elsewhere")
            except BaseException:
                continue

    @nats.subscriber("large")
    async def large(body: str) -> list[Any]:
        for _ in range(100):
            await nats.publish([body] * 10, body[:100], headers={"h": body})
        return [Line(article=1, price=1, name=body)] * 100_000

    @nats.subscriber("raises")
    async def raises(body: str) -> None:
        raise ValueError(body)

    @nats.subscriber("asks")
    async def asks(body: str) -> None:
        await redis.request("x", channel=body)

    @redis.subscriber("*a*b*c*d*e")
    async def wild(body: Any) -> Any:
        return body

    @redis.subscriber("w*x*y*z*{last}")
    async def wild_with_parameter(body: Any) -> Any:
        return body

    @nats.subscriber("batch", stream=JStream("work"), pull_sub=PullSub(batch=True))
    @redis.subscriber(list=ListSub("batch", batch=True))
    @redis.subscriber(stream=StreamSub("batch", batch=True))
    @kafka.subscriber("batch", batch=True)
    async def batch(_body: list[Any]) -> None: ...

    @rabbit.subscriber(
        RabbitQueue("q", routing_key="a.#.b.#.c.#.d.{last}"),
        RabbitExchange("topics", type=ExchangeType.TOPIC),
    )
    @mqtt.subscriber("a/+/{word}/#")
    async def words(_body: Any) -> None: ...

    return [nats, redis, kafka, rabbit, mqtt]


@dataclass(frozen=True)
class Post:
    """A request: its channel, its payload in JSON, and further fields."""

    channel: str
    payload: str = "1"
    fields: dict[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        fields = {"channelName": self.channel, **self.fields}
        return f'{json.dumps(fields)[:-1]}, "message": {{"message": {self.payload}}}}}'.encode()


def many(value: str, count: int) -> str:
    return f"[{','.join([value] * count)}]"


def text(piece: str) -> str:
    return f'"{piece * (MEBIBYTE // len(piece))}"'


LIMIT = DryRunLimits().values
BATCH = DryRunLimits().batch
LONGEST = DryRunLimits().address
WALL = "".join(letter * (LONGEST // 5) for letter in "abcdw")

POSTS = {
    # More than is allowed, and as much as is allowed.
    **{
        f"{amount} {kind}": Post("anything", many(value, count))
        for kind, value in SETS.items()
        for amount, count in (("far too many", MEBIBYTE // 6), ("the most", LIMIT // 2 - 20))
    },
    "the most members": Post("anything", json.dumps({f"k{i}": i for i in range(LIMIT - 20)})),
    "text": Post("anything", text("x")),
    "text of commas": Post("anything", text("[,")),
    "escapes": Post("anything", text(r"\u00e9")),
    "quotes": Post("anything", text(r"\"")),
    "control characters": Post("anything", text(r"\u0001")),
    "an open text of quotes": Post("anything", text(r"\"")[:-1]),
    "strings without commas": Post("anything", '""' * (MEBIBYTE // 2)),
    "backslashes": Post("anything", '"' + "\\" * MEBIBYTE),
    "depth": Post("anything", "[" * (MEBIBYTE // 2) + "]" * (MEBIBYTE // 2)),
    "allowed depth": Post("trees", '{"children":[' * 90 + "]}" * 90),
    "a huge integer": Post("anything", "9" * MEBIBYTE),
    "large integers": Post("anything", many("9" * 4300, 200)),
    "allowed integers": Post("anything", many("9" * 990, 1000)),
    "a huge fraction": Post("anything", "0." + "1" * MEBIBYTE),
    "a huge exponent": Post("anything", "1e" + "9" * MEBIBYTE),
    "validation errors": Post("lines", many("{}", LIMIT // 2 - 20)),
    "other validation errors": Post("lines", many("1", LIMIT - 20)),
    "errors of a union": Post("trees", '{"children":' + many('{"leaf":[]}', LIMIT // 3 - 20) + "}"),
    "large inputs of errors": Post("lines", many(text("x")[: MEBIBYTE // 90] + '"', 80)),
    "a tree": Post("trees", '{"children":' + many("{}", LIMIT // 2 - 20) + "}"),
    "headers": Post("anything", fields={"headers": {f"h{i}": "" for i in range(2000)}}),
    "allowed headers": Post(
        "anything", fields={"headers": {f"h{i}": "v" * 150 for i in range(100)}}
    ),
    "a huge header": Post("anything", fields={"headers": {"h": "v" * MEBIBYTE}}),
    "a huge channel": Post("a" * MEBIBYTE),
    "a wall of wildcards": Post(WALL),
    "a wall of wildcards as address": Post("*a*b*c*d*e", fields={"address": WALL}),
    "a wall that matches": Post(WALL + "e"),
    "a wall of a path": Post(WALL[::-1].replace("a", "x").replace("b", "y").replace("c", "z")),
    "a path that matches": Post("w*x*y*z*{last}", fields={"address": "wxyz" * 100 + "."}),
    "a wall of words": Post("a." + "b.c." * 120 + "e"),
    "a wall of levels": Post("a/" * 250),
    "a request to a wall": Post("asks", json.dumps(WALL * 20)),
    **{
        f"a batch at {channel}": Post(channel, many("1", count))
        for channel in ("batch", "batch:Batch")
        for count in (BATCH, LIMIT - 20)
    },
    "a loop that publishes": Post("forever"),
    "a loop that publishes much": Post("forever", text("x")),
    "a loop that cannot be cancelled": Post("stubborn"),
    "a large report": Post("large", text("x")),
    "a large exception": Post("raises", text("x")),
}


@pytest.fixture(autouse=True)
def without_old_garbage() -> Iterator[None]:
    """What other tests have left is not collected in the middle of a turn."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faststream_integrations.dry_run.run._GRACE", 0.05)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with asgi_client(TryItOut(brokers(), timeout=0.05)) as client:
        client.headers["content-type"] = "application/json"
        # What is imported and built once.
        await client.post("/", content=Post("anything").body())
        yield client


async def test_the_turn_that_a_request_begins_in_is_measured() -> None:
    async with loop_held() as held:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass

    assert held.longest >= 0.01


@pytest.mark.parametrize("accept", [REPORT_TYPE, "application/json"])
@pytest.mark.parametrize("name", POSTS)
async def test_nothing_that_a_client_sends_holds_the_event_loop(
    client: httpx.AsyncClient, name: str, accept: str
) -> None:
    body = POSTS[name].body()

    async with loop_held() as held:
        response = await client.post("/", content=body, headers={"accept": accept})

    assert response.status_code in {200, 400, 404, 413, 500}
    assert len(response.content) < 3 * 1024 * 1024
    assert held.longest < HELD
