"""FastStream's context in HTTP handlers."""

import logging
from contextlib import asynccontextmanager
from typing import Annotated, Any

from faststream import Context, ContextRepo, Depends, FastStream, Logger
from faststream.nats import NatsBroker
from faststream.nats.annotations import NatsBroker as NatsBrokerAnnotation

from faststream_integrations.asgi import AsgiResponse, JSONResponse, Request, get


async def test_context_has_request_logger_broker_and_context(host, broker):
    @get
    async def handler(
        request: Request,
        logger: Logger,
        broker_: Annotated[NatsBroker, Context("broker")],
        annotated: NatsBrokerAnnotation,
        context: ContextRepo,
        request_path: Annotated[str, Context("request.path")],
    ):
        assert broker_ is annotated is broker
        assert isinstance(logger, logging.Logger)
        assert context.get("request") is request
        return JSONResponse([request.method, request_path, context.get("logger") is logger])

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        response = await client.get("/it")
    assert ["GET", f"{host.prefix}/it", True] == response.json()


async def test_global_values_of_the_broker_reach_handlers(host, broker):
    @get
    async def handler(answer: Annotated[int, Context()], nested: Annotated[int, Context("a.b")]):
        return JSONResponse([answer, nested])

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        broker.context.set_global("answer", 42)
        broker.context.set_global("a", {"b": 1})
        assert (await client.get("/it")).json() == [42, 1]


async def test_context_defaults_and_initial_values(host, broker):
    @get
    async def handler(
        with_default: Annotated[str, Context(default="d")],
        cache: Annotated[list[int], Context("cache", initial=list)],
        with_none: Annotated[str | None, Context("nothing")] = None,
    ):
        cache.append(1)
        return JSONResponse([with_default, len(cache), with_none])

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).json() == ["d", 1, None]
        assert (await client.get("/it")).json() == ["d", 2, None]


async def test_application_of_faststream_brings_its_context_and_lifespan_values(host):
    @asynccontextmanager
    async def lifespan(context: ContextRepo):
        context.set_global("database", "open")
        yield
        context.set_global("database", "closed")

    broker = NatsBroker()
    app = FastStream(broker, lifespan=lifespan)

    @get
    async def handler(database: Annotated[str, Context()], app_: Annotated[Any, Context("app")]):
        return JSONResponse([database, app_.broker is broker])

    async with host.client(app, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).json() == ["open", True]
    assert app.context.get("database") == "closed"


async def test_request_ends_with_its_context(host, broker):
    contexts = []

    @get
    async def handler(context: ContextRepo):
        contexts.append(context)
        return AsgiResponse()

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        await client.get("/it")
    assert contexts[0].get("request") is None


async def test_sync_dependency_sees_the_context_in_its_thread(host, broker):
    def dependency(context: ContextRepo):
        return context.get("request").method

    @get
    async def handler(method: Annotated[str, Depends(dependency)]):
        return JSONResponse(method)

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).json() == "GET"
