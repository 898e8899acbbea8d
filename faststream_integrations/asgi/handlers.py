"""HTTP handlers: `get`, `post`, `put`, `patch` and `delete`, and what they make of a function."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from weakref import WeakKeyDictionary

from typing_extensions import TypedDict

from faststream_integrations._faststream import (
    FastDependsConfig,
    UpstreamHttpHandler,
    original_function,
)
from faststream_integrations.asgi.errors import ClientDisconnect, RequestError, error_response
from faststream_integrations.asgi.plan import Plan
from faststream_integrations.asgi.request import DEFAULT_MAX_BODY_SIZE, AsgiRequest
from faststream_integrations.asgi.response import AsgiResponse
from faststream_integrations.asgi.signature import Call, read_call
from faststream_integrations.environment import Environment
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from faststream.specification.schema import Tag, TagDict
    from faststream.types import LoggerProto

__all__ = (
    "BoundCall",
    "Endpoint",
    "HttpHandler",
    "ResponseDoc",
    "Responses",
    "delete",
    "get",
    "patch",
    "post",
    "put",
)

Result = TypeVar("Result")
Tags = Sequence["Tag | TagDict | dict[str, Any]"]


class ResponseDoc(TypedDict, total=False):
    """What the host's OpenAPI document says of a response.

    Attributes:
        description: When it is given.
        model: The type of its JSON body.
    """

    description: str
    model: Any


Responses = Mapping[int, ResponseDoc]

SERVER_ERROR = error_response(500, "Internal Server Error")
NOT_FOUND = error_response(404, "Not Found")
_DETACHED = Environment.detached()


class HttpHandler(UpstreamHttpHandler):
    """A function that answers HTTP requests, as an ASGI application.

    It works as a route of `AsgiFastStream` (ours and upstream's), as a native route in the FastAPI
    and Litestar adapters, and mounted in any other framework under `broker_lifespan`.

    Args:
        func: The function, `async def` or `def`. Its first unmarked parameter gets the ASGI scope;
            all others say where they come from: `Query()`, `Header()`, `Path()`, `Cookie()`,
            `Body()`, `Context()`, `Depends(...)`. It returns an ASGI application, like
            `AsgiResponse`.
        include_in_schema: Whether the route is in the AsyncAPI (and the host's OpenAPI) document.
        description: For the documents; by default the docstring.
        methods: The HTTP methods. HEAD comes with GET (RFC 9110, section 9.3.2).
        tags: For the documents.
        unique_id: The operation id in the documents.
        responses: What it answers, for the host's OpenAPI document: `ResponseDoc` by status.
        sync_to_thread: Whether `def` functions (the handler's and its dependencies') run in a
            worker thread. Switch it off only where none of them blocks.
        request_max_body_size: How many bytes of body are read at most; `None` for no limit.

    Raises:
        SetupError: A parameter with several sources, or one that cannot be validated.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        *,
        include_in_schema: bool = True,
        description: str | None = None,
        methods: Sequence[str] | None = None,
        tags: Tags | None = None,
        unique_id: str | None = None,
        fd_config: FastDependsConfig | None = None,
        responses: Responses | None = None,
        sync_to_thread: bool = True,
        request_max_body_size: int | None = DEFAULT_MAX_BODY_SIZE,
    ) -> None:
        super().__init__(
            func,
            include_in_schema=include_in_schema,
            description=description,
            methods=with_head(methods or ()),
            tags=tags,
            unique_id=unique_id,
            fd_config=fd_config,
        )
        self.responses: Responses = responses or {}
        self.sync_to_thread = sync_to_thread
        self.request_max_body_size = request_max_body_size
        self._call = read_call(func)
        self._endpoints: WeakKeyDictionary[Environment, Endpoint] = WeakKeyDictionary()
        self._application: Environment | None = None
        if not self._call.unresolved and not self._call.host_values():
            self.bind(_DETACHED)

    @classmethod
    def adopt(cls, handler: UpstreamHttpHandler) -> HttpHandler:
        """Return a handler of ours for one of upstream's, ours as it is."""
        if isinstance(handler, cls):
            return handler
        methods = tuple(handler.methods)
        if "GET" not in methods:
            # Upstream lets HEAD run its POST handlers, a safe method with effects.
            methods = tuple(method for method in methods if method != "HEAD")
        return cls(
            original_function(handler),
            include_in_schema=handler.include_in_schema,
            description=handler.description,
            methods=methods,
            tags=handler.tags,
            unique_id=handler.unique_id,
        )

    @property
    def call(self) -> Call:
        """The signature: what the handler and its dependencies read from a request."""
        if self._call.unresolved:
            # Annotations may name what the module defines further down.
            self._call = read_call(self.func)
        return self._call

    @property
    def source(self) -> str:
        """The Python source that the handler was compiled to."""
        return self.bind(_DETACHED).plan.source

    def bind(self, environment: Environment) -> Endpoint:
        """Compile the handler for an application, once for each.

        Raises:
            SetupError: An annotation that does not resolve, or that the application's serializer
                cannot validate.
        """
        endpoint = self._endpoints.get(environment)
        if endpoint is None:
            endpoint = self._endpoints[environment] = Endpoint(self, environment)
        return endpoint

    def update_fd_config(self, config: FastDependsConfig) -> None:
        """Take context, provider and serializer from upstream's application."""
        self.fd_config = config
        self._application = Environment.from_config(config, logger=self.logger, handles_errors=True)
        self.bind(self._application)

    def set_logger(self, logger: LoggerProto | None) -> None:
        """Take the logger from upstream's application."""
        self.logger = logger
        if self._application is not None:
            self._application.logger = logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on any path that leads here; mounted, at the mount's own path only.

        In upstream's application an exception is logged and becomes a 500, as its handlers do;
        anywhere else it propagates to the host.
        """
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        if is_below_mount(scope, self):
            await NOT_FOUND(scope, receive, send)
            return
        if scope["method"] not in self.methods:
            await method_not_allowed(self.methods)(scope, receive, send)
            return
        environment = self._application or Environment.from_scope(scope) or _DETACHED
        await self.bind(environment)(scope, receive, send)

    def __repr__(self) -> str:
        return f"<{'/'.join(self.methods)} handler {self.call.name}>"


class BoundCall(Generic[Result]):
    """A function in one application, compiled for what the application has.

    Args:
        call: The signature of the function.
        environment: What the function finds around it.
        sync_to_thread: Whether `def` functions run in a worker thread.
        host_values: The names of the parameters that the host fills.
        is_handler: Whether the function is a handler, which returns a response.
    """

    __slots__ = (
        "_host_values",
        "_is_handler",
        "_overridden",
        "_run",
        "_sync_to_thread",
        "call",
        "environment",
        "plan",
    )

    def __init__(
        self,
        call: Call,
        environment: Environment,
        *,
        sync_to_thread: bool,
        host_values: Collection[str] = (),
        is_handler: bool = True,
    ) -> None:
        self.call = call
        self.environment = environment
        self._sync_to_thread = sync_to_thread
        self._host_values = host_values
        self._is_handler = is_handler
        self.plan = self._compile(call)
        self._run = self.plan.run
        self._overridden: dict[Any, Plan] = {}

    def handle(
        self, request: AsgiRequest, host_values: Mapping[str, Any] | None = None
    ) -> Awaitable[Result]:
        """Run the function; what is returned gives its result when awaited.

        Args:
            request: The request.
            host_values: The values of the parameters that the host fills.

        Raises:
            RequestError: The client has to change the request.
            ClientDisconnect: The client went away while its body was read.
            ContextValueError: A context value does not exist.
            TypeError: A handler returned something that is no ASGI application.
        """
        environment = self.environment
        overrides = environment.provider.overrides
        run = self._with_overrides(overrides).run if overrides else self._run
        return run(request, environment, host_values)

    def _compile(self, call: Call) -> Plan:
        return Plan(
            call,
            self.environment.serializer,
            sync_to_thread=self._sync_to_thread,
            host_values=self._host_values,
            is_handler=self._is_handler,
        )

    def _with_overrides(self, overrides: Mapping[Any, Any]) -> Plan:
        """Compile the function with the dependencies that a `Provider` overrides now."""
        key = tuple((original, model.call) for original, model in overrides.items())
        plan = self._overridden.get(key)
        if plan is None:
            replaced = dict(key)
            call = read_call(
                self.call.function,
                resolve=lambda function: replaced.get(function, function),
                gives_scope=self._is_handler,
            )
            plan = self._overridden[key] = self._compile(call)
        return plan


class Endpoint(BoundCall[ASGIApp]):
    """A handler in one application: an ASGI application for requests that belong to it."""

    __slots__ = ("handler", "max_body_size")

    def __init__(
        self, handler: HttpHandler, environment: Environment, host_values: Collection[str] = ()
    ) -> None:
        super().__init__(
            handler.call,
            environment,
            sync_to_thread=handler.sync_to_thread,
            host_values=host_values,
        )
        self.handler = handler
        self.max_body_size = handler.request_max_body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a method that the handler has.

        An exception of the user's propagates to the host; where there is none, in an
        `AsgiFastStream`, it is logged and becomes a 500.
        """
        request = AsgiRequest(scope, receive, send, self.max_body_size)
        try:
            # What `handle` does, without another call.
            overrides = self.environment.provider.overrides
            run = self._with_overrides(overrides).run if overrides else self._run
            response = await run(request, self.environment)
        except RequestError as error:
            response = error.response()
        except ClientDisconnect:
            return
        except Exception:
            if not self.environment.handles_errors:
                raise
            self._log_exception(request)
            response = SERVER_ERROR
        await response(scope, receive, without_body(send) if scope["method"] == "HEAD" else send)

    def __repr__(self) -> str:
        return repr(self.handler)

    def _log_exception(self, request: AsgiRequest) -> None:
        if (logger := self.environment.logger) is not None:
            message = f"{request.method} {request.path!r} failed in {self.handler.call.name}"
            logger.log(logging.ERROR, message, exc_info=True)


def with_head(methods: Sequence[str]) -> tuple[str, ...]:
    """Add HEAD to methods that have GET (RFC 9110, section 9.3.2)."""
    methods = tuple(dict.fromkeys(method.upper() for method in methods))
    return (*methods, "HEAD") if "GET" in methods and "HEAD" not in methods else methods


def without_body(send: Send) -> Send:
    """Send only the head of a response, as HEAD wants it (RFC 9110, section 9.3.2)."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def method_not_allowed(methods: Sequence[str]) -> AsgiResponse:
    """Build the 405 with the methods that are allowed (RFC 9110, section 15.5.6)."""
    return error_response(405, "Method Not Allowed", {"allow": ", ".join(methods)})


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not HTTP: close a websocket, acknowledge the events of a lifespan."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000, "reason": "This is an HTTP handler"})
        return
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def is_below_mount(scope: Scope, app: object) -> bool:
    """Tell whether the path goes on below the mount of Starlette that leads to `app`.

    A mount hands over everything below its prefix, and a handler answers at the prefix only.
    """
    root_path: str = scope.get("root_path", "")
    path: str = scope["path"]
    return (
        scope.get("endpoint") is app
        and "app_root_path" in scope  # Starlette sets it at a mount
        and path.startswith(f"{root_path}/")
        and len(path) > len(root_path) + 1
        and is_mounted(getattr(scope.get("router"), "routes", ()), app)
    )


def is_mounted(routes: Iterable[Any], app: object) -> bool:
    """Tell whether `app` stands in a `Mount`, and not in a `Route` below one."""
    return any(
        (getattr(route, "app", None) is app and not hasattr(route, "endpoint"))
        or is_mounted(getattr(route, "routes", None) or (), app)
        for route in routes
    )


class MethodDecorator:
    """The decorator that makes a function the handler of one HTTP method.

    Used as ``@get`` or ``@get(...)``; the arguments are those of `HttpHandler`.
    """

    __slots__ = ("_methods",)

    def __init__(self, method: str) -> None:
        self._methods = (method,)

    @overload
    def __call__(self, func: Callable[..., Any], /) -> HttpHandler: ...

    @overload
    def __call__(
        self,
        func: None = None,
        /,
        *,
        include_in_schema: bool = True,
        description: str | None = None,
        tags: Tags | None = None,
        unique_id: str | None = None,
        responses: Responses | None = None,
        sync_to_thread: bool = True,
        request_max_body_size: int | None = DEFAULT_MAX_BODY_SIZE,
    ) -> Callable[[Callable[..., Any]], HttpHandler]: ...

    def __call__(
        self, func: Callable[..., Any] | None = None, /, **options: Any
    ) -> HttpHandler | Callable[[Callable[..., Any]], HttpHandler]:
        if func is None:
            return partial(HttpHandler, methods=self._methods, **options)
        return HttpHandler(func, methods=self._methods, **options)


get = MethodDecorator("GET")
post = MethodDecorator("POST")
put = MethodDecorator("PUT")
patch = MethodDecorator("PATCH")
delete = MethodDecorator("DELETE")
