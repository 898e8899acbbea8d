"""Memory is given back: applications, starts, overrides."""

import asyncio
import gc
import linecache
import weakref
from typing import Annotated

import fastapi
import pytest
from fast_depends import Provider
from faststream import Depends
from faststream.nats import NatsBroker, TestNatsBroker
from starlette.applications import Starlette
from starlette.routing import Route

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, Query, get
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.http import plan as plans
from faststream_integrations.lifespan import broker_lifespan
from faststream_integrations.testing import asgi_client
from tests.contract.hosts import build_litestar


async def dependency():
    return "dependency"


@get
async def handler(
    value: Annotated[str, Depends(dependency)], q: Annotated[int, Query()] = 1
) -> AsgiResponse:
    return AsgiResponse(f"{value} {q}".encode())


def build_asgi(broker):
    return AsgiFastStream(broker, asgi_routes=[("/it", handler)])


def build_starlette(broker):
    return Starlette(lifespan=broker_lifespan(broker), routes=[Route("/it", handler)])


def build_fastapi(broker):
    app = fastapi.FastAPI()
    app.include_router(FastStreamRouter(broker, asgi_routes=[("/it", handler)]))
    return app


BUILDS = {
    "asgi": build_asgi,
    "starlette": build_starlette,
    "fastapi": build_fastapi,
    "litestar": lambda broker: build_litestar(broker, asgi_routes=[("/it", handler)]),
}


def lines_of_plans() -> int:
    return sum(name.startswith("<plan") for name in linecache.cache)


async def ask(app):
    scope = {
        "type": "http", "method": "GET", "path": "/it", "raw_path": b"/it", "root_path": "",
        "query_string": b"q=2", "headers": [], "state": {}, "http_version": "1.1",
        "scheme": "http", "client": None, "server": None, "extensions": {},
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    assert sent[-1]["body"] == b"dependency 2"


@pytest.mark.parametrize("build", [build_asgi, build_starlette, build_fastapi])
async def test_applications_that_nobody_has_are_gone(build):
    """A thousand of the first kind; the frameworks take longer to build."""
    number = 1000 if build is build_asgi else 100
    references = []
    for _ in range(number):
        app = build(NatsBroker())
        await ask(app)
        references.append(weakref.ref(app))
        del app
    gc.collect()

    alive = sum(reference() is not None for reference in references)
    assert alive <= 1


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
async def test_starts_of_one_application_compile_nothing_and_keep_nothing(build):
    broker = NatsBroker()
    app = build(broker)

    async def start_and_ask():
        async with TestNatsBroker(broker, connect_only=True), lifespan_of(app):
            await ask(app)

    for _ in range(3):
        await start_and_ask()
    gc.collect()
    before = len(gc.get_objects()), lines_of_plans(), count_of_plans()
    for _ in range(200):
        await start_and_ask()
    gc.collect()

    assert (lines_of_plans(), count_of_plans()) == before[1:]
    assert len(gc.get_objects()) - before[0] < 2000


def count_of_plans() -> int:
    return sum(type(each) is plans.Plan for each in gc.get_objects())


class lifespan_of:
    """Runs the lifespan of an application without a server, its brokers in memory."""

    def __init__(self, app):
        self._app = app

    async def __aenter__(self):
        self._events: asyncio.Queue[dict] = asyncio.Queue()
        self._answers: asyncio.Queue[dict] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._app(scope, self._events.get, self._answers.put))
        await self._say("startup")

    async def __aexit__(self, *_):
        await self._say("shutdown")
        await self._task

    async def _say(self, event):
        await self._events.put({"type": f"lifespan.{event}"})
        answer = await self._answers.get()
        assert answer["type"] == f"lifespan.{event}.complete", answer


async def test_a_thousand_sets_of_overrides_keep_a_few_plans():
    provider = Provider()
    app = AsgiFastStream(NatsBroker(), asgi_routes=[("/it", handler)], provider=provider)

    async def answer() -> bytes:
        bodies = []

        async def send(message):
            bodies.append(message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": "/it", "query_string": b"", "headers": []}
        await app(scope, None, send)
        return b"".join(bodies)

    before = count_of_plans()
    for number in range(1000):
        with provider.scope(dependency, lambda number=number: str(number)):
            assert await answer() == f"{number} 1".encode()
    gc.collect()

    assert await answer() == b"dependency 1"
    assert count_of_plans() - before <= plans.KEPT_OVERRIDES
    assert lines_of_plans() < 2000


async def test_what_registration_compiled_serves_the_first_request():
    @get
    async def fresh() -> AsgiResponse:
        return AsgiResponse(b"fresh")

    [plan] = [plan for _, plan in fresh.plans()._plans]
    app = AsgiFastStream(NatsBroker(), asgi_routes=[("/it", fresh)])
    async with asgi_client(app, *app.brokers) as client:
        assert (await client.get("/it")).text == "fresh"

    assert [plan for _, plan in fresh.plans()._plans] == [plan]


def test_lines_go_with_the_function():
    before = lines_of_plans()

    def make():
        @get
        async def local() -> AsgiResponse:
            return AsgiResponse()

        assert lines_of_plans() == before + 1

    make()
    gc.collect()

    assert lines_of_plans() == before
