"""Plain ASGI, without a framework: a drop-in for ``faststream.asgi``."""

from faststream_integrations.asgi.app import AsgiFastStream, as_asgi
from faststream_integrations.asgi.errors import RequestError
from faststream_integrations.asgi.handlers import HttpHandler, delete, get, patch, post, put
from faststream_integrations.asgi.params import Body, Cookie, Header, Path, Query
from faststream_integrations.asgi.request import Request
from faststream_integrations.asgi.response import AsgiResponse, JSONResponse
from faststream_integrations.asyncapi import AsyncAPIRoute, make_asyncapi_asgi
from faststream_integrations.health import (
    make_liveness_asgi,
    make_ping_asgi,
    make_readiness_asgi,
)

__all__ = (
    "AsgiFastStream",
    "AsgiResponse",
    "AsyncAPIRoute",
    "Body",
    "Cookie",
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
