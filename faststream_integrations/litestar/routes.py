"""FastStream's handlers, and other ASGI applications, as routes of Litestar."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, cast, get_args, get_origin

from faststream.asgi import AsgiResponse as UpstreamResponse
from faststream.exceptions import SetupError
from litestar import Litestar, Request, Response, WebSocket, route, websocket
from litestar.constants import RESERVED_KWARGS
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import Guard

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.calls import HostValue
from faststream_integrations.environment import ContextValueError, Environment
from faststream_integrations.http.errors import RequestError
from faststream_integrations.http.handlers import BoundHandler, HttpHandler
from faststream_integrations.http.paths import Template, below, path_parameters, takes_rest
from faststream_integrations.http.protocol import without_body
from faststream_integrations.http.response import AsgiResponse
from faststream_integrations.litestar.openapi import operation_class, operation_id
from faststream_integrations.litestar.requests import (
    HostRequest,
    as_litestar_error,
    log_missing_value,
)
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("REQUEST", "dress", "host_parameters", "make_mount", "make_routes")

NAMED_DEPENDENCY: Any = NamedDependency  # an alias that type checkers see no value in
REQUEST = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
SOCKET = inspect.Parameter("socket", inspect.Parameter.KEYWORD_ONLY, annotation=WebSocket)


def make_routes(
    path: str,
    handler: HttpHandler,
    environment: Environment,
    *,
    dependencies: Collection[str],
    guards: Sequence[Guard],
    opt: Mapping[str, Any],
) -> list[HTTPRouteHandler]:
    """Make the routes of a FastStream handler: one for HEAD, which no document shows.

    Args:
        path: Where the handler answers, as every host writes it.
        handler: The handler.
        environment: What the handler finds around it.
        dependencies: The names that Litestar knows; only those stand in for a default.
        guards: Litestar's guards.
        opt: Litestar's options.

    Raises:
        SetupError: The handler cannot be compiled.
    """
    known = {*dependencies, *RESERVED_KWARGS}
    parameters = host_parameters(
        value for _, value in handler.call.all(HostValue) if value.required or value.name in known
    )
    endpoint = BoundHandler(handler, environment, frozenset(parameters))
    parameters.setdefault("request", REQUEST)
    litestar_path = "/".join(
        f"{segment[:-1]}:str}}" if segment.startswith("{") and ":" not in segment else segment
        for segment in path.split("/")
    )
    rest = path_parameters(path)[-1] if takes_rest(path) else None
    head = [method for method in handler.methods if method == "HEAD"]
    others = [method for method in handler.methods if method != "HEAD"]
    routes = []
    for methods in filter(None, (others, head)):
        make: Any = route(
            litestar_path,
            http_method=methods,  # type: ignore[arg-type]
            guards=list(guards) or None,
            opt=dict(opt),
            request_max_body_size=handler.request_max_body_size,
            status_code=200,
            include_in_schema=handler.include_in_schema and methods is others,
            description=handler.description,
            tags=handler.tag_names or None,
            operation_id=operation_id(handler) if handler.unique_id else None,
            operation_class=operation_class(handler),
        )
        routes.append(make(make_function(endpoint, parameters, rest, is_head=methods is head)))
    return routes


def make_function(
    endpoint: BoundHandler,
    parameters: Mapping[str, inspect.Parameter],
    rest: str | None,
    *,
    is_head: bool,
) -> Callable[..., Any]:
    """Make the function that Litestar calls: it runs the compiled handler."""
    environment = endpoint.environment
    handle = endpoint.handle
    in_litestars_way: bool | None = None
    template: Template | None = None

    async def call(**host_values: Any) -> Any:
        nonlocal in_litestars_way, template
        request: Request[Any, Any, Any] = host_values["request"]
        scope: Any = request.scope
        if template is None:  # only now is the prefix of the application known
            template = Template(scope["path_template"])
        scope["route"] = template
        if rest is not None:
            # Litestar begins it with a slash, and takes the one at its end off.
            value = scope["path_params"][rest][1:] + ("/" if ends_in_slash(scope) else "")
            scope["path_params"] = {**scope["path_params"], rest: value}
        try:
            response = await handle(HostRequest(request, environment), host_values)
        except RequestError as error:
            raise as_litestar_error(error) from error
        except ContextValueError as error:
            log_missing_value(environment, error)
            raise
        if in_litestars_way is None:
            in_litestars_way = changes_responses(request.app)
        if not isinstance(response, (AsgiResponse, UpstreamResponse)):
            response = WithBody(response)
        elif in_litestars_way:
            return HostResponse(response, is_head=is_head)
        return WithoutBody(response) if is_head else response

    dress(call, endpoint.handler.call.function, list(parameters.values()), returns=AsgiResponse)
    return call


def dress(
    function: Callable[..., Any],
    original: Callable[..., Any],
    parameters: Sequence[inspect.Parameter],
    returns: Any,
) -> None:
    """Give a function the name of another and the signature that Litestar shall see."""
    original = inspect.unwrap(original)
    name = getattr(original, "__name__", None) or type(original).__name__
    function.__name__ = name
    function.__qualname__ = getattr(original, "__qualname__", name)
    function.__module__ = original.__module__
    function.__doc__ = original.__doc__
    function.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": returns}
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=returns
    )


def host_parameters(values: Iterable[HostValue]) -> dict[str, inspect.Parameter]:
    """Write the parameters that Litestar shall fill: those that FastStream does not own.

    Args:
        values: The parameters as FastStream read them.

    Raises:
        SetupError: Two functions want one name in different types.
    """
    parameters: dict[str, inspect.Parameter] = {}
    for value in values:
        annotation = value.annotation
        if value.name not in RESERVED_KWARGS and not is_litestars(annotation):
            # Without it, a name that no dependency has would become a query parameter.
            annotation = NAMED_DEPENDENCY[annotation]
        known = parameters.get(value.name)
        if known is not None and known.annotation != annotation:
            msg = (
                f"The parameter {value.name!r} is {known.annotation!r} in one function and "
                f"{annotation!r} in another; a dependency of Litestar has one type."
            )
            raise SetupError(msg)
        parameters[value.name] = inspect.Parameter(
            value.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=inspect.Parameter.empty if value.default is EMPTY else value.default,
        )
    return parameters


def is_litestars(annotation: Any) -> bool:
    """Tell whether Litestar's own markers say where the value comes from."""
    return get_origin(annotation) is Annotated and any(
        type(marker).__module__.partition(".")[0] == "litestar"
        for marker in get_args(annotation)[1:]
    )


