"""The options of `FastStreamRouter`: those of FastAPI's `APIRouter`, and the limits of brokers."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from fastapi import params
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute

from faststream_integrations.lifespan import LimitOptions
from faststream_integrations.types import ASGIApp

__all__ = ("RouterOptions", "split_options")


class RouterOptions(LimitOptions, total=False):
    """What `fastapi.APIRouter` takes, and the limits of `broker_lifespan`.

    Attributes:
        prefix: Before every path of the router; it begins with ``/`` and does not end with it.
        tags: For all its routes, in OpenAPI.
        dependencies: Solved before all its routes, probes and the AsyncAPI page among them.
        default_response_class: What FastAPI's path operations make of a result.
        responses: More responses of all its routes, in OpenAPI.
        callbacks: OpenAPI callbacks of all its routes.
        routes: Routes of Starlette's to begin with.
        redirect_slashes: Whether a path operation is found without its slash at the end.
        default: What answers where there is no route, if the router is an application itself.
        dependency_overrides_provider: FastAPI's own, the application.
        route_class: The class of all its routes, handlers and probes among them.
        on_startup: Functions at the start, before the brokers; FastAPI prefers `lifespan`.
        on_shutdown: Functions at the end, after the brokers.
        deprecated: Mark all its routes in OpenAPI.
        include_in_schema: Whether its routes are in OpenAPI and AsyncAPI.
        generate_unique_id_function: Names the operations.
        strict_content_type: Whether a JSON body needs its content type; FastAPI 0.132 and later.
        max_body_size: How many bytes a body may have; FastAPI 0.160 and later.
        form_limits: Limits of forms; FastAPI 0.160 and later.
    """

    prefix: str
    tags: list[str | Enum] | None
    dependencies: Sequence[params.Depends] | None
    default_response_class: type[Response]
    responses: dict[int | str, dict[str, Any]] | None
    callbacks: list[BaseRoute] | None
    routes: list[BaseRoute] | None
    redirect_slashes: bool
    default: ASGIApp | None
    dependency_overrides_provider: Any
    route_class: type[APIRoute]
    on_startup: Sequence[Callable[[], Any]] | None
    on_shutdown: Sequence[Callable[[], Any]] | None
    deprecated: bool | None
    include_in_schema: bool
    generate_unique_id_function: Callable[[APIRoute], str]
    strict_content_type: bool
    max_body_size: int | None
    form_limits: Any


def split_options(options: Mapping[str, Any]) -> tuple[LimitOptions, dict[str, Any]]:
    """Separate the limits from what `fastapi.APIRouter` takes."""
    limits: Any = {
        name: value for name, value in options.items() if name in LimitOptions.__annotations__
    }
    return limits, {name: value for name, value in options.items() if name not in limits}
