"""Errors of requests, under the names of ``faststream.asgi.errors``."""

from faststream_integrations.http.errors import ClientDisconnect, RequestError

__all__ = ("ClientDisconnect", "RequestError")
