"""The hosts that keep the promises of the contract suite.

A host says how one application is built of brokers and routes. To add one, write the function and
add it to `HOSTS`; every test in this folder then runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
from faststream import FastStream
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations import AsgiFastStream, broker_lifespan
from faststream_integrations.asgi import as_asgi
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
    """

    name: str
    build: Callable[..., Any]
    prefix: str = ""
    propagates: bool = True

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
    app = build_asgi(*brokers_or_app, asgi_routes=asgi_routes, **options)
    return Starlette(lifespan=broker_lifespan(app), routes=[Mount("/mounted", app)])


def build_starlette(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> Starlette:
    """Use the handlers as they are, as routes of another framework."""
    return Starlette(
        lifespan=broker_lifespan(*brokers_or_app, **options),
        routes=[Route(path, app) for path, app in asgi_routes],
    )


HOSTS = (
    Host("asgi", build_asgi, propagates=False),
    Host("mounted", build_mounted, prefix="/mounted", propagates=False),
    Host("starlette", build_starlette),
)
