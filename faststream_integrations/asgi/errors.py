"""Requests that cannot be served: what went wrong, and the response that says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faststream_integrations.asgi.response import JSONResponse

__all__ = (
    "ClientDisconnect",
    "ContextValueError",
    "InvalidRequest",
    "RequestError",
    "error_response",
)


class RequestError(Exception):
    """A request that the client has to change.

    Args:
        status_code: A 4xx status (RFC 9110, section 15.5).
        detail: What the client is told: a text, or a list of errors.
    """

    def __init__(self, status_code: int, detail: Any) -> None:
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail

    def response(self) -> JSONResponse:
        """Return the response that tells the client."""
        return error_response(self.status_code, self.detail)


class InvalidRequest(RequestError):  # noqa: N818 - what it is, not what went wrong here
    """Parameters or a body that do not validate: 422 with all errors at once.

    Args:
        errors: What pydantic says of each, with `loc` starting at the part of the request.
        status_code: 422, or 400 for a body that is not JSON at all.
    """

    def __init__(self, errors: Sequence[dict[str, Any]], status_code: int = 422) -> None:
        super().__init__(status_code, errors)
        self.errors = errors


class ClientDisconnect(Exception):  # noqa: N818 - the name that Starlette gives it
    """The client went away before its request was read; nobody is left to answer."""


class ContextValueError(LookupError):
    """A handler asks for a context value that does not exist: the server's fault, a 500."""


def error_response(
    status_code: int, detail: Any, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the one form in which errors are told: ``{"detail": ...}``."""
    return JSONResponse({"detail": detail}, status_code, headers)
