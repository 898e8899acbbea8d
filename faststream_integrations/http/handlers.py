"""HTTP handlers: `get`, `post`, `put`, `patch` and `delete`, and what they make of a function."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cache, partial
from types import NoneType
from typing import TYPE_CHECKING, Any, overload

from faststream.exceptions import SetupError
from typing_extensions import TypedDict

from faststream_integrations._faststream import (
    EMPTY,
    FastDependsConfig,
    UpstreamHttpHandler,
    default_logger,
    is_subscriber,
    original_function,
)
from faststream_integrations.compiler.annotations import is_missing
from faststream_integrations.compiler.calls import Call, ContextValue, HostValue
from faststream_integrations.compiler.signature import Rules, read_call
from faststream_integrations.environment import DETACHED, Environment
from faststream_integrations.http.errors import (
    ClientDisconnect,
    RequestError,
    is_known_to_host,
    request_error_of,
)
from faststream_integrations.http.mounts import is_below_mount
from faststream_integrations.http.plan import Plan, Plans
from faststream_integrations.http.protocol import (
    NOT_FOUND,
    SERVER_ERROR,
    method_not_allowed,
    refuse,
    with_head,
    without_body,
)
from faststream_integrations.http.request import DEFAULT_MAX_BODY_SIZE, AsgiRequest
from faststream_integrations.http.results import data_of
from faststream_integrations.http.rules import FrameworkValue, HttpRules
from faststream_integrations.http.sources import Field
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from faststream.specification.schema import Tag, TagDict
    from faststream.types import LoggerProto

__all__ = (
    "BoundHandler",
    "HttpHandler",
    "ResponseDoc",
    "Responses",
    "delete",
    "get",
    "patch",
    "post",
    "put",
)

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


class HttpHandler(UpstreamHttpHandler):
    """A function that answers HTTP requests, as an ASGI application.

    It works as a route of `AsgiFastStream` (ours and upstream's), as a native route in the FastAPI
    and Litestar adapters, and mounted in any other framework under `broker_lifespan`.

    Args:
        func: The function, `async def` or `def`. Its first unmarked parameter gets the ASGI scope;
            all others say where they come from: `Query()`, `Header()`, `Path()`, `Cookie()`,
            `Body()`, `Context()`, `Depends(...)`. It returns an ASGI application, like
            `AsgiResponse`, or anything that pydantic can write as JSON; fields that its return
            annotation does not have are left out.
        include_in_schema: Whether the route is in the AsyncAPI (and the host's OpenAPI) document.
        description: For the documents; by default the docstring.
        methods: The HTTP methods. HEAD comes with GET (RFC 9110, section 9.3.2).
        tags: For the documents.
        unique_id: The operation id in the documents.
        responses: What it answers, for the host's OpenAPI document: `ResponseDoc` by status. What
            the return annotation says of the data is there already.
        status_code: The status of what the function returns and is no ASGI application; by
            default 200, and 204 for `None`, which has no body.
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
        status_code: int | None = None,
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
        self._responses: Responses = responses or {}
        self.sync_to_thread = sync_to_thread
        self.request_max_body_size = request_max_body_size
        self.status_code = status_code
        self._rules: tuple[Rules, ...] = (HttpRules(),)
        self._call = read_call(func, *self._rules)
        self._plans: dict[Any, Plans] = {}
        self._application: Environment | None = None
        call = self._call
        if not call.unresolved and not call.all(HostValue) and not call.all(FrameworkValue):
            self.bind(DETACHED)

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
        if self._call.unresolved or is_missing(self._call.returns):
            # Annotations may name what the module defines further down.
            call = read_call(self.func, *self._rules)
            if call.unresolved != self._call.unresolved or not is_missing(call.returns):
                self._call = call
        return self._call

    @property
    def responses(self) -> Responses:
        """What the handler answers: what its return annotation says, and what it was told."""
        returns = self.call.returns
        data = EMPTY if is_missing(returns) else data_of(returns)
        found: dict[int, ResponseDoc] = {}
        if data is not EMPTY:
            found[self.status_code or 200] = {"description": "The answer", "model": data}
        elif returns is None or returns is NoneType:
            found[self.status_code or 204] = {"description": "Done, without a body"}
        return {**found, **self._responses}

    @property
    def fields(self) -> list[Field]:
        """What is read from the request, by the handler and its dependencies, each once."""
        return [field for _, field in self.call.all(Field)]

    @property
    def reads_body(self) -> bool:
        return any(not field.source.is_parameter for field in self.fields)

    @property
    def source(self) -> str:
        """The Python source that the handler was compiled to."""
        frameworks = [value.framework for _, value in self.call.all(FrameworkValue)]
        return self.plans(framework=next(iter(frameworks), None)).of(DETACHED).source

    def plans(self, host_values: Collection[str] = (), framework: str | None = None) -> Plans:
        """Return what the handler is compiled to, with parameters that a host fills or without."""
        key = frozenset(host_values), framework
        call = self.call
        plans = self._plans.get(key)
        if plans is None or plans.call is not call:
            plans = self._plans[key] = Plans(
                call,
                *self._rules,
                sync_to_thread=self.sync_to_thread,
                host_values=frozenset(host_values),
                framework=framework,
                status_code=self.status_code,
            )
        return plans

    def bind(self, environment: Environment, framework: str | None = None) -> BoundHandler:
        """Put the handler into an application; it is compiled once for all with one serializer.

        Args:
            environment: What the handler finds around it.
            framework: The web framework whose markers the host knows; it fills their parameters.

        Raises:
            SetupError: An annotation that does not resolve, or that the application's serializer
                cannot validate.
        """
        return BoundHandler(self, environment, framework=framework)

    def check(self, environment: Environment) -> None:
        """Refuse to run in an application that has not what the handler asks for.

        Raises:
            SetupError: There is no broker of the class that a `Context("broker")` wants.
        """
        for call, value in self.call.all(ContextValue):
            kind = value.broker_class
            if (
                kind is not None
                and value.required
                and environment.context.get("broker", EMPTY) is EMPTY
                and environment.find_broker(kind) is EMPTY
            ):
                has = ", ".join(type(broker).__name__ for broker in environment.brokers)
                msg = (
                    f"The parameter {value.name!r} of {call.name} asks for a {kind.__name__}, and "
                    f"the application has {has or 'no broker'}. Give it one, or write "
                    f"`Context('broker', default=None)`."
                )
                raise SetupError(msg)

    @property
    def tag_names(self) -> list[str]:
        """The names of its tags, which OpenAPI wants alone."""
        return [tag["name"] if isinstance(tag, dict) else tag.name for tag in self.tags or ()]

    def operation_id(self, method: str) -> str | None:
        """Name its operation of one method; one with several methods has several operations."""
        if self.unique_id and sum(each != "HEAD" for each in self.methods) > 1:
            return f"{self.unique_id}_{method.lower()}"
        return self.unique_id

    def update_fd_config(self, config: FastDependsConfig) -> None:
        """Take context, provider and serializer from upstream's application."""
        tell_of_upstream()
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
        environment = self._application or Environment.from_scope(scope) or DETACHED
        await self.bind(environment)(scope, receive, send)

    def __repr__(self) -> str:
        return f"<{'/'.join(self.methods)} handler {self.call.name}>"


@cache
def tell_of_upstream() -> None:
    """Say, once, that handlers run in upstream's application, with what that has of faults."""
    default_logger.warning(
        "A handler of faststream_integrations runs in the AsgiFastStream of faststream, which "
        "starts before its brokers are connected. Import AsgiFastStream from "
        "faststream_integrations, and FastStream too where as_asgi() makes the application."
    )


def is_overridden(app: Any) -> bool:
    """Tell whether a test replaces dependencies of a host application, as FastAPI lets it."""
    return bool(getattr(app, "dependency_overrides", None))


class BoundHandler:
    """A handler in one application: an ASGI application for requests that belong to it.

    Args:
        handler: The handler.
        environment: What it finds around it.
        host_values: The names of the parameters that the host fills.
        framework: The web framework whose markers the host knows; it fills their parameters.

    Raises:
        SetupError: The handler cannot be compiled.
    """

    __slots__ = ("_plan", "environment", "handler", "max_body_size")

    def __init__(
        self,
        handler: HttpHandler,
        environment: Environment,
        host_values: Collection[str] = (),
        framework: str | None = None,
    ) -> None:
        self.handler = handler
        self.environment = environment
        self.max_body_size = handler.request_max_body_size
        self._plan = handler.plans(host_values, framework).of(environment)

    def is_overridden(self, app: Any) -> bool:
        """Tell whether a test replaces dependencies now, in a host application too."""
        return bool(self.environment.provider.overrides or (app and is_overridden(app)))

    def plan_for(self, app: Any) -> Plan:
        """Return the plan for a request in a host application, with the overrides of now."""
        if self.is_overridden(app):
            return self._plan.with_overrides(self.environment.overrides(app))
        return self._plan

    def handle(
        self, request: AsgiRequest, host_values: Mapping[Any, Any] | None = None
    ) -> Awaitable[ASGIApp]:
        """Run the handler; what is returned gives its response when awaited.

        Args:
            request: The request.
            host_values: The values of the parameters that the host fills, by their names;
                `FrameworkValue` objects are their own keys.

        Raises:
            RequestError: The client has to change the request.
            ClientDisconnect: The client went away while its body was read.
            ContextValueError: A context value does not exist.
            ResultError: The handler returned what cannot be written.
        """
        plan = self.plan_for(request.scope.get("app"))
        response: Awaitable[ASGIApp] = plan.run(request, self.environment, host_values)
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a method that the handler has.

        An exception of the user's propagates to the host; where there is none, in an
        `AsgiFastStream`, it is logged and becomes a 500.
        """
        plan, environment = self._plan, self.environment
        request = AsgiRequest(scope, receive, send, self.max_body_size)
        try:
            # What `handle` does, without two more calls.
            app = scope.get("app")
            if environment.provider.overrides or (app and is_overridden(app)):
                plan = plan.with_overrides(environment.overrides(app))
            response = await plan.run(request, environment)
        except ClientDisconnect:
            return
        except Exception as error:
            response = self._answer(error, request)
            if response is None:
                raise
        await response(scope, receive, without_body(send) if scope["method"] == "HEAD" else send)

    def _answer(self, error: Exception, request: AsgiRequest) -> ASGIApp | None:
        """Return the response to an exception, `None` where it is the host's to answer."""
        if isinstance(error, RequestError):
            return error.response()
        if not is_known_to_host(error, request.scope):
            if (refused := request_error_of(error)) is not None:
                return refused.response()
            if self.environment.handles_errors:
                self._log_exception(request)
                return SERVER_ERROR
        return None

    def __repr__(self) -> str:
        return repr(self.handler)

    def _log_exception(self, request: AsgiRequest) -> None:
        if (logger := self.environment.logger) is not None:
            message = f"{request.method} {request.path!r} failed in {self.handler.call.name}"
            logger.log(logging.ERROR, message, exc_info=True)


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
        status_code: int | None = None,
        sync_to_thread: bool = True,
        request_max_body_size: int | None = DEFAULT_MAX_BODY_SIZE,
    ) -> Callable[[Callable[..., Any]], HttpHandler]: ...

    def __call__(
        self, func: Any = None, /, **options: Any
    ) -> HttpHandler | Callable[[Callable[..., Any]], HttpHandler]:
        if func is None:
            return partial(HttpHandler, methods=self._methods, **options)
        name = f"@{self._methods[0].lower()}"
        if isinstance(func, str):
            msg = (
                f"{name}({func!r}): a handler has no path of its own, a host gives it one. Write "
                f"{name} above the function, and asgi_routes=[({func!r}, handler)] for the host."
            )
            raise SetupError(msg)
        if is_subscriber(func):
            msg = (
                f"{name} stands above a @broker.subscriber or @broker.publisher, whose messages "
                "have nothing to do with requests. Let the handler be a function of its own, and "
                "publish in it: await broker.publish(...)."
            )
            raise SetupError(msg)
        return HttpHandler(func, methods=self._methods, **options)


get = MethodDecorator("GET")
post = MethodDecorator("POST")
put = MethodDecorator("PUT")
patch = MethodDecorator("PATCH")
delete = MethodDecorator("DELETE")
