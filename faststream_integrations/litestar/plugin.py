"""The plugin: brokers, routes and the docs page in a Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import SetupError
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import ImproperlyConfiguredException
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import Guard
from typing_extensions import Self, Unpack

from faststream_integrations.environment import BrokerOrApp
from faststream_integrations.hosting import Adapter
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.lifespan import LimitOptions, Limits, run_brokers
from faststream_integrations.litestar.injection import check_injected
from faststream_integrations.litestar.requests import RefusedRequest, answer_refused
from faststream_integrations.litestar.routes import make_mount, make_routes
from faststream_integrations.litestar.subscribers import LitestarRules, as_provider
from faststream_integrations.subscribers import Host, adopt
from faststream_integrations.types import ASGIApp

if TYPE_CHECKING:
    from faststream.specification.base import SpecificationFactory

__all__ = ("FastStreamPlugin",)


class FastStreamPlugin(Adapter, InitPlugin, ReceiveRoutePlugin):
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
        dependencies: Dependencies of the application, which subscribers get by their names alone;
            those that the application has itself need ``NamedDependency``.
        limits: ``startup_timeout``, ``shutdown_timeout``, ``on_unavailable`` and
            ``shutdown_delay``, as for `broker_lifespan`: see `LimitOptions`.

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
        dependencies: Mapping[str, Provide | Callable[..., Any]] | None = None,
        **limits: Unpack[LimitOptions],
    ) -> None:
        self._dependencies = {
            name: as_provider(each) for name, each in (dependencies or {}).items()
        }
        self._limits = Limits.of("FastStreamPlugin", limits)
        self.guards = guards
        self.opt = opt or {}
        self.dependency_key = dependency_key
        self._routes: list[tuple[str, ASGIApp]] = []
        self._adapt(brokers_or_app, specification)
        if self._dependencies:
            adopt(self.brokers, rules=[LitestarRules(self._dependencies)])
        self._add_routes(asgi_routes, asyncapi_path)

    def _serve_handler(self, path: str, handler: HttpHandler, methods: Collection[str]) -> None:
        self._serve_app(path, handler)

    def _serve_app(self, path: str, app: ASGIApp) -> None:
        if self._is_running:
            msg = (
                f"The route {path!r} comes too late: the routes of a Litestar application are "
                "those that its plugins have when it is made. Add it before, and let the handler "
                "find by `Context` what the hook or the lifespan makes."
            )
            raise SetupError(msg)
        self._routes.append((path, app))

    @classmethod
    def of(cls, app: Litestar, dependency_key: str = "broker") -> Self:
        """Find a plugin of an application that has several.

        Args:
            app: The application.
            dependency_key: The one that the plugin was given.

        Raises:
            KeyError: No plugin has it.
        """
        plugins = {each.dependency_key: each for each in app.plugins if isinstance(each, cls)}
        if dependency_key not in plugins:
            msg = f"No plugin has the dependency_key {dependency_key!r}, only {sorted(plugins)}."
            raise KeyError(msg)
        return plugins[dependency_key]

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add brokers, routes and the dependency to an application."""
        stack = AsyncExitStack()

        @asynccontextmanager
        async def stop_first(_: Litestar) -> AsyncIterator[None]:
            async with stack:
                yield

        async def start_last(app: Litestar) -> None:
            stack.enter_context(self._run_of_routes())
            self.environment.lifespan_state = app.state
            host = Host(self.environment, app)
            await stack.enter_async_context(
                run_brokers(self._brokers_or_app, self._limits, host=host)
            )
            self._describe_brokers()
            self._check_handlers()
            self._fill(app.state)

        # An exception handler for all exceptions is also one for these.
        if Exception not in app_config.exception_handlers:
            app_config.exception_handlers.setdefault(RefusedRequest, answer_refused)
        for name, provider in self._dependencies.items():
            app_config.dependencies.setdefault(name, provider)
        self._provide_broker(app_config.dependencies)
        if (openapi := app_config.openapi_config) is not None:
            self._describe_application(
                title=openapi.title,
                version=openapi.version,
                description=openapi.description,
                terms_of_service=openapi.terms_of_service,
                contact=openapi.contact and openapi.contact.to_schema(),
                license=openapi.license and openapi.license.to_schema(),
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

    def _provide_broker(self, dependencies: dict[str, Any]) -> None:
        key = self.dependency_key
        known = getattr(dependencies.get(key), "dependency", None)
        if isinstance(known, BrokerProvider) and known() is not self.brokers[0]:
            msg = (
                f"Two plugins give {known()!r} and {self.brokers[0]!r} the name {key!r}. Write "
                'FastStreamPlugin(..., dependency_key="another_name").'
            )
            raise ImproperlyConfiguredException(msg)
        dependencies.setdefault(key, Provide(BrokerProvider(self), sync_to_thread=False))

    def _fill(self, state: State) -> None:
        """Let the state of an application carry what it has not got."""
        for key, value in self.environment.state.items():
            if not state.get(key):  # a `FastStream` application may get its broker at startup
                state[key] = value

    def receive_route(self, route: BaseRoute) -> None:
        """Refuse a route whose function asks for what only `inject` can give."""
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                check_injected(handler)
        elif isinstance(route, (WebSocketRoute, ASGIRoute)):
            check_injected(route.route_handler)


class BrokerProvider:
    """Gives Litestar's handlers the first broker of a plugin."""

    __slots__ = ("_plugin",)

    def __init__(self, plugin: FastStreamPlugin) -> None:
        self._plugin = plugin

    def __call__(self) -> Any:
        return self._plugin.brokers[0]
