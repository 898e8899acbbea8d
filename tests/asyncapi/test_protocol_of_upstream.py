"""Pages and services of upstream's and ours understand each other."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from faststream.asgi import AsgiFastStream as UpstreamApp
from faststream.asgi import AsyncAPIRoute as UpstreamRoute
from faststream.nats import NatsBroker
from faststream.redis import RedisBroker
from pydantic import BaseModel

from faststream_integrations.asgi import AsgiFastStream
from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE
from faststream_integrations.testing import asgi_client


class Order(BaseModel):
    number: int


RESULTS: dict[str, Any] = {
    "nothing": None,
    "text": "text",
    "empty text": "",
    # Other bytes upstream writes as they are, which is no JSON.
    "no bytes": b"",
    "number": 3,
    "zero": 0,
    "false": False,
    "fraction": 1.5,
    "list": [1, "a", None],
    "empty list": [],
    "dict": {"a": {"b": []}},
    "model": Order(number=1),
    "models": [Order(number=1)],
}


def broker_of() -> NatsBroker:
    broker = NatsBroker(logger=None)

    @broker.subscriber("results")
    async def results(name: str) -> Any:
        return RESULTS[name]

    @broker.subscriber("orders.new")
    async def orders(order: Order) -> int:
        return order.number * 2

    @broker.subscriber("failing")
    async def failing(_body: str) -> None:
        msg = "no stock"
        raise ValueError(msg)

    return broker


def ours(*brokers: Any) -> Any:
    app = AsgiFastStream(brokers[0], asyncapi_path="/docs")
    for broker in brokers[1:]:
        app.add_broker(broker)
    return app


def upstreams(*brokers: Any) -> Any:
    app = UpstreamApp(brokers[0], asyncapi_path=UpstreamRoute("/docs"))
    for broker in brokers[1:]:
        app.add_broker(broker)
    return app


def from_plugin(channel: Any, payload: Any, **options: Any) -> dict[str, Any]:
    """What asyncapi-try-it-plugin 0.3.0 sends."""
    return {
        "channelName": channel,
        "message": {
            "operation_id": f"{channel}Subscribe",
            "operation_type": "receive",
            "message": payload,
        },
        "options": {"sendToRealBroker": False, "timestamp": "2026-01-01T00:00:00Z", **options},
    }


async def answer_of(app: Any, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"content-type": "application/json"}
        return await client.post("/docs/try", content=content, headers=headers)


@pytest.mark.parametrize("name", RESULTS)
async def test_result_is_answered_as_upstream_answers_it(name: str) -> None:
    body = from_plugin("results:Results", name)
    theirs, own = [await answer_of(make(broker_of()), body) for make in (upstreams, ours)]

    assert (own.status_code, own.json()) == (theirs.status_code, theirs.json())


@pytest.mark.parametrize(
    "body",
    [
        from_plugin("orders.new:Orders", {"number": 2}),
        from_plugin("orders.new", {"number": 2}),
        from_plugin("orders.new:FormerName", {"number": 2}),
        from_plugin("", {}),
        {},
        {"channelName": "nowhere:Handler"},
        from_plugin("nowhere:Handler", {}),
        from_plugin("nowhere", {}),
    ],
)
async def test_request_has_the_same_answer(body: Any) -> None:
    theirs, own = [await answer_of(make(broker_of()), body) for make in (upstreams, ours)]

    assert (own.status_code, own.json()) == (theirs.status_code, theirs.json())


@pytest.mark.parametrize("body", [b"{", b"", b"nonsense"])
async def test_what_is_no_json_has_the_same_status_and_key(body: bytes) -> None:
    theirs, own = [await answer_of(make(broker_of()), body) for make in (upstreams, ours)]

    assert own.status_code == theirs.status_code == 400
    for answer in (theirs, own):
        assert answer.json()["details"].startswith("Invalid JSON: ")


@pytest.mark.parametrize(
    "body", [from_plugin("failing:Failing", "x"), from_plugin("orders.new", {"number": "x"})]
)
async def test_exception_has_the_same_status(body: Any) -> None:
    theirs, own = [await answer_of(make(broker_of()), body) for make in (upstreams, ours)]

    assert own.status_code == theirs.status_code == 500
    # The oldest FastStream lets the exception out instead.
    assert own.json().keys() == {"details"}


async def test_one_of_several_brokers_is_found_as_upstream_finds_it() -> None:
    def brokers() -> list[Any]:
        redis = RedisBroker(logger=None)

        @redis.subscriber("channel")
        async def handle(body: int) -> int:
            return body + 1

        return [broker_of(), redis]

    body = from_plugin("channel:Handle", 1)
    own = await answer_of(ours(*brokers()), body)

    assert (own.status_code, own.json()) == (200, 2)


async def test_real_broker_is_refused_with_the_plugins_words() -> None:
    own = await answer_of(ours(broker_of()), from_plugin("orders.new", {}, sendToRealBroker=True))

    assert own.status_code == 403
    assert own.json().keys() == {"details"}


async def test_our_pages_request_is_understood_by_upstreams_service() -> None:
    """What ui/src/run.ts sends; a reply of another media type is shown as the plugin's answer."""
    body = {**from_plugin("orders.new:Orders", {"number": 2}), "headers": {"h": "1"}, "address": ""}
    headers = {"accept": f"{REPORT_TYPE}, application/json;q=0.5"}
    answers: dict[Callable[..., Any], httpx.Response] = {}
    for make in (upstreams, ours):
        broker = broker_of()
        async with asgi_client(make(broker), broker) as client:
            answers[make] = await client.post("/docs/try", json=body, headers=headers)

    assert (answers[upstreams].status_code, answers[upstreams].json()) == (200, 4)
    assert answers[upstreams].headers.get("content-type") != REPORT_TYPE
    assert answers[ours].headers["content-type"] == REPORT_TYPE
    assert answers[ours].json()["result"] == 4


async def test_upstreams_page_may_point_here() -> None:
    """Its page sends to `try_it_out_path`, whatever that is, and gives a route of ours the same."""
    route = UpstreamRoute("/docs", try_it_out_path="https://api.example.com/docs/try")
    broker = broker_of()
    app = AsgiFastStream(broker, asyncapi_path=route)
    async with asgi_client(app, broker) as client:
        page = await client.get("/docs")
        assert (await client.post("/docs/try", json={})).status_code == 404
    assert '"url": "https://api.example.com/docs/try"' in page.text
