"""Handlers, under the names of ``faststream.asgi.handlers``."""

from faststream_integrations.asgi.elsewhere import telling
from faststream_integrations.http.handlers import (
    HttpHandler,
    ResponseDoc,
    delete,
    get,
    patch,
    post,
    put,
)

__all__ = ("HttpHandler", "ResponseDoc", "delete", "get", "patch", "post", "put")

__getattr__ = telling(__name__, {"GetHandler": "get", "PostHandler": "post"})
