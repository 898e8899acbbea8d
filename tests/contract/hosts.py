"""The hosts that keep the promises of the contract suite.

A host says how one application is built of brokers and routes. To add one, write the function and
add it to `HOSTS`; every test in this folder then runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import fastapi
import httpx
from fastapi import APIRouter, FastAPI, Request
from faststream import FastStream
from litestar import Litestar, Response
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations import AsgiFastStream, broker_lifespan
from faststream_integrations.asgi import as_asgi
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client

Routes = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Host:
    """A way to serve brokers and routes.

    Attributes:
        name: How the host is called in the names of the tests.
        build: Makes the application: ``build(*brokers_or_app, asgi_routes=(...))``.
        prefix: Where the routes are found in the application.
        propagates: Whether a user's exception leaves the application, for the host's own handlers
            (or the server) to see; otherwise the application makes a 500 of it.
        invalid_json: The status for a body that is no JSON, where the host has one of its own.
        adopts: Whether upstream's handlers become ours, instead of being called as they are.
        watch: Options for `build` that let the host's own exception handlers see what they get,
            where exceptions do not leave the application.
    """

    name: str
    build: Callable[..., Any]
    prefix: str = ""
    propagates: bool = True
    invalid_json: int = 400
    adopts: bool = True
    watch: Callable[[Callable[[Exception], None]], dict[str, Any]] = lambda see: {}

    def client(
        self, *brokers_or_app: Any, asgi_routes: Routes = (), in_memory: bool = True, **options: Any
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Run an application and return a client for it; its exceptions become a 500."""
        app = self.build(*brokers_or_app, asgi_routes=asgi_routes, **options)
        return asgi_client(
            app,
            *(brokers_or_app if in_memory else ()),
            base_url=f"http://testserver{self.prefix}",
            raise_app_exceptions=False,
        )


def build_asgi(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> AsgiFastStream:
    """Serve without a framework."""
    if isinstance(brokers_or_app[0], FastStream):
        return as_asgi(brokers_or_app[0], asgi_routes, **options)
    return AsgiFastStream(*brokers_or_app, asgi_routes=asgi_routes, **options)


def build_mounted(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> Starlette:
    """Mount our application in another framework, which runs its lifespan."""
    limits = {"startup_timeout": options.pop("startup_timeout", 10.0)}
    app = build_asgi(*brokers_or_app, asgi_routes=asgi_routes, **options)
    return Starlette(lifespan=broker_lifespan(app, **limits), routes=[Mount("/mounted", app)])


def build_starlette(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> Starlette:
    """Use the handlers as they are, as routes of another framework."""
    return Starlette(
        lifespan=broker_lifespan(*brokers_or_app, **options),
        routes=[Route(path, app) for path, app in asgi_routes],
    )


def build_fastapi(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> FastAPI:
    """Include the router."""
    app = FastAPI()
    app.include_router(FastStreamRouter(*brokers_or_app, asgi_routes=asgi_routes, **options))
    return app


def build_fastapi_nested(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> FastAPI:
    """Include the router by way of another one, with prefixes and a dependency at every level."""

    async def dependency(request: Request) -> str:
        return request.url.path

    dependencies = [fastapi.Depends(dependency)]
    router = FastStreamRouter(
        *brokers_or_app,
        asgi_routes=asgi_routes,
        prefix="/c",
        dependencies=dependencies,
        **options,
    )
    outer = APIRouter(prefix="/b", dependencies=dependencies)
    outer.include_router(router)
    app = FastAPI(dependencies=dependencies)
    app.include_router(outer, prefix="/a", dependencies=dependencies)
    return app


def build_fastapi_lifespan(
    *brokers_or_app: Any, asgi_routes: Routes = (), **options: Any
) -> FastAPI:
    """Use the handlers as they are, without the router."""
    app = FastAPI(lifespan=broker_lifespan(*brokers_or_app, **options))
    for path, handler in asgi_routes:
        app.add_route(path, handler)
    return app


def build_litestar(
    *brokers_or_app: Any, see: Callable[[Exception], None] | None = None, **options: Any
) -> Litestar:
    """Use the plugin of Litestar, whose exception handlers see what leaves a handler."""

    def handle(request: Any, error: Exception) -> Response[None]:
        see(error)
        return Response(None, status_code=500)

    return Litestar(
        plugins=[FastStreamPlugin(*brokers_or_app, **options)],
        exception_handlers={500: handle} if see else {},
    )


HOSTS = (
    Host("asgi", build_asgi, propagates=False),
    Host("mounted", build_mounted, prefix="/mounted", propagates=False),
    Host("starlette", build_starlette, adopts=False),
    Host("fastapi", build_fastapi, invalid_json=422),
    Host("fastapi-nested", build_fastapi_nested, prefix="/a/b/c", invalid_json=422),
    Host("fastapi-lifespan", build_fastapi_lifespan, adopts=False),
    Host("litestar", build_litestar, watch=lambda see: {"see": see}),
)
