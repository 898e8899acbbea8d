"""`FastStreamRouter`: brokers, handlers and the AsyncAPI page in a FastAPI application."""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Response, params
from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import SetupError
from faststream.specification.base import SpecificationFactory
from typing_extensions import Unpack

from faststream_integrations._faststream import is_idle
from faststream_integrations.environment import STATE_KEY, BrokerOrApp, Environment
from faststream_integrations.fastapi._fastapi import LIVE_ROUTERS, endpoints_of, forget_route
from faststream_integrations.fastapi.markers import refuse_foreign_markers
from faststream_integrations.fastapi.openapi import signature_of
from faststream_integrations.fastapi.options import RouterOptions, split_options
from faststream_integrations.fastapi.paths import converted_parameters
from faststream_integrations.fastapi.route import (
    AppEndpoint,
    HandlerEndpoint,
    NativeEndpoint,
    PinnedEnvironment,
    compose,
)
from faststream_integrations.fastapi.solving import FRAMEWORK, reads_body
from faststream_integrations.hosting import Adapter
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.paths import check_path_parameters
from faststream_integrations.lifespan import HostLifespan, broker_lifespan, describe
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("FastStreamRouter",)


class FastStreamRouter(Adapter, APIRouter):
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
        lifespan: A lifespan of the router's own, around its brokers.
        options: What `fastapi.APIRouter` takes (``prefix``, ``tags``, ``dependencies`` and so on),
            and ``startup_timeout``, ``shutdown_timeout``, ``on_unavailable`` and
            ``shutdown_delay``, as for `broker_lifespan`: see `RouterOptions`.

    Attributes:
        specification: The AsyncAPI document.

    Raises:
        TypeError: No broker was given, or something that is none; or there is no such option.
        ValueError: A limit has a value that cannot be.
        SetupError: A route that cannot be served; the message says why.
    """

    def __init__(
        self,
        *brokers_or_app: BrokerOrApp,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        specification: SpecificationFactory | None = None,
        lifespan: HostLifespan | None = None,
        **options: Unpack[RouterOptions],
    ) -> None:
        limits, router_options = split_options(options)
        if not LIVE_ROUTERS:
            pinned = params.Depends(PinnedEnvironment(self._enter))
            router_options["dependencies"] = [pinned, *(router_options.get("dependencies") or ())]
        super().__init__(lifespan=self._run, **router_options)
        self._adapt(brokers_or_app, specification)
        self._lifespan = broker_lifespan(*brokers_or_app, lifespan=lifespan, **limits)
        self._has_complained = False
        self._native_class = compose(self.route_class)
        self._add_routes(asgi_routes, asyncapi_path)

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
        if not path.startswith("/") and (path or not self.prefix):
            msg = f"The path {path!r} has to begin with '/'."
            raise SetupError(msg)
        super().add_asgi_route(self.prefix + path, app)

    def _parameters_of(self, path: str, handler: HttpHandler | None) -> list[str]:
        # A parameter that is missing may be in the prefix of `include_router`: see `_run`.
        return converted_parameters(path)

    @property
    def _is_documented(self) -> bool:
        return self.include_in_schema

    def _serve_handler(self, path: str, handler: HttpHandler, methods: Collection[str]) -> None:
        handler.bind(self.environment, FRAMEWORK)  # so that a mistake shows here
        fastapi_reads_body = reads_body(handler)
        function = inspect.unwrap(handler.func)
        name = getattr(function, "__name__", None) or type(function).__name__
        endpoint = HandlerEndpoint(
            name,
            signature_of(handler, path),
            methods,
            handler,
            self._enter,
        )
        responses: dict[int | str, dict[str, Any]] = {
            status: {**response} for status, response in handler.responses.items()
        }
        if handler.reads_body:
            responses.setdefault(413, {"description": "The body is too large"})
            responses.setdefault(415, {"description": "The body is not JSON"})
        elif fastapi_reads_body:
            responses.setdefault(413, {"description": "The body is too large"})
        succeeds = [status for status in handler.responses if 200 <= status < 300]
        documented = [method for method in handler.methods if method != "HEAD"]
        for method in documented or handler.methods:
            self._add_native(
                path,
                endpoint,
                [method],
                include_in_schema=handler.include_in_schema,
                description=inspect.cleandoc(handler.description or ""),
                tags=[*handler.tag_names],
                operation_id=handler.operation_id(method),
                status_code=min(succeeds, default=200),
                responses=responses,
            )

    def _serve_app(self, path: str, app: ASGIApp) -> None:
        name = getattr(app, "__name__", None) or type(app).__name__
        self._add_native(path, AppEndpoint(name, signature_of(None, path), (), app), ["GET"])

    def _add_native(
        self, path: str, endpoint: NativeEndpoint, methods: list[str], **options: Any
    ) -> None:
        super().add_api_route(
            path.removeprefix(self.prefix),
            endpoint,
            methods=methods,
            response_class=Response,
            response_model=None,
            route_class_override=self._native_class,
            **options,
        )
        self._at_end_of_run(forget_route, self, self.routes[-1])

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
        for path, function in endpoints_of(getattr(app, "routes", ())):
            endpoint = inspect.unwrap(function)
            if isinstance(endpoint, HandlerEndpoint):
                check_path_parameters(path, endpoint.handler, converted_parameters(path))
            elif not isinstance(endpoint, (NativeEndpoint, PinnedEnvironment)):
                refuse_foreign_markers(function)
        if isinstance(app, FastAPI):
            self._describe_application(
                title=app.title,
                version=app.version,
                description=app.description,
                terms_of_service=app.terms_of_service,
                contact=app.contact,
                license=app.license_info,
            )
        with self._run_of_routes():
            async with self._lifespan(app) as state:
                self.environment = state[STATE_KEY]
                self._describe_brokers()
                self._check_handlers()
                yield state

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that comes in by way of `include_router`."""
        self._enter(scope)
        await super().handle(scope, receive, send)

    def _enter(self, scope: Scope) -> Environment:
        """Put the environment of this router in the place of another one's, and return it."""
        environment = self.environment
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
        idle = [broker for broker in self.environment.brokers if is_idle(broker)]
        if idle:
            logger = self.environment.logger or logging.getLogger(__name__)
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
