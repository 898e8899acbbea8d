"""FastStream inside ASGI applications; importing this loads no web framework."""

from typing import TYPE_CHECKING, Any

from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Cookie,
    Header,
    JSONResponse,
    Path,
    Query,
    Request,
    RequestError,
    delete,
    get,
    patch,
    post,
    put,
)

if TYPE_CHECKING:
    from faststream_integrations.asgi import (
        AsgiFastStream,
        AsyncAPIRoute,
        FastStream,
        make_asyncapi_asgi,
        make_liveness_asgi,
        make_ping_asgi,
        make_readiness_asgi,
    )
    from faststream_integrations.lifespan import broker_lifespan
else:

    def __getattr__(name: str) -> Any:
        """Load what is only for some with the first name that is taken of it."""
        if name == "broker_lifespan":
            from faststream_integrations.lifespan import broker_lifespan

            return broker_lifespan
        if name in __all__:  # late in `asgi`, too
            from faststream_integrations import asgi

            return getattr(asgi, name)
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
    "JSONResponse",
    "Path",
    "Query",
    "Request",
    "RequestError",
    "broker_lifespan",
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
