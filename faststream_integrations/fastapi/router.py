"""`FastStreamRouter`: brokers, handlers and the AsyncAPI page in a FastAPI application."""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Response, params
from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import SetupError
from faststream.specification.base import SpecificationFactory

from faststream_integrations._faststream import UpstreamHttpHandler, is_idle
from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asyncapi import AsyncAPIRoute
from faststream_integrations.asyncapi.document import specification_of
from faststream_integrations.environment import (
    STATE_KEY,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)
from faststream_integrations.fastapi._fastapi import LIVE_ROUTERS, functions_of
from faststream_integrations.fastapi.markers import refuse_foreign_markers
from faststream_integrations.fastapi.openapi import signature_of, tags_of
from faststream_integrations.fastapi.route import (
    AppEndpoint,
    HandlerEndpoint,
    NativeEndpoint,
    NativeRoute,
    PinnedEnvironment,
)
from faststream_integrations.lifespan import OnUnavailable, broker_lifespan, describe
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("FastStreamRouter",)


class FastStreamRouter(APIRouter):
    """A FastAPI router that runs brokers and serves FastStream's handlers.

    ``app.include_router(FastStreamRouter(broker))`` starts the brokers with the application, after
    its own lifespan has opened what it opens, and stops them before that is closed. Routers may
    share a broker, and one router may be included several times. ``request.state`` has ``broker``
    and ``brokers``.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application, whose lifespan and
            hooks then run too.
        asgi_routes: Pairs of a path and an ASGI application, as for `add_asgi_route`.
        asyncapi_path: Where the AsyncAPI page is served; nowhere by default.
        specification: The AsyncAPI document; by default the one of the FastStream application, or
            a new one.
        startup_timeout: How many seconds the start of the brokers may take in all.
        shutdown_timeout: How many seconds their stop may take; at the deadline by force.
        on_unavailable: What a broker does that cannot be reached: ``"fail"`` the startup, or
            ``"retry"`` in the background while the application serves HTTP.
        shutdown_delay: How many seconds SIGTERM is kept from the server while readiness is 503
            already. These four are explained at `broker_lifespan`.
        lifespan: A lifespan of the router's own, around its brokers.
        options: What `fastapi.APIRouter` takes: ``prefix``, ``tags``, ``dependencies`` and so on.

    Attributes:
        specification: The AsyncAPI document.

    Raises:
        TypeError: No broker was given, or something that is none.
        SetupError: A route that cannot be served; the message says why.
    """

    specification: SpecificationFactory

    def __init__(
        self,
        *brokers_or_app: BrokerOrApp,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        specification: SpecificationFactory | None = None,
        startup_timeout: float = 10.0,
        shutdown_timeout: float = 15.0,
        on_unavailable: OnUnavailable = "fail",
        shutdown_delay: float = 0.0,
        lifespan: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        check_brokers("FastStreamRouter", brokers_or_app)
        if not LIVE_ROUTERS:
            pinned = params.Depends(PinnedEnvironment(self._enter))
            options["dependencies"] = [pinned, *(options.get("dependencies") or ())]
        super().__init__(lifespan=self._run, **options)
        self._brokers_or_app = brokers_or_app
        self._environment = Environment.of(*brokers_or_app)
        if inspect.isasyncgenfunction(lifespan):  # FastAPI takes that, too
            lifespan = asynccontextmanager(lifespan)
        self._lifespan = broker_lifespan(
            *brokers_or_app,
            lifespan=lifespan,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
            on_unavailable=on_unavailable,
            shutdown_delay=shutdown_delay,
        )
        self._is_running = 0
        self._has_complained = False
        self._allowed: dict[str, list[str]] = {}
        self.specification = specification or specification_of(brokers_or_app)
        self._describe_brokers()
        for path, route in asgi_routes:
            self.add_asgi_route(path, route)
        if asyncapi_path:
            docs = AsyncAPIRoute.ensure_route(asyncapi_path)
            for path, handler in docs.handlers(self.specification):
                self._add_handler(path, handler)

    # Routes

    def add_asgi_route(self, path: str, app: ASGIApp) -> None:
        """Serve a FastStream handler, or any other ASGI application, at exactly `path`.

        It is a route like any other: the dependencies of the router and of `include_router`, the
        application's middleware and its exception handlers apply. A handler answers its methods;
        an application answers every one and sees the path as its root.

        Args:
            path: As for a path operation, possibly with parameters (``/orders/{order_id}``).
            app: A handler (`get`, `post`, ...; ours and upstream's), a probe, or an ASGI
                application.

        Raises:
            SetupError: The route cannot be served; the message says why.
        """
        if isinstance(app, UpstreamHttpHandler):
            self._add_handler(path, HttpHandler.adopt(app))
        else:
            self._add_app(path, app)

    def _add_handler(self, path: str, handler: HttpHandler) -> None:
        handler.bind(self._environment)  # so that a mistake shows here
        function = inspect.unwrap(handler.func)
        name = getattr(function, "__name__", None) or type(function).__name__
        endpoint = HandlerEndpoint(
            name,
            signature_of(handler, self.prefix + path),
            self._allow(path, handler.methods),
            handler,
            self._enter,
        )
        responses: dict[int | str, dict[str, Any]] = {
            status: {**response} for status, response in handler.responses.items()
        }
        if any(field.source == "body" for field in handler.call.fields()):
            responses.setdefault(413, {"description": "The body is too large"})
            responses.setdefault(415, {"description": "The body is not JSON"})
        succeeds = [status for status in handler.responses if 200 <= status < 300]
        documented = [method for method in handler.methods if method != "HEAD"]
        for method in documented or handler.methods:
            operation_id = handler.unique_id
            if operation_id and len(documented) > 1:
                operation_id = f"{operation_id}_{method.lower()}"
            self._add_native(
                path,
                endpoint,
                [method],
                include_in_schema=handler.include_in_schema,
                description=inspect.cleandoc(handler.description or ""),
                tags=tags_of(handler),
                operation_id=operation_id,
                status_code=min(succeeds, default=200),
                responses=responses,
            )
        if self.include_in_schema:
            self.specification.add_http_route(self.prefix + path, handler)

    def _add_app(self, path: str, app: ASGIApp) -> None:
        if not _takes_three_arguments(app):
            msg = (
                f"The route {path!r}: {app!r} is neither a handler nor an ASGI application. Put "
                "@get or @post of faststream_integrations.asgi above a function."
            )
            raise SetupError(msg)
        name = getattr(app, "__name__", None) or type(app).__name__
        signature = signature_of(None, self.prefix + path)
        self._add_native(path, AppEndpoint(name, signature, self._allow(path, ()), app), ["GET"])

    def _add_native(
        self, path: str, endpoint: NativeEndpoint, methods: list[str], **options: Any
    ) -> None:
        super().add_api_route(
            path,
            endpoint,
            methods=methods,
            response_class=Response,
            response_model=None,
            route_class_override=NativeRoute,
            **options,
        )

    def _allow(self, path: str, methods: Sequence[str]) -> list[str]:
        """Add the methods of a route to those that are allowed at its path."""
        allowed = self._allowed.setdefault(path, [])
        if taken := [method for method in methods if method in allowed]:
            msg = f"{', '.join(taken)} {self.prefix}{path} is answered by another route already."
            raise SetupError(msg)
        allowed += methods
        return allowed

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a path operation, as every decorator does.

        Raises:
            SetupError: One of FastStream's own markers is in its signature.
        """
        _refuse_markers(endpoint, options)
        super().add_api_route(path, endpoint, **options)

    def add_api_websocket_route(
        self, path: str, endpoint: Callable[..., Any], *args: Any, **options: Any
    ) -> None:
        """Add a websocket, as the decorator does.

        Raises:
            SetupError: One of FastStream's own markers is in its signature.
        """
        _refuse_markers(endpoint, options)
        super().add_api_websocket_route(path, endpoint, *args, **options)

    # Running

    @asynccontextmanager
    async def _run(self, app: Any) -> AsyncIterator[dict[str, Any]]:
        for function in functions_of(getattr(app, "routes", ())):
            if not isinstance(function, (NativeEndpoint, PinnedEnvironment)):
                refuse_foreign_markers(function)
        async with self._lifespan(app) as state:
            self._environment = state[STATE_KEY]
            self._describe_brokers()
            self._is_running += 1
            try:
                yield state
            finally:
                self._is_running -= 1

    def _describe_brokers(self) -> None:
        for broker in brokers_of(*self._brokers_or_app):
            self.specification.add_broker(broker)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that comes in by way of `include_router`."""
        self._enter(scope)
        await super().handle(scope, receive, send)

    def _enter(self, scope: Scope) -> Environment:
        """Put the environment of this router in the place of another one's, and return it."""
        environment = self._environment
        state = scope.setdefault("state", {})
        previous = state.get(STATE_KEY)
        if previous is not environment:
            state[STATE_KEY] = environment
            brokers = tuple(environment.brokers)
            ours = {"broker": brokers[0] if brokers else None, "brokers": brokers}
            for key, value in ours.items():
                # The application's own lifespan may give these names to something of its own.
                if key not in state or (
                    isinstance(previous, Environment) and state["broker"] is previous.find("broker")
                ):
                    state[key] = value
        if not self._is_running and not self._has_complained:
            self._complain()
        return environment

    def _complain(self) -> None:
        """Say once that nobody started the brokers."""
        self._has_complained = True
        idle = [broker for broker in self._environment.brokers if is_idle(broker)]
        if idle:
            logger = self._environment.logger or logging.getLogger(__name__)
            message = (
                f"A request came to a FastStreamRouter whose {describe(idle[0])} was not started. "
                "Include the router before the application starts. A mounted application and a "
                "TestClient outside of `with` run no lifespan: there, start the broker with "
                "`lifespan=broker_lifespan(broker)` of the outermost application."
            )
            logger.log(logging.ERROR, message)


def _refuse_markers(endpoint: Callable[..., Any], options: dict[str, Any]) -> None:
    for function in (endpoint, *(each.dependency for each in options.get("dependencies") or ())):
        refuse_foreign_markers(function)


def _takes_three_arguments(app: Any) -> bool:
    try:
        inspect.signature(app).bind({}, None, None)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True
