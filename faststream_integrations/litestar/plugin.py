"""The plugin: brokers, routes and the docs page in a Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import Guard

from faststream_integrations._faststream import UpstreamHttpHandler
from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asgi.routing import check_path_parameters
from faststream_integrations.asyncapi import AsyncAPIRoute
from faststream_integrations.asyncapi.document import specification_of
from faststream_integrations.environment import (
    AnyBroker,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)
from faststream_integrations.lifespan import Limits, OnUnavailable, run_with_limits
from faststream_integrations.litestar.injection import check_injected
from faststream_integrations.litestar.requests import RefusedRequest, answer_refused
from faststream_integrations.litestar.routes import make_mount, make_routes
from faststream_integrations.types import ASGIApp

if TYPE_CHECKING:
    from faststream.specification.base import SpecificationFactory

__all__ = ("FastStreamPlugin",)


class FastStreamPlugin(InitPlugin, ReceiveRoutePlugin):
    """FastStream in a Litestar application::

        app = Litestar([...], plugins=[FastStreamPlugin(broker, asgi_routes=[...])])

    The brokers start after everything else of the application, list the plugin last for that, and
    stop before everything else. ``app.plugins.get(FastStreamPlugin)`` gives the plugin; the
    brokers are in ``app.state.broker`` and ``app.state.brokers``, too.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application, whose lifespan and
            hooks then run too.
        asgi_routes: Pairs of a path and an ASGI application. Handlers (`get`, `post`, ...; ours
            and upstream's), probes among them, become native routes at the exact path, which may
            have parameters (``/orders/{order_id}``); their parameters that FastStream does not own
            are filled by Litestar's dependency injection. Anything else is mounted at its prefix.
        asyncapi_path: Where the AsyncAPI page is served; nowhere by default.
        specification: The AsyncAPI document; by default that of the `FastStream` application, or
            one of the brokers.
        guards: For all routes of the plugin.
        opt: For all routes of the plugin, such as ``{"exclude_from_auth": True}``.
        dependency_key: The name under which Litestar's handlers get the first broker; a dependency
            of the application with that name stays what it is.
        startup_timeout: How many seconds the start of the brokers may take in all.
        shutdown_timeout: How many seconds their stop may take; at the deadline by force.
        on_unavailable: What a broker does that cannot be reached: ``"fail"`` the startup, or
            ``"retry"`` in the background while the application serves HTTP.
        shutdown_delay: How many seconds SIGTERM is kept from the server while readiness is 503
            already. These four are explained at `broker_lifespan`.

    Raises:
        TypeError: No broker was given, or something that is none.
        SetupError: A route that cannot be served; the message says why.
    """

    def __init__(
        self,
        *brokers_or_app: BrokerOrApp,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        specification: SpecificationFactory | None = None,
        guards: Sequence[Guard] = (),
        opt: Mapping[str, Any] | None = None,
        dependency_key: str = "broker",
        startup_timeout: float = 10.0,
        shutdown_timeout: float = 15.0,
        on_unavailable: OnUnavailable = "fail",
        shutdown_delay: float = 0.0,
    ) -> None:
        check_brokers("FastStreamPlugin", brokers_or_app)
        self.environment = Environment.of(*brokers_or_app)
        self.specification = specification or specification_of(brokers_or_app)
        self.guards = guards
        self.opt = opt or {}
        self.dependency_key = dependency_key
        self._limits = Limits(startup_timeout, shutdown_timeout, on_unavailable, shutdown_delay)
        self._brokers_or_app = brokers_or_app
        self._routes: list[tuple[str, ASGIApp]] = []
        self._describe_brokers()
        for path, app in asgi_routes:
            self.add_asgi_route(path, app)
        if asyncapi_path:
            docs = AsyncAPIRoute.ensure_route(asyncapi_path)
            for path, handler in docs.handlers(self.specification):
                self.add_asgi_route(path, handler)

    @property
    def brokers(self) -> Sequence[AnyBroker]:
        """The brokers, those included that a `FastStream` application got later."""
        return brokers_of(*self._brokers_or_app)

    def add_asgi_route(self, path: str, app: ASGIApp) -> None:
        """Serve a FastStream handler, or any other ASGI application, in applications made later.

        Raises:
            SetupError: The route cannot be served; the message says why.
        """
        if isinstance(app, UpstreamHttpHandler):
            handler = HttpHandler.adopt(app)
            check_path_parameters(path, handler)
            self.specification.add_http_route(path, handler)
            app = handler
        self._routes.append((path, app))

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add brokers, routes and the dependency to an application."""
        stack = AsyncExitStack()

        @asynccontextmanager
        async def stop_first(_: Litestar) -> AsyncIterator[None]:
            async with stack:
                yield

        async def start_last(app: Litestar) -> None:
            await stack.enter_async_context(run_with_limits(self._brokers_or_app, self._limits, {}))
            self._describe_brokers()
            self._fill(app.state)

        def provide_broker() -> Any:
            return self.brokers[0]

        # An exception handler for all exceptions is also one for these.
        if Exception not in app_config.exception_handlers:
            app_config.exception_handlers.setdefault(RefusedRequest, answer_refused)
        app_config.dependencies.setdefault(
            self.dependency_key, Provide(provide_broker, sync_to_thread=False)
        )
        options: dict[str, Any] = {"guards": self.guards, "opt": self.opt}
        for path, app in self._routes:
            if isinstance(app, HttpHandler):
                app_config.route_handlers += make_routes(
                    path,
                    app,
                    self.environment,
                    dependencies=app_config.dependencies,
                    **options,
                )
            else:
                app_config.route_handlers += make_mount(path, app, **options)
        self._fill(app_config.state)
        # Litestar enters the lifespans, then calls the hooks: the brokers start when the resources
        # of the application are there, and stop before these close.
        app_config.lifespan.append(stop_first)
        app_config.on_startup.append(start_last)
        return app_config

    def _describe_brokers(self) -> None:
        for broker in self.brokers:
            self.specification.add_broker(broker)

    def _fill(self, state: State) -> None:
        """Let the state of an application carry what it has not got."""
        for key, value in self.environment.state.items():
            if not state.get(key):  # a `FastStream` application may get its broker at startup
                state[key] = value
        for broker in self.brokers:
            # `ImmutableState` copies the whole state for each request.
            vars(broker)["__deepcopy__"] = lambda memo, broker=broker: broker

    def receive_route(self, route: BaseRoute) -> None:
        """Refuse a route whose function asks for what only `inject` can give."""
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                check_injected(handler)
        elif isinstance(route, (WebSocketRoute, ASGIRoute)):
            check_injected(route.route_handler)
