"""`AsgiFastStream`: a FastStream application that is an ASGI application, without a framework."""

from __future__ import annotations

import inspect
import logging
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from faststream import FastStream as UpstreamFastStream
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import AsyncAPIRoute as UpstreamAsyncAPIRoute
from faststream.exceptions import StartupValidationError
from typing_extensions import Self, Unpack

from faststream_integrations._faststream import (
    EMPTY,
    Application,
    default_logger,
    run_options,
    share_hooks,
)
from faststream_integrations.asgi.middleware import Middleware, wrap
from faststream_integrations.asgi.routing import Router
from faststream_integrations.environment import STATE_KEY, AnyBroker, Environment
from faststream_integrations.hosting import Hosting
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.lifespan import LimitOptions, Limits, run_brokers
from faststream_integrations.subscribers import Host, adopt
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from fast_depends import Provider
    from fast_depends.library.serializer import SerializerProto
    from faststream.context import ContextRepo
    from faststream.specification.base import SpecificationFactory
    from faststream.types import AnyCallable, Lifespan, LoggerProto, SettingField

__all__ = ("AsgiFastStream", "FastStream", "as_asgi")


class AsgiFastStream(Hosting, UpstreamAsgiFastStream):
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
        asgi_middlewares: What stands around the routes, the first one outermost: callables from
            ASGI application to ASGI application (``partial(CORSMiddleware, allow_origins=[...])``)
            and `Middleware` objects of Starlette. Lifespan events pass them by.
        limits: ``startup_timeout``, ``shutdown_timeout``, ``on_unavailable`` and
            ``shutdown_delay``, as for `broker_lifespan`: see `LimitOptions`.

    Raises:
        SetupError: A route that cannot be served; the message says why.
        ValueError: A limit has a value that cannot be.
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
        asgi_middlewares: Sequence[Middleware] = (),
        **limits: Unpack[LimitOptions],
    ) -> None:
        if inspect.isasyncgenfunction(lifespan):  # the other hosts take that, too
            lifespan = asynccontextmanager(lifespan)
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
        self._limits = Limits.of("AsgiFastStream", limits)
        self._router = Router()
        self._stack: ASGIApp | None = None
        for middleware in reversed(asgi_middlewares):
            self.add_middleware(middleware)
        self._become_host()
        self._add_routes(asgi_routes, asyncapi_path)

    def _become_host(self) -> None:
        self.lifespan_context = self._taking_back_routes(self.lifespan_context)
        environment = Environment.from_config(
            self.config, brokers=self.brokers, logger=self.logger, handles_errors=True
        )
        self._host((self,), environment, self.schema)

    @classmethod
    def from_app(
        cls,
        app: Application,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        *,
        asgi_middlewares: Sequence[Middleware] = (),
        **limits: Unpack[LimitOptions],
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
            asgi_middlewares=asgi_middlewares,
            **limits,
        )
        # The brokers know the configuration of `app`; adding them again would nest it.
        asgi_app.brokers = app.brokers
        share_hooks(app, asgi_app)
        asgi_app._become_host()
        asgi_app._add_routes(asgi_routes, asyncapi_path)
        return asgi_app

    def add_broker(self, broker: AnyBroker) -> None:
        """Run a broker with the application."""
        adopt([broker])
        super().add_broker(broker)

    def mount(self, path: str, route: ASGIApp) -> None:
        """Serve a handler at `path`, or an ASGI application at and below it.

        Raises:
            SetupError: The route cannot be served; the message says why.
        """
        self.add_asgi_route(path, route)

    def _serve_handler(self, path: str, handler: HttpHandler, methods: Collection[str]) -> None:
        self._keep(path, handler)

    def _serve_app(self, path: str, app: ASGIApp) -> None:
        self._keep(path, app)

    def _keep(self, path: str, app: ASGIApp) -> None:
        self.routes.append((path, app))
        self._route(path, app)
        self._at_end_of_run(self._forget, path, app)

    def _route(self, path: str, app: ASGIApp) -> None:
        if isinstance(app, HttpHandler):
            # Python calls a bound method faster than an object that has `__call__`.
            self._router.add(path, app.methods, app.bind(self.environment).__call__)
        else:
            self._router.mount(path, app)

    def _forget(self, path: str, app: ASGIApp) -> None:
        self.routes.remove((path, app))
        self._router.clear()
        for each in self.routes:
            self._route(*each)

    def _taking_back_routes(
        self, lifespan: Callable[..., AbstractAsyncContextManager[Any]]
    ) -> Callable[..., AbstractAsyncContextManager[Any]]:
        """Make a lifespan whose routes, and those of the hooks within it, end with it."""

        @asynccontextmanager
        async def run(**options: Any) -> AsyncIterator[None]:
            with self._run_of_routes():
                async with lifespan(**options):
                    yield

        return run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI connection of any type."""
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif self._stack is not None:
            await self._stack(scope, receive, send)
        else:
            app, scope = self._router.find(scope)
            await app(scope, receive, send)

    def add_middleware(self, middleware: Middleware, *args: Any, **options: Any) -> None:
        """Put a middleware around the application and those that it has, as its outermost one.

        Args:
            middleware: As in `asgi_middlewares`, or a class of which `args` and `options` are the
                other arguments: ``app.add_middleware(CORSMiddleware, allow_origins=["*"])``.

        Raises:
            SetupError: It makes no ASGI application; the message says what it is.
        """
        self._stack = wrap(middleware, self._stack or self._router, *args, **options)

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
        host = Host(self.environment, self)
        async with run_brokers((self,), self._limits, options, host):
            self._check_handlers()
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
                        **{STATE_KEY: self.environment},
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


class FastStream(UpstreamFastStream):
    """FastStream's application, whose `as_asgi` makes an `AsgiFastStream` of this package."""

    @property
    def provider(self) -> Provider:
        """The provider of dependencies."""
        provider: Provider = self.config.provider
        return provider

    def as_asgi(
        self,
        asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
        asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
        *,
        asgi_middlewares: Sequence[Middleware] = (),
        **limits: Unpack[LimitOptions],
    ) -> AsgiFastStream:
        """Make an ASGI application of this one; see `AsgiFastStream.from_app`."""
        return AsgiFastStream.from_app(
            self, asgi_routes, asyncapi_path, asgi_middlewares=asgi_middlewares, **limits
        )


def as_asgi(
    app: Application,
    asgi_routes: Sequence[tuple[str, ASGIApp]] = (),
    asyncapi_path: str | UpstreamAsyncAPIRoute | None = None,
    *,
    asgi_middlewares: Sequence[Middleware] = (),
    **limits: Unpack[LimitOptions],
) -> AsgiFastStream:
    """Make an ASGI application of any `FastStream` one; see `AsgiFastStream.from_app`."""
    return AsgiFastStream.from_app(
        app, asgi_routes, asyncapi_path, asgi_middlewares=asgi_middlewares, **limits
    )
