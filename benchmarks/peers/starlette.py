"""The service with Starlette."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.peers.service import NUMBERS, Order, find_role, summary
from faststream_integrations.types import ASGIApp

__all__ = ("APPS",)


async def ping(request: Request) -> Response:
    return PlainTextResponse(b"pong")


async def whoami(request: Request) -> Response:
    return PlainTextResponse(request.method)


limits = TypeAdapter(int)


def read_search(request: Request) -> tuple[int, list[str], str]:
    query = request.query_params
    tags = query.getlist("tag")
    if not tags:
        raise KeyError("tag")
    return limits.validate_python(query["limit"]), tags, request.headers["x-user"]


def invalid(detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=422)


async def search(request: Request) -> Response:
    try:
        limit, tags, user = read_search(request)
    except (KeyError, ValueError) as error:
        return invalid(str(error))
    return PlainTextResponse(summary(limit, tags, user))


async def role_of(request: Request) -> str:
    return find_role(request.headers["x-user"])


async def search_as(request: Request) -> Response:
    try:
        limit, tags, user = read_search(request)
    except (KeyError, ValueError) as error:
        return invalid(str(error))
    return PlainTextResponse(summary(limit, tags, user, await role_of(request)))


def blocking_role_of(request: Request) -> str:
    return find_role(request.headers["x-user"])


async def search_in_thread(request: Request) -> Response:
    try:
        limit, tags, user = read_search(request)
    except (KeyError, ValueError) as error:
        return invalid(str(error))
    return PlainTextResponse(
        summary(limit, tags, user, await run_in_threadpool(blocking_role_of, request))
    )


async def search_inline(request: Request) -> Response:
    try:
        limit, tags, user = read_search(request)
    except (KeyError, ValueError) as error:
        return invalid(str(error))
    return PlainTextResponse(summary(limit, tags, user, blocking_role_of(request)))


async def create_order(request: Request) -> Response:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0] != "application/json":
        return JSONResponse({"detail": "The body has to be JSON"}, status_code=415)
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return invalid(error.json())
    return PlainTextResponse(order.item)


async def read_item(request: Request) -> Response:
    return PlainTextResponse(b"%d" % request.path_params["item_id"])


APPS: dict[str, ASGIApp] = {
    "bare": Starlette(routes=[Route("/ping", ping)]),
    "request": Starlette(routes=[Route("/whoami", whoami)]),
    "parameters": Starlette(routes=[Route("/search", search)]),
    "dependency": Starlette(routes=[Route("/search", search_as)]),
    "dependency in a thread": Starlette(routes=[Route("/search", search_in_thread)]),
    "dependency inline": Starlette(routes=[Route("/search", search_inline)]),
    "body": Starlette(routes=[Route("/orders", create_order, methods=["POST"])]),
    "fifty static": Starlette(routes=[Route(f"/ping/{number}", ping) for number in NUMBERS]),
    "fifty parameters": Starlette(
        routes=[Route(f"/items/{number}/{{item_id:int}}", read_item) for number in NUMBERS]
    ),
}
