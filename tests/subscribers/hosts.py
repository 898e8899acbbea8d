"""The hosts that run the brokers of a test, and FastStream alone, which they are measured by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from faststream import FastStream, TestApp
from faststream.nats import NatsBroker, TestNatsBroker
from litestar import Litestar
from starlette.applications import Starlette

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import as_asgi
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.installed import OLDEST_FASTSTREAM

__all__ = ("CONTEXTS_ARE_COMPOSED", "FASTSTREAM", "HOSTS", "ask", "every_host", "running")

FASTSTREAM = "faststream"

CONTEXTS_ARE_COMPOSED = not OLDEST_FASTSTREAM
"""Whether what the context of a broker has stays when an application comes with its own."""


def build_fastapi(service: FastStream) -> FastAPI:
    app = FastAPI()
    app.include_router(FastStreamRouter(service))
    return app


HOSTS: dict[str, Callable[[FastStream], Any]] = {
    "asgi": as_asgi,
    "fastapi": build_fastapi,
    "litestar": lambda service: Litestar(plugins=[FastStreamPlugin(service)]),
    "starlette": lambda service: Starlette(lifespan=broker_lifespan(service)),
}

every_host = pytest.mark.parametrize("host", [FASTSTREAM, *HOSTS])


@asynccontextmanager
async def running(host: str, service: FastStream) -> AsyncIterator[Any]:
    """Run the broker of a FastStream application in memory; gives the application of the host."""
    if host == FASTSTREAM:
        async with TestNatsBroker(service.broker), TestApp(service):
            yield service
        return
    app = HOSTS[host](service)
    async with asgi_client(app, service):
        yield app


async def ask(broker: NatsBroker, body: Any, subject: str = "orders", **options: Any) -> Any:
    """Return the reply to a message."""
    return await (await broker.request(body, subject, **options)).decode()
