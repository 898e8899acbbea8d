"""FastStream inside ASGI applications; importing this loads no web framework."""

from faststream_integrations.asgi import (
    AsgiFastStream,
    AsyncAPIRoute,
    get,
    make_asyncapi_asgi,
    make_liveness_asgi,
    make_ping_asgi,
    make_readiness_asgi,
    post,
)
from faststream_integrations.lifespan import broker_lifespan

__all__ = (
    "AsgiFastStream",
    "AsyncAPIRoute",
    "broker_lifespan",
    "get",
    "make_asyncapi_asgi",
    "make_liveness_asgi",
    "make_ping_asgi",
    "make_readiness_asgi",
    "post",
)
