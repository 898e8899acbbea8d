"""The AsyncAPI page is the same in every host that has routes for it."""

import asyncio
import re
from typing import Any

import pytest
import yaml
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations import AsyncAPIRoute
from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE, TryItOut
from faststream_integrations.testing import asgi_client
from tests.contract.hosts import HOSTS, Host

ENDPOINTS = AsyncAPIRoute("/asyncapi").endpoints(AsyncAPI())
READ = [endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET"]
MEDIA_TYPES = {
    "": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}


@pytest.fixture(params=[host for host in HOSTS if host.adopts], ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    return request.param


@pytest.fixture
def broker() -> NatsBroker:
    broker = NatsBroker()

    @broker.subscriber("orders")
    @broker.publisher("invoices")
    async def order(number: int) -> int:
        return number * 2

    @broker.subscriber("failing")
    async def failing(_: str) -> None:
        secret = "a local variable"
        msg = "no stock"
        raise RuntimeError(msg) from ValueError(secret)

    return broker


REPORT = {"accept": REPORT_TYPE}


def form(channel: str, payload: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"channelName": channel, "message": {"message": payload}, **fields}


def addresses(document: dict[str, Any]) -> set[str]:
    # faststream 0.7.0 names the subscriber in the address.
    return {channel["address"].partition(":")[0] for channel in document["channels"].values()}


# Routes


@pytest.mark.parametrize("path", READ)
async def test_page_document_and_files_are_read_at_their_paths(host, broker, path):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        response = await client.get(path)
        assert response.status_code == 200
        suffix = re.search(r"(\.\w+)?$", path)[0]
        assert response.headers["content-type"].partition(";")[0] == MEDIA_TYPES[suffix]
        assert response.headers["x-content-type-options"] == "nosniff"
        known = {"if-none-match": response.headers["etag"]}
        assert (await client.get(path, headers=known)).status_code == 304
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == response.headers["content-length"]
        refused = await client.post(path)
        assert refused.status_code == 405
        assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", "))


async def test_page_links_to_what_is_there(host, broker):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        page = await client.get("/asyncapi")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        links = [link for link in links if not link.startswith("data:")]
        assert len(links) == 4
        for link in links:
            assert (await client.get(page.url.join(link))).status_code == 200, link


