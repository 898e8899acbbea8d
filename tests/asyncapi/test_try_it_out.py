"""The HTTP endpoint in front of a dry run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from faststream.nats import JStream, NatsBroker, TestNatsBroker

from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE, TryItOut
from faststream_integrations.testing import asgi_client


def form(channel: str, payload: Any = None, **fields: Any) -> dict[str, Any]:
    return {"channelName": channel, "message": {"message": payload}, **fields}


@asynccontextmanager
async def client_of(endpoint: TryItOut) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks for the full report, as this package's page does."""
    async with asgi_client(endpoint, base_url="http://docs.example.com") as client:
        client.headers["accept"] = f"{REPORT_TYPE}, application/json;q=0.5"
        yield client


@pytest.fixture
def broker() -> NatsBroker:
    broker = NatsBroker()

    @broker.subscriber("orders", stream=JStream("jobs"))
    async def orders(order: dict[str, int]) -> dict[str, int]:
        await broker.publish(order["id"], "audit", headers={"h": "1"}, correlation_id="c")
        return {"doubled": order["id"] * 2}

    @broker.subscriber("failing")
    async def failing(_body: str) -> None:
        msg = "<b>no stock</b>"
        raise RuntimeError(msg)

    return broker


@pytest.fixture
async def client(broker: NatsBroker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(TryItOut([broker])) as client:
        yield client


async def test_answer_has_result_acknowledgement_and_messages(client: httpx.AsyncClient) -> None:
    response = await client.post("/try", json=form("orders:Orders", {"id": 21}))

    assert response.status_code == 200
    assert response.headers["content-type"] == REPORT_TYPE
    answer = response.json()
    assert answer.pop("duration_ms") > 0
    assert answer == {
        "status": "ok",
        "real_broker": False,
        "notes": [],
        "result": {"doubled": 42},
        "error": None,
        "handled_error": None,
        "acknowledgement": "ack",
        "published": [
            {
                "broker": "NatsBroker",
                "channel": "audit",
                "payload": 21,
                "headers": {"h": "1"},
                "correlation_id": "c",
            }
        ],
    }


async def test_handler_error_is_reported_without_a_traceback(client: httpx.AsyncClient) -> None:
    response = await client.post("/try", json=form("failing:Failing", "x"))

    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "error"
    assert answer["error"] == {
        "type": "RuntimeError",
        "message": "<b>no stock</b>",
        "stage": "handler",
        "details": [],
    }
    assert "Traceback" not in response.text


async def test_validation_error_is_reported_with_details(client: httpx.AsyncClient) -> None:
    response = await client.post("/try", json=form("orders:Orders", {"id": "x"}))

    error = response.json()["error"]
    assert error["stage"] == "message"
    (problem,) = error["details"]
    assert (problem["loc"], problem["path"], problem["input"]) == (["order", "id"], ["id"], "x")


async def test_form_of_the_upstream_plugin_is_understood(client: httpx.AsyncClient) -> None:
    body = {
        "channelName": "orders:Orders",
        "message": {
            "operation_id": "orders:OrdersSubscribe",
            "operation_type": "receive",
            "message": {"id": 1},
        },
        "options": {"sendToRealBroker": False, "timestamp": "2025-01-01T00:00:00Z"},
    }

    assert (await client.post("/try", json=body)).json()["result"] == {"doubled": 2}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "Invalid JSON: "),
        (b"", "Invalid JSON: "),
        (b"[" * 1000, "Invalid JSON: recursion limit exceeded"),
        (b'{"channelName": NaN}', "Invalid JSON: "),
        (b"[]", "The request is not an object."),
        (b"{}", "Missing channelName"),
        (b'{"channelName": ""}', "Missing channelName"),
        (b'{"channelName": 1}', "channelName is not a string."),
        (b'{"channelName": "x", "message": 1}', "message is not an object."),
        (b'{"channelName": "x", "headers": {"a": 1}}', "The header a is not a string."),
        (b'{"channelName": "x", "options": {"sendToRealBroker": 1}}', "is not true or false."),
    ],
)
async def test_malformed_request_is_400(
    client: httpx.AsyncClient, body: bytes, detail: str
) -> None:
    response = await client.post("/", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert detail in response.json()["details"]


async def test_unknown_channel_is_404(client: httpx.AsyncClient) -> None:
    response = await client.post("/", json=form("nowhere"))

    assert response.status_code == 404
    assert response.json() == {"details": "nowhere destination not found."}


async def test_other_method_is_405(client: httpx.AsyncClient) -> None:
    response = await client.get("/")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_a_foreign_form_can_send_is_415(
    client: httpx.AsyncClient, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    response = await client.post("/", content=b'{"channelName": "orders"}', headers=headers)

    assert response.status_code == 415


async def test_content_type_may_have_parameters(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/",
        content=b'{"channelName": "failing", "message": {"message": "x"}}',
        headers={"content-type": "Application/JSON; charset=utf-8"},
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://docs.example.com"}, 200),
        ({"origin": "https://DOCS.example.com:8443"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "https://docs.example.com.evil.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "null", "host": ""}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"origin": "https://partner.example.com"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "https://public.example.com"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site", "origin": "http://docs.example.com"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_page_of_another_host_is_403(
    broker: NatsBroker, headers: dict[str, str], status: int
) -> None:
    endpoint = TryItOut([broker], allowed_origins=["https://partner.example.com"])
    async with client_of(endpoint) as client:
        response = await client.post("/", json=form("failing", "x"), headers=headers)

    assert response.status_code == status


async def test_large_body_is_413(broker: NatsBroker) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"channelName": "'
        yield b"x" * 100

    headers = {"content-type": "application/json"}
    async with client_of(TryItOut([broker], request_max_body_size=50)) as client:
        declared = await client.post("/", json=form("x" * 100))
        streamed = await client.post("/", content=chunks(), headers=headers)
        small = await client.post("/", json={"channelName": "nowhere"})

    assert (declared.status_code, streamed.status_code, small.status_code) == (413, 413, 404)


async def test_default_limit_is_one_mebibyte(client: httpx.AsyncClient) -> None:
    fits = await client.post("/", json=form("failing", "x" * (1024 * 1024 - 200)))
    too_large = await client.post("/", json=form("failing", "x" * 1024 * 1024))

    assert (fits.status_code, too_large.status_code) == (200, 413)


async def test_too_many_runs_at_once_are_429(broker: NatsBroker) -> None:
    started, released = asyncio.Semaphore(0), asyncio.Event()

    @broker.subscriber("slow")
    async def slow(_body: str) -> None:
        started.release()
        await released.wait()

    async with client_of(TryItOut([broker], max_concurrency=2)) as client:
        runs = [asyncio.create_task(client.post("/", json=form("slow", "x"))) for _ in range(2)]
        await started.acquire()
        await started.acquire()
        refused = await client.post("/", json=form("failing", "x"))
        released.set()
        answers = await asyncio.gather(*runs)
        later = await client.post("/", json=form("failing", "x"))

    assert refused.status_code == 429
    assert [answer.status_code for answer in answers] == [200, 200]
    assert later.status_code == 200


async def test_slow_handler_is_reported_after_the_timeout(broker: NatsBroker) -> None:
    @broker.subscriber("slow")
    async def slow(_body: str) -> None:
        await asyncio.Event().wait()

    async with client_of(TryItOut([broker], timeout=0.01)) as client:
        response = await client.post("/", json=form("slow", "x"))

    assert response.status_code == 200
    assert response.json()["error"]["type"] == "TimeoutError"


async def test_broker_that_comes_late_is_seen(broker: NatsBroker) -> None:
    brokers: list[Any] = []
    async with client_of(TryItOut(brokers)) as client:
        before = await client.post("/", json=form("failing", "x"))
        brokers.append(broker)
        after = await client.post("/", json=form("failing", "x"))

    assert (before.status_code, after.status_code) == (404, 200)


async def test_address_chooses_where_a_wildcard_message_comes_from(broker: NatsBroker) -> None:
    @broker.subscriber("logs.*")
    async def logs(_body: str) -> str:
        message: Any = broker.context.get("message")
        return str(message.raw_message.subject)

    async with client_of(TryItOut([broker])) as client:
        response = await client.post("/", json=form("logs.*:Logs", "x", address="logs.info"))

    assert response.json()["result"] == "logs.info"


async def test_missing_hook_is_501_and_tells_no_internals(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("faststream.nats.testing.FakeProducer")

    response = await client.post("/", json=form("failing", "x"))

    assert response.status_code == 501
    assert response.json() == {
        "details": "A dry run is unavailable with this version of FastStream."
    }


# --- The real broker -------------------------------------------------------------------------

REAL = {"options": {"sendToRealBroker": True}}


async def test_real_broker_is_403_while_it_is_switched_off(broker: NatsBroker) -> None:
    async with TestNatsBroker(broker), client_of(TryItOut([broker])) as client:
        response = await client.post("/", json=form("orders:Orders", {"id": 1}, **REAL))

        # A TestBroker's mocks see what a live subscriber would get.
        assert not _handler(broker, "orders").mock.called
    assert response.status_code == 403


async def test_real_broker_gets_the_message_when_it_is_switched_on(broker: NatsBroker) -> None:
    endpoint = TryItOut([broker], real_broker=True)
    async with TestNatsBroker(broker), client_of(endpoint) as client:
        response = await client.post("/", json=form("orders:Orders", {"id": 1}, **REAL))
        _handler(broker, "orders").mock.assert_called_once_with({"id": 1})

        dry = await client.post("/", json=form("orders:Orders", {"id": 2}))
        _handler(broker, "orders").mock.assert_called_once_with({"id": 1})
        unknown = await client.post("/", json=form("nowhere", {"id": 1}, **REAL))

    assert response.json()["status"] == "ok"
    assert response.json()["real_broker"] is True
    assert response.json()["result"] is None
    assert dry.json()["result"] == {"doubled": 4}
    assert unknown.status_code == 404


async def test_real_broker_that_fails_is_502_and_tells_no_internals(broker: NatsBroker) -> None:
    # It never connected.
    async with client_of(TryItOut([broker], real_broker=True)) as client:
        response = await client.post("/", json=form("orders:Orders", {"id": 1}, **REAL))

    assert response.status_code == 502
    assert response.json() == {
        "details": "The broker did not take the message: the server's log has the reason."
    }


def _handler(broker: NatsBroker, name: str) -> Any:
    (handler,) = (
        call.handler
        for subscriber in broker.subscribers
        for call in subscriber.calls
        if call.name == name
    )
    return handler
