"""What goes in and out of a route of FastAPI: a body that is read twice, foreign responses."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from faststream.asgi import AsgiResponse as UpstreamResponse

from faststream_integrations.http.response import AsgiResponse
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("ForeignResponse", "Replay", "RequestHandler", "receive_of", "replaying", "response_of")

RequestHandler = Callable[[Request], Coroutine[Any, Any, Response]]


def replaying(handler: RequestHandler, route: Any = None) -> RequestHandler:
    """Let FastAPI read the body for a dependency, and the endpoint read it again.

    Args:
        handler: What FastAPI calls.
        route: What `scope["route"]` shall be, where FastAPI has put another one there.
    """

    async def handle(request: Request) -> Response:
        if route is not None:
            request.scope["route"] = route
        if not isinstance(request.receive, Replay):
            request = Request(request.scope, Replay(request.receive))
        return await handler(request)

    return handle


class Replay:
    """An ASGI receive callable whose messages can be received again.

    Args:
        receive: The original.
        max_body_size: How many bytes of body may be received; `None` for no limit.
    """

    def __init__(self, receive: Receive, max_body_size: int | None = None) -> None:
        self._receive = receive
        self._max_body_size = max_body_size
        self._size = 0
        self._messages: list[Message] = []

    async def __call__(self) -> Message:
        message = await self._receive()
        if self._max_body_size is not None:
            self._size += len(message.get("body", b""))
            if self._size > self._max_body_size:
                raise HTTPException(413, f"The body is larger than {self._max_body_size} bytes")
        self._messages.append(message)
        return message

    def again(self) -> Receive:
        """Return a receive callable that begins with what was received before."""
        messages = iter(self._messages)

        async def receive() -> Message:
            return next(messages, None) or await self()

        return receive


def receive_of(request: Request) -> Receive:
    """Return the receive callable of a request that FastAPI may have read.

    A class of requests of the user's may change the body, and reads it therefore.
    """
    if type(request) is not Request:
        return reading(request)
    receive = request.receive
    return receive.again() if isinstance(receive, Replay) else receive


def reading(request: Request) -> Receive:
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            return await request.receive()
        body, is_read = await request.body(), True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def response_of(app: ASGIApp, receive: Receive) -> Response:
    """Make a response of Starlette's of what a handler returns."""
    if isinstance(app, Response):
        return app
    if isinstance(app, (AsgiResponse, UpstreamResponse)):
        response = Response(app.body, app.status_code)
        response.raw_headers = list(app.raw_headers)
        return response
    return ForeignResponse(app, receive)


class ForeignResponse(Response):
    """An ASGI application where FastAPI asks for a response.

    The headers that a route class or a dependency sets are added to those of the application.

    Args:
        app: The application.
        receive: Gives it the request's body, which FastAPI may have read.
    """

    def __init__(self, app: ASGIApp, receive: Receive) -> None:
        super().__init__()
        self.raw_headers = []
        self._app = app
        self._receive = receive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in self.raw_headers} - {b"set-cookie"}
                kept = [pair for pair in message.get("headers", ()) if pair[0] not in names]
                message = {**message, "headers": [*kept, *self.raw_headers]}
            await send(message)

        await self._app(scope, self._receive, send_with_headers if self.raw_headers else send)
        if self.background is not None:  # of a dependency's
            await self.background()
