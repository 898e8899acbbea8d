"""Answers that HTTP itself asks for: HEAD, 404, 405, and what is no HTTP request at all."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from faststream_integrations.http.errors import error_response
from faststream_integrations.http.response import AsgiResponse
from faststream_integrations.types import Message, Receive, Scope, Send

__all__ = (
    "NOT_FOUND",
    "SERVER_ERROR",
    "method_not_allowed",
    "options",
    "refuse",
    "takes_three_arguments",
    "with_head",
    "without_body",
)

SERVER_ERROR = error_response(500, "Internal Server Error")
NOT_FOUND = error_response(404, "Not Found")


def with_head(methods: Sequence[str]) -> tuple[str, ...]:
    """Add HEAD to methods that have GET (RFC 9110, section 9.3.2)."""
    methods = tuple(dict.fromkeys(method.upper() for method in methods))
    return (*methods, "HEAD") if "GET" in methods and "HEAD" not in methods else methods


def without_body(send: Send) -> Send:
    """Send only the head of a response, as HEAD wants it (RFC 9110, section 9.3.2)."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def method_not_allowed(methods: Sequence[str]) -> AsgiResponse:
    """Build the 405 with the methods that are allowed (RFC 9110, section 15.5.6)."""
    return error_response(405, "Method Not Allowed", {"allow": ", ".join(methods)})


def options(methods: Sequence[str]) -> AsgiResponse:
    """Build the answer to OPTIONS: the methods that are allowed (RFC 9110, section 9.3.7)."""
    return AsgiResponse(b"", 204, {"allow": ", ".join((*methods, "OPTIONS"))})


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not HTTP: close a websocket, acknowledge the events of a lifespan."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000, "reason": "This is an HTTP handler"})
        return
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def takes_three_arguments(app: Any) -> bool:
    """Tell whether something can be called as an ASGI application is."""
    if not callable(app):
        return False
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):  # written in C, or by whoever hides `__call__`
        return True
    try:
        signature.bind({}, None, None)
    except TypeError:
        return False
    return True
