"""The service on ASGI alone, as one would write it by hand to be fast."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

from anyio.to_thread import run_sync
from pydantic import ValidationError

from benchmarks.peers.service import NUMBERS, Order, find_role, summary
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("APPS",)

MAX_BODY_SIZE = 1024 * 1024

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(
    send: Send, body: bytes, status: int = 200, content_type: bytes = b"text/plain; charset=utf-8"
) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", content_type)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, detail: Any) -> None:
    await respond(send, json.dumps({"detail": detail}).encode(), status, b"application/json")


class InvalidError(Exception):
    """What has to become a 422."""


def app(routes: dict[str, Handler], method: str = "GET") -> ASGIApp:
    """Route by the whole path."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        handler = routes.get(scope["path"])
        if handler is None:
            await refuse(send, 404, "Not Found")
        elif scope["method"] != method:
            await refuse(send, 405, "Method Not Allowed")
        else:
            try:
                await handler(scope, receive, send)
            except InvalidError as error:
                await refuse(send, 422, str(error))

    return route


async def ping(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"pong")


async def whoami(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, scope["method"].encode())


def read_search(scope: Scope) -> tuple[int, list[str], str]:
    user = None
    for name, value in scope["headers"]:
        if name == b"x-user":
            user = value.decode("latin-1")
    limit = None
    tags = []
    query = scope["query_string"].decode()
    encoded = "%" in query or "+" in query
    for part in query.split("&"):
        key, _, text = part.partition("=")
        if encoded:
            key, text = unquote_plus(key), unquote_plus(text)
        if key == "limit":
            limit = text
        elif key == "tag":
            tags.append(text)
    if limit is None or user is None or not tags:
        raise InvalidError("limit, tag and x-user are required")
    try:
        return int(limit), tags, user
    except ValueError as error:
        raise InvalidError(str(error)) from None


async def search(scope: Scope, receive: Receive, send: Send) -> None:
    limit, tags, user = read_search(scope)
    await respond(send, summary(limit, tags, user))


async def role_of(user: str) -> str:
    return find_role(user)


async def search_as(scope: Scope, receive: Receive, send: Send) -> None:
    limit, tags, user = read_search(scope)
    await respond(send, summary(limit, tags, user, await role_of(user)))


async def search_in_thread(scope: Scope, receive: Receive, send: Send) -> None:
    limit, tags, user = read_search(scope)
    await respond(send, summary(limit, tags, user, await run_sync(find_role, user)))


async def search_inline(scope: Scope, receive: Receive, send: Send) -> None:
    limit, tags, user = read_search(scope)
    await respond(send, summary(limit, tags, user, find_role(user)))


async def create_order(scope: Scope, receive: Receive, send: Send) -> None:
    for name, value in scope["headers"]:
        if name == b"content-type" and value.partition(b";")[0] != b"application/json":
            await refuse(send, 415, "The body has to be JSON")
            return
    body = b""
    more_body = True
    while more_body:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if len(body) > MAX_BODY_SIZE:
            await refuse(send, 413, "The body is too large")
            return
        more_body = message.get("more_body", False)
    try:
        order = Order.model_validate_json(body)
    except ValidationError as error:
        raise InvalidError(error.json()) from None
    await respond(send, order.item.encode())


def items(prefixes: set[str]) -> ASGIApp:
    async def read_item(scope: Scope, receive: Receive, send: Send) -> None:
        prefix, _, item_id = scope["path"].rpartition("/")
        if prefix not in prefixes:
            await refuse(send, 404, "Not Found")
        elif scope["method"] != "GET":
            await refuse(send, 405, "Method Not Allowed")
        else:
            try:
                number = int(item_id)
            except ValueError as error:
                await refuse(send, 422, str(error))
            else:
                await respond(send, b"%d" % number)

    return read_item


APPS: dict[str, ASGIApp] = {
    "bare": app({"/ping": ping}),
    "request": app({"/whoami": whoami}),
    "parameters": app({"/search": search}),
    "dependency": app({"/search": search_as}),
    "dependency in a thread": app({"/search": search_in_thread}),
    "dependency inline": app({"/search": search_inline}),
    "body": app({"/orders": create_order}, method="POST"),
    "fifty static": app({f"/ping/{number}": ping for number in NUMBERS}),
    "fifty parameters": items({f"/items/{number}" for number in NUMBERS}),
}