async def test_page_and_what_it_links_to_are_served_below_root_path(host, broker):
    app = host.build(broker, asyncapi_path="/asyncapi")

    async def below_root_path(scope, receive, send):
        """Behind a proxy that strips a prefix, as `uvicorn --root-path /outside` tells it."""
        if scope["type"] == "http":
            path = f"/outside{scope['path']}"
            scope = {**scope, "root_path": "/outside", "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    base_url = f"http://testserver{host.prefix}"
    async with asgi_client(below_root_path, broker, base_url=base_url) as client:
        page = await client.get("/asyncapi")
        links = re.findall(r'(?:src|href)="(\./[^"]+)"', page.text)
        assert len(links) == 4
        for link in links:
            assert (await client.get(page.url.join(link))).status_code == 200, link
        tried = await client.post("/asyncapi/try", json=form("orders:Order", 21), headers=REPORT)
        assert tried.json()["result"] == 42


async def test_handler_is_tried_out(host, broker):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        response = await client.post("/asyncapi/try", json=form("orders:Order", 21), headers=REPORT)
        answer = response.json()
        refused = await client.get("/asyncapi/try")
    assert (response.status_code, answer["result"]) == (200, 42)
    assert [(p["channel"], p["payload"]) for p in answer["published"]] == [("invoices", 42)]
    assert refused.status_code == 405
    assert "POST" in refused.headers["allow"].split(", ")


async def test_options_of_the_page_count(host, broker):
    route = AsyncAPIRoute("/asyncapi", try_it_out=False, asyncapi_json_path="/spec.json")
    async with host.client(broker, asyncapi_path=route) as client:
        assert (await client.post("/asyncapi/try", json=form("orders"))).status_code == 404
        assert (await client.get("/asyncapi.json")).status_code == 404
        assert addresses((await client.get("/spec.json")).json()) >= {"orders"}
        assert addresses(yaml.safe_load((await client.get("/spec.yaml")).text)) >= {"orders"}


async def test_page_is_in_the_asyncapi_document_where_that_is_asked_for(host, broker):
    shown = AsyncAPIRoute("/asyncapi", "The page", [{"name": "docs"}], include_in_schema=True)
    async with host.client(broker, asyncapi_path=shown) as client:
        document = (await client.get("/asyncapi.json")).json()
    # A router of FastAPI does not know where it is included.
    descriptions = {
        re.sub("^.*(?=/asyncapi)", "", channel["address"]): channel.get("description")
        for channel in document["channels"].values()
        if channel["address"].startswith("/")
    }
    assert descriptions == {
        "/asyncapi": "The page",
        "/asyncapi.json": None,
        "/asyncapi.yaml": None,
        "/asyncapi/try": None,
    }
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        document = (await client.get("/asyncapi.json")).json()
    assert not [address for address in addresses(document) if address.startswith("/")]


async def test_other_client_gets_the_answer_of_upstreams_page(host, broker):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        answers = [
            await client.post("/asyncapi/try", json=form(channel, payload))
            for channel, payload in (("orders:Order", 21), ("failing:Failing", "x"))
        ]
    assert [answer.status_code for answer in answers] == [200, 500]
    assert [answer.json() for answer in answers] == [42, {"details": "RuntimeError: no stock"}]


# What comes late


async def test_subscriber_that_comes_late_is_in_the_document_and_can_be_tried_out(host, broker):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        before = await client.get("/asyncapi.json")

        @broker.subscriber("late")
        async def late(number: int) -> int:
            return number + 1

        known = {"if-none-match": before.headers["etag"]}
        after = await client.get("/asyncapi.json", headers=known)
        assert addresses(after.json()) - addresses(before.json()) == {"late"}
        tried = await client.post("/asyncapi/try", json=form("late:Late", 1), headers=REPORT)
        assert tried.json()["result"] == 2


async def test_broker_that_comes_at_startup_is_in_the_document_and_can_be_tried_out(host, broker):
    app = FastStream()

    async def nothing(*args: Any) -> None: ...

    broker.start = broker.stop = nothing
    app.on_startup(lambda: app.add_broker(broker))
    async with host.client(app, asyncapi_path="/asyncapi", in_memory=False) as client:
        assert addresses((await client.get("/asyncapi.json")).json()) >= {"orders"}
        tried = await client.post("/asyncapi/try", json=form("orders:Order", 1), headers=REPORT)
        assert tried.json()["result"] == 2


# What Try It Out refuses


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, {}, {}),
        (400, form(""), {}),
        (403, form("orders"), {"origin": "https://evil.example"}),
        (403, form("orders"), {"sec-fetch-site": "cross-site"}),
        (403, form("orders", options={"sendToRealBroker": True}), {}),
        (404, form("unknown"), {}),
        (413, form("orders", "x" * 1024 * 1024), {}),
        (415, form("orders"), {"content-type": "text/plain"}),
        (415, form("orders"), {"content-type": "multipart/form-data; boundary=x"}),
    ],
)
async def test_request_is_refused(host, broker, status, body, headers):
    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        response = await client.post("/asyncapi/try", json=body, headers=headers)
    assert response.status_code == status
    assert response.json().keys() == {"details"}


async def test_too_many_runs_at_once_are_refused_and_slow_ones_end(host, broker):
    started = asyncio.Event()

    @broker.subscriber("slow")
    async def slow(_: int) -> None:
        started.set()
        await asyncio.Event().wait()

    endpoint = TryItOut([broker], max_concurrency=1, timeout=0.3)
    route = AsyncAPIRoute("/asyncapi", try_it_out=endpoint)
    async with host.client(broker, asyncapi_path=route) as client:
        run = asyncio.create_task(
            client.post("/asyncapi/try", json=form("slow:Slow"), headers=REPORT)
        )
        await asyncio.wait_for(started.wait(), 10)
        refused = await client.post("/asyncapi/try", json=form("orders:Order"))
        ended = await run
    assert refused.status_code == 429
    assert ended.status_code == 200
    assert ended.json()["error"]["type"] == "TimeoutError"


async def test_errors_tell_no_internals(host, broker):
    class Broken(AsyncAPI):
        def to_specification(self) -> Any:
            msg = "a secret"
            raise LookupError(msg)

    async with host.client(broker, asyncapi_path="/asyncapi") as client:
        tried = await client.post(
            "/asyncapi/try", json=form("failing:Failing", "x"), headers=REPORT
        )
        invalid = await client.post("/asyncapi/try", json=form("orders:Order", "x"), headers=REPORT)
    assert tried.json()["error"] == {
        "type": "RuntimeError",
        "message": "no stock",
        "stage": "handler",
        "details": [],
    }
    assert [each["type"] for each in invalid.json()["error"]["details"]] == ["int_parsing"]
    for response in (tried, invalid):
        assert not re.search("Traceback|local variable|site-packages|File ", response.text)
    async with host.client(broker, asyncapi_path="/asyncapi", specification=Broken()) as client:
        for path in ("/asyncapi.json", "/asyncapi.yaml"):
            response = await client.get(path)
            assert response.status_code == 500
            assert "secret" not in response.text
