"""FastStream inside FastAPI: our handlers, our `Context`, and what the router costs the others.

Goals: a handler is 1.5 times as fast as FastAPI's own endpoint and ten times as fast as upstream's
handler that is mounted; `Context` costs no more than an asynchronous dependency of FastAPI's; the
router costs the other routes of an application nothing. Equal speed is measured within 5 %.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, FastAPI
from fastapi import Request as FastAPIRequest
from fastapi.responses import PlainTextResponse
from faststream import Depends, Logger
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import AsgiResponse as UpstreamResponse
from faststream.asgi import Header as UpstreamHeader
from faststream.asgi import Query as UpstreamQuery
from faststream.asgi import get as upstream_get
from faststream.nats import NatsBroker

from benchmarks.measure import HEADERS, OURS, Answer, Case, Request, measure, report
from faststream_integrations.asgi import AsgiResponse, Header, Query, get
from faststream_integrations.environment import STATE_KEY, Environment
from faststream_integrations.fastapi import Context, FastStreamRouter
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("cases", "main")

EQUAL = 0.95

logger = logging.getLogger(__name__)
broker = NatsBroker()


# One handler, three ways


async def role_of(x_user: Annotated[str, Header()]) -> str:
    return f"role of {x_user}"


@get
async def ours(
    limit: Annotated[int, Query()],
    x_user: Annotated[str, Header()],
    logger: Logger,
    role: Annotated[str, Depends(role_of)],
) -> AsgiResponse:
    return AsgiResponse(f"{x_user}, {role}: {limit}".encode())


async def native_role_of(x_user: Annotated[str, fastapi.Header()]) -> str:
    return f"role of {x_user}"


def get_logger() -> logging.Logger:
    return logger


async def native(
    limit: int,
    x_user: Annotated[str, fastapi.Header()],
    role: Annotated[str, fastapi.Depends(native_role_of)],
) -> PlainTextResponse:
    return PlainTextResponse(f"{x_user}, {role}: {limit}")


async def upstream_role_of(x_user: Annotated[str, UpstreamHeader("x-user")]) -> str:
    return f"role of {x_user}"


@upstream_get
async def upstream(
    logger: Logger,
    limit: Annotated[list[int], UpstreamQuery("limit")],
    x_user: Annotated[str, UpstreamHeader("x-user")],
    role: Annotated[str, Depends(upstream_role_of)],
) -> UpstreamResponse:
    return UpstreamResponse(f"{x_user}, {role}: {limit[0]}".encode())


# Context in an ordinary endpoint


async def with_context(broker: Annotated[NatsBroker, Context("broker")]) -> PlainTextResponse:
    return PlainTextResponse(type(broker).__name__)


async def get_broker(request: FastAPIRequest) -> Any:
    return request.state.broker


async def with_dependency(
    broker: Annotated[NatsBroker, fastapi.Depends(get_broker)],
) -> PlainTextResponse:
    return PlainTextResponse(type(broker).__name__)


async def plain() -> PlainTextResponse:
    return PlainTextResponse(b"pong")


# The applications


def app_of(*routers: APIRouter, mounts: ASGIApp | None = None) -> FastAPI:
    app = FastAPI(openapi_url=None)
    for router in routers:
        app.include_router(router)
    if mounts is not None:
        app.mount("/", mounts)
    return app


def endpoint(path: str, function: Callable[..., Any], **options: Any) -> APIRouter:
    router = APIRouter(**options)
    router.add_api_route(path, function)
    return router


def started(app: ASGIApp, router: FastStreamRouter | None = None) -> ASGIApp:
    """Give each request the state that the lifespan of the application yields."""
    environment = router.environment if router else Environment.of(broker)
    state = {STATE_KEY: environment, "broker": broker, "brokers": (broker,)}

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = state.copy()
        await app(scope, receive, send)

    return with_state


def upstream_mounted() -> FastAPI:
    # Only an application of upstream's gives its handlers context and dependencies.
    UpstreamAsgiFastStream(NatsBroker(), asgi_routes=[("/search", upstream)])
    return app_of(mounts=upstream)


def cases() -> list[Case]:
    """Return the cases, each with the applications that can do it."""
    routes = [(f"/probe/{number}", ours) for number in range(5)]
    nothing_else = APIRouter()
    for path, _ in routes:
        nothing_else.add_api_route(path, plain)
    last = endpoint("/ping", plain)
    router = FastStreamRouter(broker)
    router.add_api_route("/broker", with_context)
    return [
        Case(
            "Header + Query + Logger + async dependency",
            Request("/search", query=b"limit=10", headers=HEADERS),
            Answer(200, b"ann, role of ann: 10"),
            {
                OURS: app_of(FastStreamRouter(broker, asgi_routes=[("/search", ours)])),
                "FastAPI": app_of(endpoint("/search", native)),
                "mounted upstream": upstream_mounted(),
            },
            goals={"FastAPI": 1.5, "mounted upstream": 10},
        ),
        Case(
            "Context in an endpoint of the application",
            Request("/broker", headers=HEADERS),
            Answer(200, b"NatsBroker"),
            {
                OURS: started(app_of(endpoint("/broker", with_context))),
                "FastAPI": started(app_of(endpoint("/broker", with_dependency))),
            },
            goals={"FastAPI": EQUAL},
        ),
        Case(
            "Context in an endpoint of the router",
            Request("/broker", headers=HEADERS),
            Answer(200, b"NatsBroker"),
            {
                OURS: started(app_of(router), router),
                "FastAPI": started(app_of(endpoint("/broker", with_dependency))),
            },
            goals={"FastAPI": EQUAL},
        ),
        Case(
            "another route, beside five of a router",
            Request("/ping", headers=HEADERS),
            Answer(200, b"pong"),
            {
                OURS: app_of(FastStreamRouter(broker, asgi_routes=routes), last),
                "FastAPI": app_of(nothing_else, last),
            },
            goals={"FastAPI": EQUAL},
        ),
    ]


def main() -> None:
    """Measure every case and print the tables."""

    async def measure_all() -> None:
        report([await measure(case, rounds=31) for case in cases()])

    logging.getLogger("faststream").setLevel(logging.CRITICAL)
    asyncio.run(measure_all())
