"""Markers of parameters, under the names of ``faststream.asgi.params``."""

from faststream_integrations.http.params import Body, Cookie, Header, Path, Query

__all__ = ("Body", "Cookie", "Header", "Path", "Query")
