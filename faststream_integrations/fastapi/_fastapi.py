"""What is private in FastAPI, or differs between its versions; everything else is public API.

FastAPI 0.137 made routers live: until then `include_router` copied each route together with the
dependencies of the `include_router` call, since then it refers to the router, and such a route
knows those dependencies only while its request handler is built.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import fastapi.routing
from fastapi import APIRouter, params
from fastapi.routing import APIRoute

__all__ = ("LIVE_ROUTERS", "EffectiveRoute", "effective_route", "functions_of")

LIVE_ROUTERS = hasattr(APIRouter, "handle")
"""Whether a request passes through the routers that are included, FastAPI 0.137 and later."""

# Seen in 0.137.0 - 0.165.0. Where it is gone, FastAPI solves the signatures of our routes itself,
# which is slower and otherwise the same.
_route_context = getattr(fastapi.routing, "_effective_route_context_var", None)


class EffectiveRoute(NamedTuple):
    """A route as it is where its router is included."""

    path: str
    dependencies: list[params.Depends]
    dependency_overrides_provider: Any


def effective_route(route: APIRoute) -> EffectiveRoute | None:
    """Describe a route while its request handler is built, `None` where FastAPI does not tell."""
    effective: Any = route
    if LIVE_ROUTERS:
        if _route_context is None:
            return None
        context = _route_context.get()
        if context is not None and context.original_route is route:
            effective = context
    return EffectiveRoute(
        effective.path, effective.dependencies, effective.dependency_overrides_provider
    )


def functions_of(routes: Iterable[Any]) -> Iterator[Any]:
    """Go through the endpoints of an application, of its routers and of what it mounts.

    The dependencies that a route lists without a parameter are among them.
    """
    for route in routes:
        if hasattr(route, "endpoint"):
            yield route.endpoint
        yield from (depends.dependency for depends in getattr(route, "dependencies", ()))
        # `fastapi.routing._IncludedRouter` (0.137.0 - 0.165.0) has its routes in this attribute.
        router = getattr(route, "original_router", route)
        yield from functions_of(getattr(router, "routes", None) or ())
