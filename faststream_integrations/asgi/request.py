"""The request, under the names of ``faststream.asgi.request``."""

from faststream_integrations.http.errors import ClientDisconnect as ClientDisconnectError
from faststream_integrations.http.request import AsgiRequest, Headers, Request

__all__ = ("AsgiRequest", "ClientDisconnectError", "Headers", "Request")
