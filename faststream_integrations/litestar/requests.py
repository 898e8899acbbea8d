"""Requests as FastStream's code sees them, and its errors as Litestar sees them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from faststream_integrations.environment import ContextValueError, Environment
from faststream_integrations.http.errors import InvalidRequest, RequestError
from faststream_integrations.http.request import AsgiRequest

__all__ = (
    "HostRequest",
    "RefusedRequest",
    "answer_refused",
    "as_litestar_error",
    "log_missing_value",
)

AnyConnection = ASGIConnection[Any, Any, Any, Any]


class HostRequest(AsgiRequest):
    """A request over Litestar's, which reads the body: once for all, with Litestar's limit."""

    __slots__ = ("_connection", "_environment")

    def __init__(self, connection: AnyConnection, environment: Environment) -> None:
        super().__init__(
            connection.scope,  # type: ignore[arg-type]
            connection.receive,  # type: ignore[arg-type]
            connection.send,  # type: ignore[arg-type]
            max_body_size=None,
        )
        self._connection = connection
        self._environment = environment

    @property
    def path(self) -> str:
        """The path, percent-decoded, with the prefix that the application is mounted at."""
        # Litestar takes `root_path` off (ASGI has it in `path`).
        return f"{self.scope.get('root_path', '')}{self.scope['path']}"

    @property
    def state(self) -> Any:
        """The ASGI lifespan state, and Litestar's state of the request."""
        return {**self._environment.state, **self._connection.scope["state"]}

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Read the body in pieces as they arrive; an empty piece ends it.

        Raises:
            RequestError: 413, the body is larger than the route's `request_max_body_size`.
        """
        assert isinstance(self._connection, Request)
        try:
            async for chunk in self._connection.stream():
                yield chunk
        except RequestEntityTooLarge:
            raise self._too_large() from None

    async def _read_body(self) -> bytes:
        assert isinstance(self._connection, Request)
        try:
            return await self._connection.body()
        except RequestEntityTooLarge:
            raise self._too_large() from None

    def _too_large(self) -> RequestError:
        limit = self._connection.route_handler.resolve_request_max_body_size()
        return RequestError(413, f"The body is larger than {limit} bytes")


class RefusedRequest(Exception):  # noqa: N818 - the base of Litestar's exceptions below
    """What the client has to change.

    Each comes as one of Litestar's exceptions too, and this base stands behind those: an exception
    handler of the application for the status or for Litestar's class comes first, and where there
    is none the client gets the same JSON as from every host.
    """

    error: RequestError


class InvalidRequestException(ValidationException, RefusedRequest):
    """Parameters or a body that do not validate; `extra` has the errors."""


class RequestTooLargeException(RequestEntityTooLarge, RefusedRequest):
    """A body over the limit."""


class RefusedRequestException(ClientException, RefusedRequest):
    """A request that is refused for another reason, such as the content type of its body."""


def as_litestar_error(error: RequestError) -> HTTPException:
    """Make the exception that Litestar knows of an error of ours."""
    kind: type[InvalidRequestException | RequestTooLargeException | RefusedRequestException]
    if isinstance(error, InvalidRequest):
        kind, detail, extra = InvalidRequestException, "Validation failed", list(error.errors)
    elif error.status_code == RequestEntityTooLarge.status_code:
        kind, detail, extra = RequestTooLargeException, str(error.detail), None
    else:
        kind, detail, extra = RefusedRequestException, str(error.detail), None
    exception = kind(
        detail=detail,
        status_code=error.status_code,
        extra=extra,
        headers=dict(error.headers or {}),
    )
    exception.error = error
    return exception


def answer_refused(request: Request[Any, Any, Any], exception: RefusedRequest) -> Response[bytes]:
    """Answer with the JSON that every host gives."""
    response = exception.error.response()
    return Response(
        response.body,
        status_code=response.status_code,
        media_type="application/json",
        headers=dict(exception.error.headers or {}),
    )


def log_missing_value(environment: Environment, error: ContextValueError) -> None:
    """Say which context value does not exist, since Litestar says nothing of a 500."""
    if environment.logger is not None:
        environment.logger.log(logging.ERROR, str(error))
