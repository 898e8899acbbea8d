"""Requests that cannot be served: what went wrong, and the response that says it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from faststream_integrations.http.response import JSONResponse
from faststream_integrations.types import Scope

__all__ = (
    "ClientDisconnect",
    "InvalidRequest",
    "RequestError",
    "error_response",
    "is_known_to_host",
    "request_error_of",
)


class RequestError(Exception):
    """A request that the client has to change.

    Args:
        status_code: A 4xx status (RFC 9110, section 15.5).
        detail: What the client is told: a text, or a list of errors.
        headers: Of the response, such as the ``WWW-Authenticate`` that a 401 has to have (RFC
            9110, section 15.5.2).
    """

    def __init__(
        self, status_code: int, detail: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the response that tells the client."""
        return error_response(self.status_code, self.detail, self.headers)


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


def error_response(
    status_code: int, detail: Any, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the one form in which errors are told: ``{"detail": ...}``."""
    return JSONResponse({"detail": detail}, status_code, headers)


# The exceptions of frameworks, by their modules, and what a request has where the framework is the
# host. They are not imported: without its module, nobody can have raised one.
_FRAMEWORKS = {
    "starlette.exceptions": "starlette.exception_handlers",
    "litestar.exceptions": "litestar_app",
}


def _is_of(error: Exception, module: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, loaded.HTTPException)


def request_error_of(error: Exception) -> RequestError | None:
    """Return what an `HTTPException` of Starlette, FastAPI or Litestar means, in terms of ours.

    Args:
        error: Any exception.

    Returns:
        The error with the same status, detail and headers; `None` for any other exception.
    """
    if isinstance(error, RequestError):
        return error
    known: Any = error
    if any(_is_of(error, module) for module in _FRAMEWORKS):
        return RequestError(known.status_code, known.detail, known.headers)
    return None


def is_known_to_host(error: Exception, scope: Scope) -> bool:
    """Tell whether an exception is of the framework that a request came through.

    Its own exception handlers then answer, those of users among them.
    """
    return any(_is_of(error, module) and key in scope for module, key in _FRAMEWORKS.items())
