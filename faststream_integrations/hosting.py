"""What every host does with brokers, routes and the document, whatever its own routes look like."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import SetupError
from faststream.specification import AsyncAPI

from faststream_integrations._faststream import (
    Application,
    UpstreamHttpHandler,
    is_subscriber,
)
from faststream_integrations.environment import (
    AnyBroker,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.paths import (
    ANY_METHOD,
    PathTable,
    check_path_parameters,
    path_parameters,
    template_of,
)
from faststream_integrations.http.protocol import takes_three_arguments
from faststream_integrations.subscribers import adopt
from faststream_integrations.types import ASGIApp

if TYPE_CHECKING:
    from fast_depends import Provider
    from faststream.specification.base import SpecificationFactory

__all__ = ("Adapter", "Hosting")


_MISSING = {
    "broker": "Write .brokers[0], or the broker that it was given.",
    "subscriber": "Subscribers are the broker's: write @broker.subscriber(...).",
    "publisher": "Publishers are the broker's: write @broker.publisher(...).",
    **dict.fromkeys(
        ("on_startup", "after_startup", "on_shutdown", "after_shutdown", "on_broker_shutdown"),
        "Hooks are those of FastStream(broker, ...), which takes the broker's place here.",
    ),
}


class Hosting:
    """The part of an application, a router or a plugin that is the same in every host.

    A host says in `_serve_handler` and `_serve_app` what a route is there.

    Attributes:
        environment: What the handlers find around them.
        specification: The AsyncAPI document.
    """

    environment: Environment
    specification: SpecificationFactory
    _undo: ExitStack | None = None

    def _host(
        self,
        brokers_or_app: Sequence[BrokerOrApp],
        environment: Environment,
        specification: SpecificationFactory | None,
    ) -> None:
        """Take what the constructor of a host was given, before there are routes."""
        self._brokers_or_app = brokers_or_app
        self.environment = environment
        self.specification = specification or _specification_of(brokers_or_app)
        self._paths = PathTable()
        self._describe_brokers()
        adopt(brokers_of(*brokers_or_app))

    @abstractmethod
    def _serve_handler(self, path: str, handler: HttpHandler, methods: Collection[str]) -> None:
        """Add a route for a handler.

        Args:
            path: A path that is well formed.
            handler: The handler; the host compiles it, so that a mistake shows here.
            methods: All methods that are answered at the path, those included that come later.
        """

    @abstractmethod
    def _serve_app(self, path: str, app: ASGIApp) -> None:
        """Add a route for an ASGI application that is no handler."""

    @property
    def provider(self) -> Provider:
        """The provider of dependencies, whose overrides count in the handlers."""
        return self.environment.provider

    def add_asgi_route(self, path: str, app: ASGIApp) -> None:
        """Serve a FastStream handler, or any other ASGI application, at `path`.

        Args:
            path: Possibly with parameters: ``/orders/{order_id}``, ``/files/{name:path}``.
            app: A handler (`get`, `post`, ...; ours and upstream's), a probe, or an ASGI
                application.

        Raises:
            SetupError: The route cannot be served; the message says why.
        """
        if is_subscriber(app):
            msg = (
                f"The route {path!r}: {app!r} handles messages. Let the handler of requests be a "
                "function of its own, with @get or @post of faststream_integrations alone above it."
            )
            raise SetupError(msg)
        if isinstance(app, UpstreamHttpHandler):
            handler = HttpHandler.adopt(app)
            parameters = self._parameters_of(path, handler)
            methods = self._take(path, parameters, handler.methods, handler)
            self._serve_handler(path, handler, methods)
            if self._is_documented:
                self._describe_handler(template_of(path), handler)
        elif takes_three_arguments(app):
            parameters = self._parameters_of(path, None)
            self._take(path, parameters, [ANY_METHOD], app)
            self._serve_app(path, app)
        else:
            msg = (
                f"The route {path!r}: {app!r} is neither a handler nor an ASGI application. Put "
                "@get or @post of faststream_integrations above a function."
            )
            raise SetupError(msg)

    def _add_routes(
        self,
        asgi_routes: Iterable[tuple[str, ASGIApp]],
        asyncapi_path: str | UpstreamAsyncAPIRoute | None,
    ) -> None:
        """Serve what the constructor of a host was given, and the AsyncAPI page."""
        route: Any
        for route in asgi_routes:
            if not isinstance(route, Sequence) or isinstance(route, str) or len(route) != 2:
                msg = (
                    "asgi_routes takes pairs of a path and a handler, "
                    f'asgi_routes=[("/health", handler)]; got {route!r}.'
                )
                raise SetupError(msg)
            self.add_asgi_route(*route)
        if asyncapi_path:
            from faststream_integrations.asyncapi import AsyncAPIRoute  # loaded with the page only

            page = AsyncAPIRoute.ensure_route(asyncapi_path)
            for path, handler in page.handlers(self.specification):
                self.add_asgi_route(path, handler)

    def _parameters_of(self, path: str, handler: HttpHandler | None) -> list[str]:
        """Check a path, for a handler or an ASGI application, and return its parameters."""
        parameters = path_parameters(path)
        if handler is not None:
            check_path_parameters(path, handler, parameters)
        elif parameters:
            msg = f"The path {path!r}: a mounted application takes no path parameters."
            raise SetupError(msg)
        return parameters

    def _take(
        self, path: str, parameters: list[str], methods: Sequence[str], route: ASGIApp
    ) -> Collection[str]:
        taken = self._paths.take(path, parameters, methods, route)
        self._at_end_of_run(self._paths.give_back, path, methods)
        return taken

    if not TYPE_CHECKING:  # a type checker knows what is missing

        def __getattr__(self, name: str) -> Any:
            """Say what to write for an attribute that users look for here."""
            msg = f"{type(self).__name__!r} object has no attribute {name!r}."
            raise AttributeError(f"{msg} {_MISSING[name]}" if name in _MISSING else msg)

    # The document

    @property
    def _is_documented(self) -> bool:
        """Whether handlers are in the AsyncAPI document."""
        return True

    def _describe_brokers(self) -> None:
        for broker in brokers_of(*self._brokers_or_app):
            self.specification.add_broker(broker)

    def _describe_handler(self, path: str, handler: HttpHandler) -> None:
        self.specification.add_http_route(path, handler)
        described: list[Any] = getattr(self.specification, "http_handlers", [])
        if described and described[-1][1] is handler:
            self._at_end_of_run(described.remove, described[-1])

    # Running

    def _check_handlers(self) -> None:
        """Refuse to start with handlers that could never run, now that the brokers are known.

        Raises:
            SetupError: A handler asks for a broker of a class that the application has not.
        """
        for route in self._paths.routes():
            if isinstance(route, HttpHandler):
                route.check(self.environment)

    @contextmanager
    def _run_of_routes(self) -> Iterator[None]:
        """Take back, when the application has stopped, the routes that it adds while it runs.

        A hook or a lifespan adds them again at the next start.
        """
        if self._undo is not None:  # in an outer run
            yield
            return
        with ExitStack() as undo:
            self._undo = undo
            try:
                yield
            finally:
                self._undo = None

    @property
    def _is_running(self) -> bool:
        return self._undo is not None

    def _at_end_of_run(self, undo: Callable[..., Any], *args: Any) -> None:
        if self._undo is not None:
            self._undo.callback(undo, *args)


def _specification_of(brokers_or_app: Iterable[BrokerOrApp]) -> SpecificationFactory:
    """Return the specification of a `FastStream` application, else a new one."""
    for target in brokers_or_app:
        if isinstance(target, Application):
            return target.schema
    return AsyncAPI()


class Adapter(Hosting):
    """The part of a router or a plugin that is the same in the application of any framework."""

    def _adapt(
        self, brokers_or_app: Sequence[BrokerOrApp], specification: SpecificationFactory | None
    ) -> None:
        check_brokers(type(self).__name__, brokers_or_app)
        self._host(brokers_or_app, Environment.of(*brokers_or_app), specification)

    def _describe_application(self, **described: Any) -> None:
        """Let the document say of the application what its own OpenAPI document says.

        What the specification was given stays.
        """
        unsaid = AsyncAPI()
        for name, value in described.items():
            if value and getattr(self.specification, name, None) == getattr(unsaid, name):
                setattr(self.specification, name, value)

    @property
    def brokers(self) -> Sequence[AnyBroker]:
        """The brokers, those included that a `FastStream` application got later."""
        return brokers_of(*self._brokers_or_app)
