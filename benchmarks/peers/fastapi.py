"""The service with FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.responses import PlainTextResponse

from benchmarks.peers.service import NUMBERS, Order, find_role, summary
from faststream_integrations.types import ASGIApp

__all__ = ("APPS",)


async def ping() -> PlainTextResponse:
    return PlainTextResponse(b"pong")


async def whoami(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.method)


async def search(
    limit: int, tag: Annotated[list[str], Query()], x_user: Annotated[str, Header()]
) -> PlainTextResponse:
    return PlainTextResponse(summary(limit, tag, x_user))


async def role_of(x_user: Annotated[str, Header()]) -> str:
    return find_role(x_user)


async def search_as(
    limit: int,
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header()],
    role: Annotated[str, Depends(role_of)],
) -> PlainTextResponse:
    return PlainTextResponse(summary(limit, tag, x_user, role))


def blocking_role_of(x_user: Annotated[str, Header()]) -> str:
    return find_role(x_user)


async def search_blocking(
    limit: int,
    tag: Annotated[list[str], Query()],
    x_user: Annotated[str, Header()],
    role: Annotated[str, Depends(blocking_role_of)],
) -> PlainTextResponse:
    return PlainTextResponse(summary(limit, tag, x_user, role))


async def create_order(order: Order) -> PlainTextResponse:
    return PlainTextResponse(order.item)


async def read_item(item_id: int) -> PlainTextResponse:
    return PlainTextResponse(b"%d" % item_id)


def app(*routes: tuple[str, Callable[..., Any]], method: str = "GET") -> ASGIApp:
    fastapi = FastAPI(openapi_url=None)
    for path, endpoint in routes:
        fastapi.add_api_route(path, endpoint, methods=[method])
    return fastapi


APPS: dict[str, ASGIApp] = {
    "bare": app(("/ping", ping)),
    "request": app(("/whoami", whoami)),
    "parameters": app(("/search", search)),
    "dependency": app(("/search", search_as)),
    "dependency in a thread": app(("/search", search_blocking)),
    "body": app(("/orders", create_order), method="POST"),
    "fifty static": app(*((f"/ping/{number}", ping) for number in NUMBERS)),
    "fifty parameters": app(*((f"/items/{number}/{{item_id}}", read_item) for number in NUMBERS)),
}
