"""The page at home in its host: forged requests, host names, status, where the forms send to."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import AsgiFastStream
from faststream_integrations.asyncapi import AsyncAPIRoute, TryItOut, make_asyncapi_asgi
from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send


def broker_of() -> NatsBroker:
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def order(number: int) -> int:
        return number * 2

    return broker


class CSRFMiddleware:
    """As starlette-csrf: a cookie that has to come back in a header."""

    def __init__(
        self, app: ASGIApp, cookie_name: str = "csrftoken", header_name: str = "x-csrftoken"
    ) -> None:
        self._app, self._cookie, self._header = app, cookie_name, header_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        token = request.cookies.get(self._cookie)
        if request.method == "POST" and (
            token is None or request.headers.get(self._header) != token
        ):
            await PlainTextResponse("CSRF", 403)(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and token is None:
                headers = MutableHeaders(raw=message["headers"])
                headers.append("set-cookie", f"{self._cookie}=secret; Path=/")
            await send(message)

        await self._app(scope, receive, with_cookie)


def litestar(broker: NatsBroker, **names: str) -> Any:
    plugin = FastStreamPlugin(broker, asyncapi_path="/docs")
    return Litestar(plugins=[plugin], csrf_config=CSRFConfig(secret="s" * 32, **names))


def fastapi(broker: NatsBroker, **names: str) -> Any:
    app = FastAPI(docs_url=None, middleware=[Middleware(CSRFMiddleware, **names)])  # type: ignore[arg-type]
    app.include_router(FastStreamRouter(broker, asyncapi_path="/docs"))
    return app


def starlette(broker: NatsBroker, **names: str) -> Any:
    app = Starlette(middleware=[Middleware(CSRFMiddleware, **names)])  # type: ignore[arg-type]
    app.mount("/docs", make_asyncapi_asgi(AsyncAPI(broker)))
    return app


NAMES = ({}, {"cookie_name": "our-cookie", "header_name": "x-our-header"})


def config_of(page: httpx.Response) -> Any:
    found = re.search(
        r'<script id="asyncapi-config" type="application/json">(.*?)</script>', page.text
    )
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("names", NAMES, ids=["usual names", "own names"])
@pytest.mark.parametrize("host", [litestar, fastapi, starlette])
async def test_page_is_told_how_to_send_the_csrf_cookie_back(
    host: Callable[..., Any], names: dict[str, str]
) -> None:
    broker = broker_of()
    async with asgi_client(host(broker, **names), broker) as client:
        page = await client.get("/docs/" if host is starlette else "/docs")
        form = {"channelName": "orders", "message": {"message": 2}}
        refused = await client.post("/docs/try", json=form)
        headers = {
            header: client.cookies[cookie]
            for cookie, header in config_of(page)["tryItOut"]["csrf"]
            if cookie in client.cookies
        }
        accepted = await client.post("/docs/try", json=form, headers=headers)

    assert refused.status_code == 403
    assert (accepted.status_code, accepted.json()) == (200, 4)


# Hosts


def asgi_with(broker: NatsBroker, **options: Any) -> Any:
    return AsgiFastStream(broker, asyncapi_path=AsyncAPIRoute("/docs", **options))


def fastapi_with(broker: NatsBroker, **options: Any) -> Any:
    app = FastAPI(docs_url=None)
    app.include_router(FastStreamRouter(broker, asyncapi_path=AsyncAPIRoute("/docs", **options)))
    return app


def litestar_with(broker: NatsBroker, **options: Any) -> Any:
    return Litestar(
        plugins=[FastStreamPlugin(broker, asyncapi_path=AsyncAPIRoute("/docs", **options))]
    )


def mounted_with(broker: NatsBroker, **options: Any) -> Any:
    app = Starlette(lifespan=broker_lifespan(broker))
    app.mount("/docs", make_asyncapi_asgi(AsyncAPI(broker), **options))
    return app


HOSTS = (asgi_with, fastapi_with, litestar_with, mounted_with)


@pytest.mark.parametrize("host", HOSTS)
async def test_page_of_a_rebound_name_gets_nothing(host: Callable[..., Any]) -> None:
    broker = broker_of()
    app = host(broker, allowed_hosts=["docs.example.com", "*.internal", "[::1]"], status=True)
    form = {"channelName": "orders", "message": {"message": 2}}
    slash = "/" if host is mounted_with else ""
    document = "/docs/asyncapi.json" if host is mounted_with else "/docs.json"
    async with asgi_client(app, broker) as client:
        for name, status in {
            "docs.example.com": 200,
            "DOCS.example.com:8000": 200,
            "a.b.internal": 200,
            "[::1]:8000": 200,
            "evil.example": 421,
            "internal": 421,
            "docs.example.com.evil.example": 421,
            "": 421,
        }.items():
            headers = {"host": name, "origin": f"http://{name}"}
            answers = [
                await client.get(f"/docs{slash}", headers=headers),
                await client.get(document, headers=headers),
                await client.get("/docs/status", headers=headers),
                await client.post("/docs/try", json=form, headers=headers),
            ]
            assert {answer.status_code for answer in answers} == {status}, name


async def test_any_host_is_served_by_default() -> None:
    broker = broker_of()
    async with asgi_client(asgi_with(broker), broker) as client:
        page = await client.get("/docs", headers={"host": "anything.example"})
    assert page.status_code == 200


@pytest.mark.parametrize("name", ["https://docs.example.com", "docs.example.com:80", "a/b"])
def test_host_with_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="write it without scheme and port"):
        make_asyncapi_asgi(AsyncAPI(), allowed_hosts=[name])


# Status


@pytest.mark.parametrize("host", HOSTS)
async def test_status_tells_of_each_operation_and_server(host: Callable[..., Any]) -> None:
    broker = broker_of()
    broker.subscriber("nothing/yet")
    broker.subscriber("titled", title="All of it")(broker.subscriber("both")(lambda message: None))
    if host is mounted_with:
        app: Any = host(broker, status=True)
        document_path, page_path = "/docs/asyncapi.json", "/docs/"
    else:
        app = host(broker, status=True)
        document_path, page_path = "/docs.json", "/docs"
    async with asgi_client(app, broker) as client:
        page = await client.get(page_path)
        document = (await client.get(document_path)).json()
        status = await client.get(page.url.join(config_of(page)["status"]))
        head = await client.head(page.url.join(config_of(page)["status"]))

    known = status.json()
    assert status.headers["cache-control"] == "no-store"
    assert (head.status_code, head.content) == (200, b"")
    assert known.keys() == {"operations", "servers", "at"}
    assert known["operations"].keys() == document["operations"].keys()
    assert known["servers"].keys() == document["servers"].keys()
    assert "All of it" in known["operations"]
    assert "nothing.yet:SubscriberSubscribe" in known["operations"]
    for operation in known["operations"].values():
        assert operation.keys() == {"consumption", "reason"}
    for server in known["servers"].values():
        assert server.keys() == {"connected", "reason"}


async def test_status_is_what_readiness_knows(nats_url: str) -> None:
    broker = NatsBroker(nats_url, logger=None)
    broker.subscriber("nothing-yet")

    @broker.subscriber("orders")
    async def order(number: int) -> None: ...

    app = mounted_with(broker, status=True)
    before = await known_by(app)
    async with asgi_client(app) as client:
        during = (await client.get("/docs/status")).json()
    after = await known_by(app)

    name = "orders:OrderSubscribe"
    assert during["operations"][name] == {"consumption": "up", "reason": ""}
    assert during["operations"]["nothing-yet:SubscriberSubscribe"]["consumption"] == "idle"
    assert during["servers"] == {"development": {"connected": True, "reason": ""}}
    for known in (before, after):
        assert known["operations"][name]["consumption"] in {"down", "dead"}
        assert known["operations"][name]["reason"]
        assert known["servers"]["development"]["connected"] is False


async def known_by(app: Any) -> Any:
    """What the status is while the application does not run."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.get("/docs/status")).json()


