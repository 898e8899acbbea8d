"""The service with `faststream.asgi`."""

from __future__ import annotations

from typing import Annotated

from faststream import Depends, Logger
from faststream.asgi import AsgiFastStream, AsgiResponse, Header, Query, Request, get, post
from faststream.nats import NatsBroker
from pydantic import ValidationError

from benchmarks.peers.service import NUMBERS, Order, find_role, summary
from faststream_integrations.types import ASGIApp, Scope

__all__ = ("APPS",)


@get
async def ping(scope: Scope) -> AsgiResponse:
    return AsgiResponse(b"pong", status_code=200)


@get
async def whoami(scope: Scope, logger: Logger, request: Request) -> AsgiResponse:
    return AsgiResponse(request.method.encode(), status_code=200)


# A query parameter is always a list, and validated where `cast` says so.
@get
async def search(
    scope: Scope,
    limit: Annotated[list[int], Query(cast=True)],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header("x-user")],
) -> AsgiResponse:
    return AsgiResponse(summary(limit[0], tag, x_user), status_code=200)


async def role_of(x_user: Annotated[str, Header("x-user")]) -> str:
    return find_role(x_user)


@get
async def search_as(
    scope: Scope,
    limit: Annotated[list[int], Query(cast=True)],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header("x-user")],
    logger: Logger,
    role: Annotated[str, Depends(role_of)],
) -> AsgiResponse:
    return AsgiResponse(summary(limit[0], tag, x_user, role), status_code=200)


def blocking_role_of(x_user: Annotated[str, Header("x-user")]) -> str:
    return find_role(x_user)


@get
async def search_blocking(
    scope: Scope,
    limit: Annotated[list[int], Query(cast=True)],
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header("x-user")],
    logger: Logger,
    role: Annotated[str, Depends(blocking_role_of)],
) -> AsgiResponse:
    return AsgiResponse(summary(limit[0], tag, x_user, role), status_code=200)


# There is no body parameter.
@post
async def create_order(scope: Scope, request: Request) -> AsgiResponse:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0] != "application/json":
        return AsgiResponse(b"The body has to be JSON", status_code=415)
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return AsgiResponse(error.json().encode(), status_code=422)
    return AsgiResponse(order.item.encode(), status_code=200)


def app(*routes: tuple[str, ASGIApp]) -> ASGIApp:
    return AsgiFastStream(NatsBroker(), asgi_routes=routes)


APPS: dict[str, ASGIApp] = {
    "bare": app(("/ping", ping)),
    "request": app(("/whoami", whoami)),
    "parameters": app(("/search", search)),
    "dependency": app(("/search", search_as)),
    "dependency in a thread": app(("/search", search_blocking)),
    "body": app(("/orders", create_order)),
    "fifty static": app(*((f"/ping/{number}", ping) for number in NUMBERS)),
}
