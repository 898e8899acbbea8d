"""The service with this package."""

from __future__ import annotations

from typing import Annotated

from faststream import Depends, Logger
from faststream.nats import NatsBroker

from benchmarks.peers.service import NUMBERS, Order, find_role, summary
from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    Body,
    Header,
    Path,
    Query,
    Request,
    get,
    post,
)
from faststream_integrations.types import ASGIApp, Scope

__all__ = ("APPS",)


@get
async def ping(scope: Scope) -> AsgiResponse:
    return AsgiResponse(b"pong")


@get
async def whoami(logger: Logger, request: Request) -> AsgiResponse:
    return AsgiResponse(request.method.encode())


@get
async def search(
    limit: Annotated[int, Query()],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header()],
) -> AsgiResponse:
    return AsgiResponse(summary(limit, tag, x_user))


async def role_of(x_user: Annotated[str, Header()]) -> str:
    return find_role(x_user)


@get
async def search_as(
    limit: Annotated[int, Query()],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header()],
    logger: Logger,
    role: Annotated[str, Depends(role_of)],
) -> AsgiResponse:
    return AsgiResponse(summary(limit, tag, x_user, role))


def blocking_role_of(x_user: Annotated[str, Header()]) -> str:
    return find_role(x_user)


async def search_blocking(
    limit: Annotated[int, Query()],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header()],
    logger: Logger,
    role: Annotated[str, Depends(blocking_role_of)],
) -> AsgiResponse:
    return AsgiResponse(summary(limit, tag, x_user, role))


@post
async def create_order(order: Annotated[Order, Body()]) -> AsgiResponse:
    return AsgiResponse(order.item.encode())


@get
async def read_item(item_id: Annotated[int, Path()]) -> AsgiResponse:
    return AsgiResponse(b"%d" % item_id)


def app(*routes: tuple[str, ASGIApp]) -> ASGIApp:
    return AsgiFastStream(NatsBroker(), asgi_routes=routes)


APPS: dict[str, ASGIApp] = {
    "bare": app(("/ping", ping)),
    "request": app(("/whoami", whoami)),
    "parameters": app(("/search", search)),
    "dependency": app(("/search", search_as)),
    "dependency in a thread": app(("/search", get(search_blocking))),
    "dependency inline": app(("/search", get(sync_to_thread=False)(search_blocking))),
    "body": app(("/orders", create_order)),
    "fifty static": app(*((f"/ping/{number}", ping) for number in NUMBERS)),
    "fifty parameters": app(*((f"/items/{number}/{{item_id}}", read_item) for number in NUMBERS)),
}
