"""Every host starts under every server, with a lifespan in any form that a host takes."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from faststream import Context, FastStream
from faststream.nats import NatsBroker
from litestar import Litestar
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from faststream_integrations import AsgiFastStream, AsgiResponse, broker_lifespan, get
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client


@get
async def named(broker: Annotated[Any, Context("broker")]):
    return AsgiResponse(type(broker).__name__.encode())


# A server that keeps no state


class OldServer:
    """Runs an application as a server does that knows no lifespan state."""

    def __init__(self, app):
        self.app = app
        self.events = asyncio.Queue()
        self.sent = asyncio.Queue()

    async def __aenter__(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.task = asyncio.create_task(self.app(scope, self.events.get, self.sent.put))
        await self.step("startup")
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

    async def __aexit__(self, *error):
        await self.step("shutdown")
        await self.task

    async def step(self, event):
        await self.events.put({"type": f"lifespan.{event}"})
        answer = await asyncio.wait_for(self.sent.get(), 10)
        assert answer["type"] == f"lifespan.{event}.complete", answer


async def test_server_without_lifespan_state_starts_the_application(host, nats_url):
    broker = NatsBroker(nats_url)
    app = host.build(broker, asgi_routes=[("/named", named)])
    for _ in range(2):
        async with OldServer(app) as client:
            assert await broker.ping(5)
            response = await client.get(f"http://testserver{host.prefix}/named")
            assert (response.status_code, response.text) == (200, "NatsBroker")
        assert not await broker.ping(0.05)


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
async def test_state_of_the_users_own_lifespan_needs_no_server_that_keeps_it(framework, broker):
    entered = []

    @asynccontextmanager
    async def own(app):
        entered.append(app)
        yield {"own": 1}

    async def nothing(*args): ...

    broker.start = broker.stop = nothing
    app = framework(lifespan=broker_lifespan(broker, lifespan=own))
    async with OldServer(app):
        assert entered == [app]


# The forms of a lifespan


FORMS = ["context manager", "generator", "partial", "object", "plain generator", "instance"]


def lifespan_of(form, notes):
    """Make a lifespan that yields a state and notes what happens to it."""

    async def generator(*args, **options):
        notes.append("open")
        yield {"own": 1}
        notes.append("close")

    def plain(*args, **options):
        notes.append("open")
        yield {"own": 1}
        notes.append("close")

    class Callable:
        def __call__(self, *args, **options):
            return generator()

    return {
        "context manager": asynccontextmanager(generator),
        "generator": generator,
        "partial": partial(generator),
        "object": Callable(),
        "plain generator": plain,
        "instance": asynccontextmanager(generator)(),
    }[form]


def starlette(broker, lifespan):
    return Starlette(lifespan=broker_lifespan(broker, lifespan=lifespan))


def fastapi(broker, lifespan):
    return FastAPI(lifespan=broker_lifespan(broker, lifespan=lifespan))


def router(broker, lifespan):
    app = FastAPI()
    app.include_router(FastStreamRouter(broker, lifespan=lifespan))
    return app


def litestar(broker, lifespan):
    return Litestar(lifespan=[broker_lifespan(broker, lifespan=lifespan)])


def asgi(broker, lifespan):
    return AsgiFastStream(broker, lifespan=lifespan)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("build", [starlette, fastapi, router, litestar, asgi])
async def test_lifespan_has_any_form_that_hosts_take(build, form, broker):
    if build is asgi and form not in ("context manager", "generator"):
        pytest.skip("the lifespan of a FastStream application is a function")
    notes = []
    app = build(broker, lifespan_of(form, notes))
    async with asgi_client(app, broker):
        assert notes == ["open"]
    assert notes == ["open", "close"]


@pytest.mark.parametrize("form", FORMS[:5])
async def test_state_of_a_lifespan_reaches_the_request(form, broker):
    async def own(request):
        return PlainTextResponse(str(request.state.own))

    app = Starlette(
        lifespan=broker_lifespan(broker, lifespan=lifespan_of(form, [])),
        routes=[Route("/", own)],
    )
    async with asgi_client(app, broker) as client:
        assert (await client.get("/")).text == "1"


async def test_lifespan_that_is_none_says_what_to_write(broker):
    async def own(app):
        return None

    with pytest.raises(TypeError, match=r"lifespan .*own.* gave .* @asynccontextmanager"):
        async with asgi_client(starlette(broker, own), broker):
            raise AssertionError


# By hand, mounted and nested


@pytest.mark.parametrize("build", [starlette, fastapi, router])
async def test_lifespan_context_of_the_application_is_entered_by_hand(build, broker):
    notes = []
    app = build(broker, lifespan_of("generator", notes))

    async def nothing(*args): ...

    broker.start = broker.stop = nothing
    async with app.router.lifespan_context(app) as state:
        assert (state["own"], state["broker"], state["brokers"]) == (1, broker, (broker,))
    assert notes == ["open", "close"]


async def test_nested_applications_run_by_the_outermost(nats_url):
    """One lifespan above all starts the broker of an application two mounts below."""
    broker = NatsBroker(nats_url)
    inner = FastStream(broker)
    app = AsgiFastStream.from_app(inner, [("/named", named)])
    middle = Starlette(routes=[Mount("/inner", app)])
    outer = FastAPI(lifespan=broker_lifespan(app))
    outer.mount("/middle", middle)
    async with OldServer(outer) as client:
        response = await client.get("http://testserver/middle/inner/named")
        assert (response.status_code, response.text) == (200, "NatsBroker")
    assert not await broker.ping(0.05)
