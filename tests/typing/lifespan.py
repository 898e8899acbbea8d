"""`broker_lifespan` in every host; mypy checks this file, nothing runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from faststream import FastStream
from faststream.nats import NatsBroker
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from typing_extensions import assert_type

from faststream_integrations import AsgiFastStream, broker_lifespan, get, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse
from faststream_integrations.lifespan import BrokerLifespan
from faststream_integrations.testing import asgi_client

broker = NatsBroker()
service = FastStream(broker)


@asynccontextmanager
async def without_state(app: FastAPI) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def with_state(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    yield {"database": object()}


assert_type(broker_lifespan(broker), BrokerLifespan)
assert_type(broker_lifespan(broker, service, startup_timeout=5.0), BrokerLifespan)
broker_lifespan(broker, on_unavailable="wait")  # type: ignore[arg-type]
broker_lifespan(broker, timeout=5.0)  # type: ignore[call-arg]

fastapi = FastAPI(lifespan=broker_lifespan(broker, lifespan=without_state))
router = APIRouter(lifespan=broker_lifespan(broker))
starlette = Starlette(lifespan=broker_lifespan(service, lifespan=with_state))
litestar = Litestar(
    [asgi("/health", copy_scope=True)(make_ping_asgi(broker))],
    lifespan=[broker_lifespan(broker)],
)


@get
async def handler() -> AsgiResponse:
    return AsgiResponse()


starlette.router.routes += [Route("/handler", handler), Mount("/mounted", handler)]
starlette.mount("/handler", handler)
fastapi.mount("/handler", handler)
fastapi.mount("/app", AsgiFastStream(broker))


async def in_tests() -> None:
    for app in (fastapi, starlette, litestar):
        async with asgi_client(app, broker):
            pass
    async with broker_lifespan(broker)() as state:
        assert_type(state, dict[str, Any])
