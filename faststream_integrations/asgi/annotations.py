"""The annotation of a request, under the name of ``faststream.asgi.annotations``."""

from faststream_integrations.http.request import Request

__all__ = ("Request",)
