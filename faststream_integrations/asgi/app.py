"""`AsgiFastStream`: a FastStream application that is an ASGI application, without a framework."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import StartupValidationError
from typing_extensions import Self

from faststream_integrations._faststream import (
    EMPTY,
    Application,
    UpstreamHttpHandler,
    default_logger,
    run_options,
    share_hooks,
)
from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asgi.routing import Router, check_path_parameters
from faststream_integrations.asyncapi import AsyncAPIRoute
from faststream_integrations.environment import STATE_KEY, AnyBroker, Environment
from faststream_integrations.lifespan import Limits, OnUnavailable, run_with_limits
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from fast_depends import Provider
    from fast_depends.library.serializer import SerializerProto
    from faststream.context import ContextRepo
    from faststream.specification.base import SpecificationFactory
    from faststream.types import AnyCallable, Lifespan, LoggerProto, SettingField

__all__ = ("AsgiFastStream", "as_asgi")


class AsgiFastStream(UpstreamAsgiFastStream):
    """A FastStream application that any ASGI server runs.

    ``startup.complete`` is sent when the brokers consume, not before, and a broker that cannot be
    reached fails the startup.

    Args:
        brokers: The brokers.
        asgi_routes: Pairs of a path and an ASGI application. Handlers (`get`, `post`, ...; ours
            and upstream's) answer at the exact path, which may have parameters
            (``/orders/{order_id}``); anything else is mounted at its prefix.
        logger: For the application and its handlers; `None` for no logging.
        provider: fast_depends' provider of dependencies.
        serializer: What validates parameters; pydantic by default, `None` for no validation.
        context: FastStream's context.
        lifespan: A lifespan around everything else.
        on_startup: Hooks before the brokers start.
        after_startup: Hooks after the brokers have started.
        on_shutdown: Hooks before the brokers stop.
        after_shutdown: Hooks after the brokers have stopped.
        specification: The AsyncAPI document.
        asyncapi_path: Where the AsyncAPI page is served; nowhere by default.
        startup_timeout: How many seconds the start of the brokers may take in all.
        shutdown_timeout: How many seconds their stop may take; at the deadline by force.
        on_unavailable: What a broker does that cannot be reached: ``"fail"`` the startup, or
            ``"retry"`` in the background while the application serves HTTP.
        shutdown_delay: How many seconds SIGTERM is kept from the server while readiness is 503
            already. These four are explained at `broker_lifespan`.

    Raises:
        SetupError: A route that cannot be served; the message says why.
        ValueError: `on_unavailable` is something else.
    """

    def __init__(
        self,
        *brokers: AnyBroker,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        logger: LoggerProto | None = default_logger,
        provider: Provider | None = None,
        serializer: SerializerProto | None = EMPTY,
        context: ContextRepo | None = None,
        lifespan: Lifespan | None = None,
        on_startup: Sequence[AnyCallable] = (),
        after_startup: Sequence[AnyCallable] = (),
        on_shutdown: Sequence[AnyCallable] = (),
        after_shutdown: Sequence[AnyCallable] = (),
        specification: SpecificationFactory | None = None,
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        startup_timeout: float = 10.0,
        shutdown_timeout: float = 15.0,
        on_unavailable: OnUnavailable = "fail",
        shutdown_delay: float = 0.0,
    ) -> None:
        super().__init__(
            *brokers,
            logger=logger,
            provider=provider,
            serializer=serializer,
            context=context,
            lifespan=lifespan,
            on_startup=on_startup,
            after_startup=after_startup,
            on_shutdown=on_shutdown,
            after_shutdown=after_shutdown,
            specification=specification,
        )
        self._limits = Limits(startup_timeout, shutdown_timeout, on_unavailable, shutdown_delay)
        self._router = Router()
        self._environment = self._make_environment()
        for path, route in asgi_routes:
            self.mount(path, route)
        if asyncapi_path:
            self._mount_asyncapi(asyncapi_path)

    @classmethod
    def from_app(
        cls,
        app: Application,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        *,
        startup_timeout: float = 10.0,
        shutdown_timeout: float = 15.0,
        on_unavailable: OnUnavailable = "fail",
        shutdown_delay: float = 0.0,
    ) -> Self:
        """Make an ASGI application of a `FastStream` one, with everything that it has.

        Specification, context, provider, serializer, logger, lifespan, hooks and brokers are
        shared, so what is added to `app` later is there too. In the context, ``app`` is the new
        application.
        """
        asgi_app = cls(
            logger=app.logger,
            provider=app.config.provider,
            serializer=app.config.serializer,
            context=app.context,
            specification=app.schema,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
            on_unavailable=on_unavailable,
            shutdown_delay=shutdown_delay,
        )
        # The brokers know the configuration of `app`; adding them again would nest it.
        asgi_app.brokers = app.brokers
        asgi_app._environment = asgi_app._make_environment()
        share_hooks(app, asgi_app)
        for path, route in asgi_routes:
            asgi_app.mount(path, route)
        if asyncapi_path:
            asgi_app._mount_asyncapi(asyncapi_path)
        return asgi_app

    def _make_environment(self) -> Environment:
        return Environment.from_config(
            self.config, brokers=self.brokers, logger=self.logger, handles_errors=True
        )

    def mount(self, path: str, route: ASGIApp) -> None:
        """Serve a handler at `path`, or an ASGI application at and below it.

        Raises:
            SetupError: The route cannot be served; the message says why.
        """
        if isinstance(route, UpstreamHttpHandler):
            handler = HttpHandler.adopt(route)
            check_path_parameters(path, handler)
            endpoint = handler.bind(self._environment)
            # Python calls a bound method faster than an object that has `__call__`.
            self._router.add(path, handler.methods, endpoint.__call__)
            self.schema.add_http_route(path, handler)
        else:
            self._router.mount(path, route)
        self.routes.append((path, route))

    def _mount_asyncapi(self, path: str | UpstreamAsyncAPIRoute) -> None:
        """Serve the AsyncAPI page with all that belongs to it."""
        for each, handler in AsyncAPIRoute.ensure_route(path).handlers(self.schema):
            self.mount(each, handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI connection of any type."""
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        else:
            app, scope = self._router.find(scope)
            await app(scope, receive, send)

    async def run(
        self,
        log_level: int = logging.INFO,
        run_extra_options: dict[str, SettingField] | None = None,
    ) -> None:
        """Serve the application with uvicorn until a signal ends it, as ``faststream run`` does.

        Args:
            log_level: The level of uvicorn's own logger.
            run_extra_options: Options of `uvicorn.Config` (``host``, ``port``, ...), and those of
                the lifespan and of the ``on_startup`` hooks.

        Raises:
            SystemExit: Status 0, after SIGTERM and a clean shutdown. uvicorn raises the signal
                again that ended it, and by default that would kill the process.
        """
        with ExitStack() as stack:
            if threading.current_thread() is threading.main_thread():  # which has the signals
                previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                stack.callback(signal.signal, signal.SIGTERM, previous)
            await super().run(log_level, run_extra_options)

    @asynccontextmanager
    async def start_lifespan_context(
        self, run_extra_options: Mapping[str, SettingField] | None = None
    ) -> AsyncIterator[None]:
        """Run the application for the length of a block: lifespan, hooks and brokers."""
        options = run_extra_options or run_options(self)
        async with run_with_limits((self,), self._limits, options):
            yield

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the events of the ASGI lifespan protocol.

        Source: ASGI specification, "Lifespan Protocol".
        """
        await receive()
        self._tell("FastStream app starting...")
        event = "startup"
        try:
            async with self.start_lifespan_context():
                self._tell("FastStream app started successfully!")
                if "state" in scope:
                    scope["state"].update(
                        {"broker": self.broker, "brokers": tuple(self.brokers)},
                        **{STATE_KEY: self._environment},
                    )
                await send({"type": "lifespan.startup.complete"})
                event = "shutdown"
                await receive()
                self._tell("FastStream app shutting down...")
        except BaseException as error:
            message = traceback.format_exc()
            if isinstance(error, StartupValidationError):
                message = str(error)
            await send({"type": f"lifespan.{event}.failed", "message": message})
            raise
        self._tell("FastStream app shut down gracefully.")
        await send({"type": "lifespan.shutdown.complete"})

    def _tell(self, message: str) -> None:
        if self.logger is not None:
            self.logger.log(logging.INFO, message)


def as_asgi(
    app: Application,
    asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
    asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
) -> AsgiFastStream:
    """Make an ASGI application of a `FastStream` one; see `AsgiFastStream.from_app`."""
    return AsgiFastStream.from_app(app, asgi_routes, asyncapi_path)