async def test_there_is_no_status_by_default() -> None:
    broker = broker_of()
    async with asgi_client(asgi_with(broker), broker) as client:
        assert config_of(await client.get("/docs"))["status"] is None
        assert (await client.get("/docs/status")).status_code == 404


async def test_status_asks_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = broker_of()
    async with asgi_client(mounted_with(broker, status=True), broker) as client:

        async def ping(*_: Any, **__: Any) -> bool:
            pytest.fail("a broker was asked")

        monkeypatch.setattr(broker, "ping", ping)
        answers = [await client.get("/docs/status") for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}


# Where forms send to


@pytest.mark.parametrize("host", HOSTS)
async def test_path_with_a_scheme_is_where_the_forms_send_to(host: Callable[..., Any]) -> None:
    address = "https://api.example.com/asyncapi/try"
    broker = broker_of()
    async with asgi_client(host(broker, try_it_out_path=address), broker) as client:
        page = await client.get("/docs/" if host is mounted_with else "/docs")
        assert config_of(page)["tryItOut"]["url"] == address
        assert (
            "connect-src 'self' https://api.example.com;" in page.headers["content-security-policy"]
        )
        assert (await client.post("/docs/try", json={})).status_code == 404


@pytest.mark.parametrize("host", HOSTS)
async def test_one_option_says_what_the_forms_do(host: Callable[..., Any]) -> None:
    form = {"channelName": "orders", "message": {"message": 2}}
    real = {**form, "options": {"sendToRealBroker": True}}
    for wanted, statuses in {
        True: (200, 403),
        False: (404, 404),
        TryItOut(real_broker=True): (200, 200),
    }.items():
        broker = broker_of()
        async with asgi_client(host(broker, try_it_out=wanted), broker) as client:
            answers = [await client.post("/docs/try", json=body) for body in (form, real)]
        assert tuple(answer.status_code for answer in answers) == statuses


