"""FastStream inside Litestar: our handlers, `inject`, and what the plugin costs the others.

Goals: a handler is 1.5 times as fast as Litestar's own and eight times as fast as upstream's under
`asgi`; one injected value costs 15 % of a request more than a dependency of Litestar's, at most,
and two half as much as two; the plugin costs the other routes of an application nothing. Equal
speed is measured within 5 %.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

from faststream import Context, Depends, Logger
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import AsgiResponse as UpstreamResponse
from faststream.asgi import Header as UpstreamHeader
from faststream.asgi import Query as UpstreamQuery
from faststream.asgi import get as upstream_get
from faststream.nats import NatsBroker
from litestar import Litestar, MediaType, asgi
from litestar import get as litestar_get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, HeaderParameter
from litestar.types import Receive, Scope, Send

from benchmarks.measure import HEADERS, OURS, Answer, Case, Request, measure, report
from faststream_integrations.asgi import AsgiResponse, Header, Query, get
from faststream_integrations.litestar import FastStreamPlugin, inject

__all__ = ("cases", "main")

EQUAL = 0.95
NEARLY_EQUAL = 0.85

logger = logging.getLogger("faststream")
broker = NatsBroker()
User = Annotated[str, HeaderParameter(name="x-user")]


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


async def native_role_of(user: User) -> str:
    return f"role of {user}"


# Without a logger: a second dependency, beside the role, would make it seven times slower.
@litestar_get("/search", media_type=MediaType.TEXT, dependencies={"role": Provide(native_role_of)})
async def native(limit: FromQuery[int], user: User, role: NamedDependency[str]) -> bytes:
    return f"{user}, {role}: {limit}".encode()


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


@asgi("/search", copy_scope=True)
async def under_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    await upstream(scope, receive, send)  # type: ignore[arg-type]


# A value of the context in a handler of Litestar's


@litestar_get("/broker", media_type=MediaType.TEXT)
@inject
async def injected(broker: Annotated[NatsBroker, Context()]) -> str:
    return type(broker).__name__


@litestar_get("/two", media_type=MediaType.TEXT)
@inject
async def two_injected(broker: Annotated[NatsBroker, Context()], logger: Logger) -> str:
    return f"{type(broker).__name__}, {logger.name}"


async def provide_broker() -> Any:
    return broker


async def provide_logger() -> Any:
    return logger


@litestar_get("/broker", media_type=MediaType.TEXT, dependencies={"it": Provide(provide_broker)})
async def provided(it: NamedDependency[Any]) -> str:
    return type(it).__name__


@litestar_get(
    "/two",
    media_type=MediaType.TEXT,
    dependencies={"it": Provide(provide_broker), "log": Provide(provide_logger)},
)
async def two_provided(it: NamedDependency[Any], log: NamedDependency[Any]) -> str:
    return f"{type(it).__name__}, {log.name}"


async def pong() -> bytes:
    return b"pong"


ping = litestar_get("/ping", media_type=MediaType.TEXT)(pong)


# The applications


def app_of(*handlers: Any, plugin: FastStreamPlugin | None = None) -> Any:
    return Litestar(handlers, plugins=[plugin] if plugin else [], openapi_config=None)


def with_upstream() -> Any:
    # Only an application of upstream's gives its handlers context and dependencies.
    UpstreamAsgiFastStream(broker, asgi_routes=[("/search", upstream)])
    return app_of(under_asgi)


def cases() -> list[Case]:
    """Return the cases, each with the applications that can do it."""
    routes = [(f"/probe/{number}", ours) for number in range(5)]
    others = [litestar_get(path, media_type=MediaType.TEXT)(pong) for path, _ in routes]
    return [
        Case(
            "Header + Query + Logger + async dependency",
            Request("/search", query=b"limit=10", headers=HEADERS),
            Answer(200, b"ann, role of ann: 10"),
            {
                OURS: app_of(plugin=FastStreamPlugin(broker, asgi_routes=[("/search", ours)])),
                "Litestar": app_of(native),
                "upstream under asgi": with_upstream(),
            },
            goals={"Litestar": 1.5, "upstream under asgi": 8},
        ),
        Case(
            "the broker in a handler of Litestar's",
            Request("/broker", headers=HEADERS),
            Answer(200, b"NatsBroker"),
            {
                OURS: app_of(injected, plugin=FastStreamPlugin(broker)),
                "Litestar": app_of(provided),
            },
            goals={"Litestar": NEARLY_EQUAL},
        ),
        Case(
            "the broker and the logger in a handler of Litestar's",
            Request("/two", headers=HEADERS),
            Answer(200, b"NatsBroker, faststream"),
            {
                OURS: app_of(two_injected, plugin=FastStreamPlugin(broker)),
                "Litestar": app_of(two_provided),
            },
            goals={"Litestar": 2},
        ),
        Case(
            "another route, beside five of the plugin",
            Request("/ping", headers=HEADERS),
            Answer(200, b"pong"),
            {
                OURS: app_of(ping, plugin=FastStreamPlugin(broker, asgi_routes=routes)),
                "Litestar": app_of(ping, *others),
            },
            goals={"Litestar": EQUAL},
        ),
    ]


def main() -> None:
    """Measure every case and print the tables."""

    async def measure_all() -> None:
        report([await measure(case) for case in cases()])

    logging.getLogger("faststream").setLevel(logging.CRITICAL)
    asyncio.run(measure_all())
