"""Probes and the AsyncAPI page, under the names of ``faststream.asgi.factories``."""

from faststream_integrations.asgi.elsewhere import telling
from faststream_integrations.asyncapi import AsyncAPIRoute, make_asyncapi_asgi
from faststream_integrations.health import make_ping_asgi

__all__ = ("AsyncAPIRoute", "make_asyncapi_asgi", "make_ping_asgi")

_TRY_IT_OUT = "TryItOut of faststream_integrations.asyncapi.try_it_out"

__getattr__ = telling(
    __name__, {"TryItOutProcessor": _TRY_IT_OUT, "make_try_it_out_handler": _TRY_IT_OUT}
)