@pytest.mark.parametrize(
    "make", [AsyncAPIRoute, lambda path, **o: make_asyncapi_asgi(AsyncAPI(), **o)]
)
def test_former_option_is_refused_with_what_to_write(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"Write try_it_out=TryItOut\(real_broker=True\)"):
        make("/docs", try_it_out_real_broker=True)


async def test_report_and_reply_have_their_media_types() -> None:
    broker = broker_of()
    form = {"channelName": "orders", "message": {"message": 2}}
    async with asgi_client(asgi_with(broker), broker) as client:
        for accept, media_type in {
            "*/*": "application/json",
            "": "application/json",
            "text/html": "application/json",
            ";;,q=": "application/json",
            f"{REPORT_TYPE};q=0": "application/json",
            f"{REPORT_TYPE};q=0.000": "application/json",
            f"text/html, {REPORT_TYPE.upper()};q=0.1": REPORT_TYPE,
            f"application/json, {REPORT_TYPE}": REPORT_TYPE,
        }.items():
            answer = await client.post("/docs/try", json=form, headers={"accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type), accept
            assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize("host", [asgi_with, fastapi_with, litestar_with])
async def test_request_and_answers_are_in_the_documents(host: Callable[..., Any]) -> None:
    broker = broker_of()
    async with asgi_client(host(broker, include_in_schema=True), broker) as client:
        if host is asgi_with:
            document = (await client.get("/docs.json")).json()
            (operation,) = (
                operation
                for operation in document["operations"].values()
                if operation.get("title") == "POST /docs/try"
            )
            statuses = {
                int(message["$ref"].rpartition("Response")[2])
                for message in operation["reply"]["messages"]
            }
        else:
            path = "/openapi.json" if host is fastapi_with else "/schema/openapi.json"
            document = (await client.get(path)).json()
            operation = document["paths"]["/docs/try"]["post"]
            assert "application/json" in operation["requestBody"]["content"]
            statuses = {int(status) for status in operation["responses"]}
    text = json.dumps(document)
    assert {200, 400, 403, 404, 413, 415, 429, 500, 501, 502} <= statuses
    for word in ("channelName", "sendToRealBroker", "operation_id", "details", REPORT_TYPE):
        assert word in text, word