def changes_responses(app: Litestar) -> bool:
    """Tell whether the application adds to responses what only Litestar's own class takes."""
    return bool(
        app.after_request
        or app.response_headers
        or app.response_cookies
        or app.cache_control
        or app.etag
    )


class HostResponse(Response[bytes]):
    """A response of FastStream's as one of Litestar's, for `after_request` and its like."""

    def __init__(self, response: AsgiResponse | UpstreamResponse, *, is_head: bool) -> None:
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in response.raw_headers]
        super().__init__(
            b"" if is_head else response.body,
            status_code=response.status_code,
            headers={name: value for name, value in headers if name != "set-cookie"},
        )
        self._set_cookies = [value for name, value in headers if name == "set-cookie"]

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> ASGIResponse:
        """Add the cookies, which are one header each."""
        response = super().to_asgi_response(*args, **kwargs)
        for cookie in self._set_cookies:
            response.headers.add("set-cookie", cookie)
        return response


class WithBody:
    """An application that answers the request itself, and may read it."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, await readable_again(scope, receive), send)


class WithoutBody:
    """The head of a response (RFC 9110, section 9.3.2)."""

    __slots__ = ("_response",)

    def __init__(self, response: ASGIApp) -> None:
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(scope, receive, without_body(send))


def make_mount(
    path: str, app: ASGIApp, *, guards: Sequence[Guard], opt: Mapping[str, Any]
) -> list[HTTPRouteHandler | WebsocketRouteHandler]:
    """Make the routes of an ASGI application that answers at a prefix and below it.

    A mount of Litestar's takes its prefix for the beginning of a name (``/healthz`` for
    ``/health``), adds a slash to every path and leaves `root_path` as it is; these do not.
    """
    mounted = Mounted(app)

    async def answer() -> Mounted:
        return mounted

    async def connect(socket: WebSocket[Any, Any, Any]) -> None:
        scope, receive, send = cast("Any", (socket.scope, socket.receive, socket.send))
        await mounted(scope, receive, send)

    paths = [path.rstrip("/") or "/", f"{path.rstrip('/')}/{{path_below:path}}"]
    options: dict[str, Any] = {"guards": list(guards) or None, "opt": dict(opt)}
    make_http: Any = route(
        paths, http_method=list(HttpMethod), status_code=200, include_in_schema=False, **options
    )
    make_websocket: Any = websocket(paths, **options)
    # Litestar resolves annotations in the module of the function: these are resolved already.
    dress(answer, answer, [], returns=Mounted)
    dress(connect, connect, [SOCKET], returns=None)
    return [make_http(answer), make_websocket(connect)]


def ends_in_slash(scope: Scope) -> bool:
    """Tell whether the client's path does, since Litestar takes the last slash off."""
    raw_path: bytes = scope.get("raw_path") or b""
    return raw_path.partition(b"?")[0].endswith(b"/")


class Mounted:
    """An ASGI application at a prefix, and below it."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        scope["route"] = Template(scope["path_template"].removesuffix("/{path_below}"))
        # The application itself may have a prefix, `Litestar(path="/api")`.
        prefix = path.removesuffix(str(scope["path_params"].get("path_below", ""))).rstrip("/")
        if ends_in_slash(scope) and path != prefix:
            path += "/"  # an application may redirect to where it is
        inner = below(scope, prefix, path)
        inner["path_params"] = {}
        await self._app(inner, await readable_again(scope, receive), send)


class NobodyHasRead(Exception):  # noqa: N818 - says how far the body of a request has come
    """The body of a request is still to be received."""


async def readable_again(scope: Scope, receive: Receive) -> Receive:
    """Give the body once more where Litestar has it already; nobody would send it again.

    A middleware, a guard, or a tool such as Sentry's reads it by `Request.body()`, which keeps it.
    """
    if scope["type"] != "http":
        return receive

    async def unread() -> Message:
        raise NobodyHasRead

    request: Request[Any, Any, Any] = Request(cast("Any", scope), cast("Any", unread))
    try:
        body = await request.body()
    except (NobodyHasRead, RequestEntityTooLarge):
        return receive
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
