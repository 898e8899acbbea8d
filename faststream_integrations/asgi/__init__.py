"""Plain ASGI, without a framework: a drop-in for ``faststream.asgi``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from faststream_integrations.http.errors import RequestError
from faststream_integrations.http.handlers import HttpHandler, delete, get, patch, post, put
from faststream_integrations.http.params import Body, Cookie, Header, Path, Query
from faststream_integrations.http.request import Request
from faststream_integrations.http.response import AsgiResponse, JSONResponse

if TYPE_CHECKING:
    from faststream_integrations.asgi.app import AsgiFastStream, FastStream, as_asgi
    from faststream_integrations.asyncapi import AsyncAPIRoute, make_asyncapi_asgi
    from faststream_integrations.health import (
        make_liveness_asgi,
        make_ping_asgi,
        make_readiness_asgi,
    )
else:
    # A module of handlers needs neither the application nor the page nor the probes. Each of them
    # is loaded with the first name that is taken of it.
    _LATE = {
        **dict.fromkeys(("AsgiFastStream", "FastStream", "as_asgi"), "asgi.app"),
        **dict.fromkeys(("AsyncAPIRoute", "make_asyncapi_asgi"), "asyncapi"),
        **dict.fromkeys(("make_liveness_asgi", "make_ping_asgi", "make_readiness_asgi"), "health"),
    }

    def __getattr__(name: str) -> Any:
        if name in _LATE:
            return getattr(import_module(f"faststream_integrations.{_LATE[name]}"), name)
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)


__all__ = (
    "AsgiFastStream",
    "AsgiResponse",
    "AsyncAPIRoute",
    "Body",
    "Cookie",
    "FastStream",
    "Header",
    "HttpHandler",
    "JSONResponse",
    "Path",
    "Query",
    "Request",
    "RequestError",
    "as_asgi",
    "delete",
    "get",
    "make_asyncapi_asgi",
    "make_liveness_asgi",
    "make_ping_asgi",
    "make_readiness_asgi",
    "patch",
    "post",
    "put",
)
