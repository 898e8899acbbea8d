"""Bugs of ``faststream.asgi`` (0.7.8) that this package must not have.

Each test runs on our class and on upstream's. Ours has to pass; upstream's has to fail, so that a
bug that upstream mends is noticed here.
"""

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Annotated

import faststream.asgi as upstream
import httpx
import pytest
from fast_depends import Provider
from fast_depends.pydantic import PydanticSerializer
from faststream import Context, Depends, FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route

import faststream_integrations.asgi as ours
from faststream_integrations import broker_lifespan
from faststream_integrations.testing import asgi_client

UPSTREAM = pytest.param(
    upstream, id="upstream", marks=pytest.mark.xfail(strict=True, raises=(AssertionError, KeyError))
)


@pytest.fixture(params=[pytest.param(ours, id="ours"), UPSTREAM])
def package(request) -> SimpleNamespace:
    return request.param


async def get(app, url="/it", *, method="GET", **request) -> httpx.Response:
    async with asgi_client(app, raise_app_exceptions=False) as client:
        return await client.request(method, url, **request)


async def test_2_broker_that_cannot_be_reached_fails_the_startup(package):
    with socket.socket() as silent:  # accepts a connection and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        broker = NatsBroker(f"nats://127.0.0.1:{silent.getsockname()[1]}", connect_timeout=1)
        options = {"startup_timeout": 0.1} if package is ours else {}
        app = package.AsgiFastStream(broker, logger=None, **options)
        sent = asyncio.Queue()
        task = asyncio.create_task(_run_lifespan(app, sent.put))
        first = await asyncio.wait_for(sent.get(), 30)
        task.cancel()
        with suppress(BaseException):
            await task
    assert first["type"] == "lifespan.startup.failed"


async def _run_lifespan(app, send):
    events = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    await app({"type": "lifespan"}, events.get, send)


@pytest.mark.parametrize("prefix", ["/sub", "/deep/er"])
async def test_4_mounted_application_answers_and_starts_its_broker(package, prefix, nats_url):
    broker = NatsBroker(nats_url)
    it = package.get(lambda scope: package.AsgiResponse(b"it"))
    inner = package.AsgiFastStream(broker, asgi_routes=[("/it", it)])
    app = Starlette(routes=[Mount(prefix, inner)], lifespan=broker_lifespan(inner))
    async with asgi_client(app) as client:
        assert (await client.get(f"{prefix}/it")).text == "it"
        assert await broker.ping(5)


async def test_5_mounted_probe_answers_at_its_own_path_only(package):
    app = Starlette(routes=[Mount("/health", package.make_ping_asgi(NatsBroker(), timeout=0.05))])
    assert (await get(app, "/health/")).status_code == 500
    assert (await get(app, "/health/anything/below")).status_code == 404


async def test_5_websocket_on_a_mounted_probe_is_closed(package):
    app = package.make_ping_asgi(NatsBroker(), timeout=0.05)
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == ["websocket.close"]


async def test_6_handler_outside_the_application_gets_its_parameters(package):
    async def dependency():
        return "dependency"

    @package.get
    async def handler(
        request: package.Request, q: list[str] = package.Query(), d: str = Depends(dependency)
    ):
        return package.AsgiResponse(f"{request.method} {q} {d}".encode())

    response = await get(Starlette(routes=[Route("/it", handler)]), "/it?q=1")
    assert response.text == "GET ['1'] dependency"


async def test_7_asgi_application_of_a_faststream_one_keeps_its_specification(package):
    source = FastStream(NatsBroker(), specification=AsyncAPI(title="Kept"))
    app = package.AsgiFastStream.from_app(source, [], "/docs")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as client:
        assert (await client.get("/docs.json")).json()["info"]["title"] == "Kept"
    assert app.context is source.context


@pytest.mark.parametrize(
    ("annotation", "url", "headers", "expected"),
    [
        (lambda p: Annotated[int, p.Query("q", cast=True)], "/it?q=5", {}, "5"),
        (lambda p: Annotated[list[str], p.Query("q")], "/it?q=", {}, "['']"),
        (lambda p: Annotated[list[str], p.Query("q")], "/it?q=%D0%B9", {}, "['й']"),
        (lambda p: Annotated[str, p.Header()], "/it", {"x-token": "t"}, "t"),
        (
            lambda p: Annotated[str, p.Header("x")],
            "/it",
            [("x", "a"), ("x", "b")],
            "a, b",
        ),
        (lambda p: Annotated[object, Context("broker")], "/it", {}, "NatsBroker"),
    ],
    ids=["int", "blank", "utf-8", "unnamed-header", "repeated-header", "broker"],
)
async def test_8_parameters(package, annotation, url, headers, expected):
    async def handler(x_token):
        return package.AsgiResponse(
            (type(x_token).__name__ if expected == "NatsBroker" else str(x_token)).encode()
        )

    handler.__annotations__ = {"x_token": annotation(package)}
    app = package.AsgiFastStream(NatsBroker(), asgi_routes=[("/it", package.get(handler))])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as client:
        assert (await client.get(url, headers=headers)).text == expected


async def test_8_responses_have_a_content_type_and_head_has_no_body(package):
    it = package.get(lambda scope: package.AsgiResponse(b"it"))
    app = package.AsgiFastStream(asgi_routes=[("/it", it)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.head("/it")
        assert (response.content, response.headers["content-length"]) == (b"", "2")
        assert "content-type" in (await client.get("/it")).headers


async def test_8_missing_context_value_is_the_servers_fault_and_422_says_what_is_wrong(package):
    missing = package.get(lambda scope, x=Context("missing"): package.AsgiResponse())
    invalid = package.get(lambda q=package.Query(): package.AsgiResponse())
    app = package.AsgiFastStream(asgi_routes=[("/a", missing), ("/b", invalid)], logger=None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.get("/b")
        assert response.status_code == 422
        assert '"loc":["query","q"]' in response.text
        assert (await client.get("/a")).status_code == 500


async def test_9_provider_and_serializer_of_the_application_count(package):
    async def dependency():
        return "original"

    @package.get
    async def handler(d: Annotated[str, Depends(dependency, cast=False)]):
        return package.AsgiResponse(d.encode())

    provider = Provider()
    provider.override(dependency, lambda: "overridden")
    app = package.AsgiFastStream(
        asgi_routes=[("/it", handler)], provider=provider, serializer=PydanticSerializer()
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/it")).text == "overridden"


async def test_12_everything_is_stopped_when_one_broker_fails_to(package, nats_url):
    class Failing(NatsBroker):
        async def stop(self, *args):
            await super().stop(*args)
            raise RuntimeError

    ended = []

    async def after_shutdown():
        ended.append("after_shutdown")

    first, second = Failing(nats_url), NatsBroker(nats_url)
    # Whichever is stopped first fails.
    order = (second, first) if package is ours else (first, second)
    app = package.AsgiFastStream(*order, after_shutdown=[after_shutdown], logger=None)
    with suppress(RuntimeError):
        async with asgi_client(app):
            pass
    still_there = await second.ping(0.05)
    with suppress(Exception):
        await second.stop()
    assert not still_there
    assert ended == ["after_shutdown"]
