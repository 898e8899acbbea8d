"""The service with Litestar."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import (
    FromPath,
    FromQuery,
    HeaderParameter,
    JSONBody,
    QueryParameter,
)

from benchmarks.peers.service import NUMBERS, Order, find_role, summary

__all__ = ("APPS",)

Tags = Annotated[list[str], QueryParameter(name="tag")]
User = Annotated[str, HeaderParameter(name="x-user")]


@get("/ping", media_type=MediaType.TEXT)
async def ping() -> bytes:
    return b"pong"


@get("/whoami", media_type=MediaType.TEXT)
async def whoami(request: Request[Any, Any, Any]) -> str:
    return request.method


@get("/search", media_type=MediaType.TEXT)
async def search(limit: FromQuery[int], tags: Tags, user: User) -> bytes:
    return summary(limit, tags, user)


async def role_of(user: User) -> str:
    return find_role(user)


@get("/search", media_type=MediaType.TEXT, dependencies={"role": Provide(role_of)})
async def search_as(
    limit: FromQuery[int], tags: Tags, user: User, role: NamedDependency[str]
) -> bytes:
    return summary(limit, tags, user, role)


def blocking_role_of(user: User) -> str:
    return find_role(user)


in_thread = Provide(blocking_role_of, sync_to_thread=True)
inline = Provide(blocking_role_of, sync_to_thread=False)


@get("/search", media_type=MediaType.TEXT, dependencies={"role": in_thread})
async def search_in_thread(
    limit: FromQuery[int], tags: Tags, user: User, role: NamedDependency[str]
) -> bytes:
    return summary(limit, tags, user, role)


@get("/search", media_type=MediaType.TEXT, dependencies={"role": inline})
async def search_inline(
    limit: FromQuery[int], tags: Tags, user: User, role: NamedDependency[str]
) -> bytes:
    return summary(limit, tags, user, role)


@post("/orders", media_type=MediaType.TEXT, status_code=200)
async def create_order(data: JSONBody[Order]) -> str:
    return data.item


@get([f"/ping/{number}" for number in NUMBERS], media_type=MediaType.TEXT)
async def ping_fifty() -> bytes:
    return b"pong"


@get([f"/items/{number}/{{item_id:int}}" for number in NUMBERS], media_type=MediaType.TEXT)
async def read_item(item_id: FromPath[int]) -> bytes:
    return b"%d" % item_id


APPS: dict[str, Any] = {
    case: Litestar([handler], logging_config=None)
    for case, handler in {
        "bare": ping,
        "request": whoami,
        "parameters": search,
        "dependency": search_as,
        "dependency in a thread": search_in_thread,
        "dependency inline": search_inline,
        "body": create_order,
        "fifty static": ping_fifty,
        "fifty parameters": read_item,
    }.items()
}
