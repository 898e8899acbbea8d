"""What broke, or was wrong, in FastStream's own FastAPI integration and in others; once each.

Numbers with # are issues of ag2ai/faststream.
"""

import ast
import asyncio
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI
from faststream import Context as FastStreamContext
from faststream import FastStream
from faststream.nats import NatsBroker, TestNatsBroker
from pydantic import BaseModel

import faststream_integrations.fastapi
from faststream_integrations import AsgiFastStream, broker_lifespan, make_ping_asgi
from faststream_integrations.asgi import JSONResponse, get
from faststream_integrations.fastapi import Context, Depends, FastStreamRouter
from faststream_integrations.lifespan import BrokerUnavailable
from faststream_integrations.testing import asgi_client

ADAPTER = Path(faststream_integrations.fastapi.__file__).parent


@pytest.mark.parametrize("path", sorted(ADAPTER.glob("*.py")), ids=lambda path: path.name)
def test_private_names_of_fastapi_are_in_one_module(path):
    # Releases of FastAPI broke upstream's integration five times, each time through one
    # (#1100, #1766, #2648, #2724, #2959).
    def is_private(name):
        return any(part.startswith("_") for part in name.split("."))

    used = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in (
            "fastapi",
            "starlette",
        ):
            used |= {node.module, *(alias.name for alias in node.names)}
        elif (
            isinstance(node, ast.Attribute)
            and not (isinstance(node.value, ast.Name) and node.value.id == "self")
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ):
            used.add(node.attr)
    # asyncio's own mark, before Python 3.12 gave it a name.
    assert {name for name in used if is_private(name)} <= {"_is_coroutine"}


async def test_mounted_faststream_application_answers_and_its_broker_runs(nats_url):
    # It answered 404 on every route, and its broker never started.
    broker = NatsBroker(nats_url)
    mounted = AsgiFastStream(broker, asgi_routes=[("/health", make_ping_asgi(broker))])
    app = FastAPI(lifespan=broker_lifespan(mounted))
    app.mount("/sub", mounted)
    async with asgi_client(app) as client:
        assert (await client.get("/sub/health")).status_code == 204


async def test_probe_is_at_its_exact_path_and_in_openapi():
    # Mounted, it redirected, answered below its path, and was in no document.
    broker = NatsBroker()
    app = FastAPI()
    app.include_router(FastStreamRouter(broker, asgi_routes=[("/health", make_ping_asgi(broker))]))
    assert list(app.openapi()["paths"]) == ["/health"]
    async with asgi_client(app, broker) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.get("/health/more")).status_code == 404


async def test_broker_runs_at_every_start(nats_url):
    # A second startup of one application never started the broker.
    broker = NatsBroker(nats_url)
    received = asyncio.Queue()
    broker.subscriber("fastapi.every-start")(received.put)
    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    for number in range(3):
        async with asgi_client(app):
            await broker.publish(number, "fastapi.every-start")
            assert await asyncio.wait_for(received.get(), 10) == number


async def test_starting_adds_no_routes():
    # The docs routes were added again at every start.
    broker = NatsBroker()
    app = FastAPI()
    router = FastStreamRouter(broker, asyncapi_path="/asyncapi")
    app.include_router(router)
    counts = set()
    for _ in range(2):
        async with asgi_client(app, broker):
            counts.add((len(app.routes), len(router.routes)))
    assert len(counts) == 1


async def test_unreachable_broker_fails_the_startup():
    # It was a warning.
    app = FastAPI()
    app.include_router(FastStreamRouter(NatsBroker("nats://127.0.0.1:1"), startup_timeout=0.2))
    with pytest.raises(BrokerUnavailable, match=r"NatsBroker at nats://127\.0\.0\.1:1"):
        async with asgi_client(app):
            raise AssertionError


async def test_broker_that_comes_late_has_the_context_of_its_application():
    # It lost it (#2699), and the docs page became a 500 (#2588).
    target = FastStream()
    broker = NatsBroker()
    received = []

    @broker.subscriber("late")
    async def subscriber(message: str, answer: Annotated[int, FastStreamContext()]):
        received.append(answer)

    @target.on_startup
    async def add_broker():
        target.context.set_global("answer", 42)
        if not target.brokers:
            target.add_broker(broker)

    @get
    async def handler(
        answer: Annotated[int, Context("answer")], found: Annotated[NatsBroker, Context("broker")]
    ):
        return JSONResponse([answer, found is broker])

    app = FastAPI()
    app.include_router(
        FastStreamRouter(target, asgi_routes=[("/it", handler)], asyncapi_path="/asyncapi")
    )

    @app.get("/native")
    async def native(
        answer: Annotated[int, Context("answer")], found: Annotated[NatsBroker, Context("broker")]
    ):
        return [answer, found is broker]

    async with TestNatsBroker(broker), asgi_client(app) as client:
        assert (await client.get("/it")).json() == [42, True]
        assert (await client.get("/native")).json() == [42, True]
        assert (await client.get("/asyncapi.json")).status_code == 200
        await broker.publish("m", "late")
    assert received == [42]


async def test_dependencies_of_subscribers_are_not_in_asyncapi():
    # `fastapi.Depends` crashed the document (#2842).
    class Order(BaseModel):
        item: str

    async def dependency(limit: Annotated[int, Context("limit", default=1)]):
        return limit

    broker = NatsBroker()

    @broker.subscriber("orders")
    async def subscriber(order: Order, limit: Annotated[int, Depends(dependency)]):
        raise AssertionError

    router = FastStreamRouter(broker)
    schemas = router.specification.to_specification().to_jsonable()["components"]["schemas"]
    assert list(schemas) == ["Order"]
