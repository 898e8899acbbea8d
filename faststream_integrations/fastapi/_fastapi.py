"""What is private in FastAPI, or differs between its versions; everything else is public API.

FastAPI 0.137 made routers live: until then `include_router` copied each route together with the
dependencies of the `include_router` call, since then it refers to the router, and such a route
knows those dependencies only while its request handler is built.
"""

import asyncio
import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import fastapi.routing
from fastapi import APIRouter, params
from fastapi.routing import APIRoute

__all__ = (
    "LIVE_ROUTERS",
    "EffectiveRoute",
    "effective_route",
    "endpoints_of",
    "forget_route",
    "mark_asynchronous",
)

LIVE_ROUTERS = hasattr(APIRouter, "handle")
"""Whether a request passes through the routers that are included, FastAPI 0.137 and later."""

# Seen in 0.137.0 - 0.165.0. Where it is gone, FastAPI solves the signatures of our routes itself,
# which is slower and otherwise the same.
_route_context = getattr(fastapi.routing, "_effective_route_context_var", None)


def mark_asynchronous(endpoint: Any) -> None:
    """Let FastAPI know that calling an object gives a coroutine.

    Before 0.136 it asks the object itself, and not its `__call__`.
    """
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(endpoint)
    else:
        endpoint._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


class EffectiveRoute(NamedTuple):
    """A route as it is where its router is included."""

    route: Any
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
        effective,
        effective.path,
        effective.dependencies,
        effective.dependency_overrides_provider,
    )


def endpoints_of(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Go through the endpoints of an application, of its routers and of what it mounts.

    The dependencies that a route lists without a parameter are among them.

    Yields:
        The whole path, and the function.
    """
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if hasattr(route, "endpoint"):
            yield path, route.endpoint
        for depends in getattr(route, "dependencies", ()):
            yield path, depends.dependency
        # `fastapi.routing._IncludedRouter` (0.137.0 - 0.165.0) has its routes in this attribute.
        router = getattr(route, "original_router", None)
        if router is not None:
            path = prefix + getattr(getattr(route, "include_context", None), "prefix", "")
        yield from endpoints_of(getattr(router or route, "routes", None) or (), path)


def forget_route(router: APIRouter, route: Any) -> None:
    """Take a route off a router."""
    router.routes.remove(route)
    # 0.137.0 - 0.165.0. Where it is gone, the route may go on to answer until another one comes.
    getattr(router, "_mark_routes_changed", lambda: None)()
