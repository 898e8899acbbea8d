"""Responses, under the names of ``faststream.asgi.response``."""

from faststream_integrations.http.response import AsgiResponse, JSONResponse

__all__ = ("AsgiResponse", "JSONResponse")
