"""Native routes: a FastStream handler, or any ASGI application, as a path operation of FastAPI."""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from faststream.exceptions import SetupError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from faststream_integrations.compiler.calls import Call
from faststream_integrations.environment import Environment
from faststream_integrations.fastapi._fastapi import effective_route, mark_asynchronous
from faststream_integrations.fastapi.exchange import (
    Replay,
    RequestHandler,
    receive_of,
    replaying,
    response_of,
)
from faststream_integrations.fastapi.solving import FRAMEWORK, Solver, Values, values_of
from faststream_integrations.http.errors import (
    ClientDisconnect,
    InvalidRequest,
    RequestError,
    request_error_of,
)
from faststream_integrations.http.handlers import BoundHandler, HttpHandler
from faststream_integrations.http.protocol import options, without_body
from faststream_integrations.http.request import AsgiRequest
from faststream_integrations.http.rules import FrameworkValue
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

__all__ = (
    "AppEndpoint",
    "HandlerEndpoint",
    "NativeEndpoint",
    "PinnedEnvironment",
    "compose",
)

_METHOD = "faststream.method"  # the method of the request, where FastAPI is told another one


class PinnedEnvironment:
    """The dependency that gives the endpoints of a router the environment of that router.

    Args:
        enter: Puts the environment into the scope.
    """

    def __init__(self, enter: Callable[[Scope], Any]) -> None:
        self._enter = enter

    async def __call__(self, connection: HTTPConnection) -> None:
        self._enter(connection.scope)


class NativeEndpoint:
    """What a `NativeRoute` runs. FastAPI copies routes, but keeps the endpoint.

    Attributes:
        allowed: The methods that are answered at its path, for the ``Allow`` header; all of them
            where it is empty.
        max_body_size: How many bytes of body a route class, or FastAPI for a marker of its own,
            may read; `None` for no limit.
        is_marked: Whether it has parameters with FastAPI's own markers.
    """

    max_body_size: int | None = None
    is_marked = False

    def __init__(self, name: str, signature: inspect.Signature, allowed: Collection[str]) -> None:
        self.__name__ = name
        self.__signature__ = signature
        self.allowed = allowed
        mark_asynchronous(self)

    def answers(self, method: str) -> bool:
        """Tell whether requests of a method come here."""
        raise NotImplementedError

    async def run(
        self,
        request: Request,
        route: Any = None,
        *,
        values: Values | None = None,
        solve: RequestHandler | None = None,
    ) -> ASGIApp:
        """Return the ASGI application that responds.

        Args:
            request: The request.
            route: What `scope["route"]` shall be, where FastAPI has put another one there.
            values: What FastAPI has found for its own markers.
            solve: Lets FastAPI find it, where an override has brought such markers.
        """
        raise NotImplementedError

    async def respond(self, request: Request, values: Values | None = None) -> Response:
        """Return the response in a form that FastAPI takes from any endpoint."""
        return response_of(await self.run(request, values=values), receive_of(request))

    async def __call__(self, *, request: Request, **solved: Any) -> Response:
        """Let FastAPI solve the whole signature first; needed where it hides dependencies."""
        return await self.respond(request, values_of(solved))

    def call_for(self, request: Request) -> Call | None:
        """Return what runs for a request, with the overrides of now; `None` for no function."""
        return None

    def overrides_for(self, app: Any) -> Mapping[Any, Any]:
        """Return what replaces dependencies now, in an application of FastAPI's."""
        return getattr(app, "dependency_overrides", None) or {}


class HandlerEndpoint(NativeEndpoint):
    """Runs the plan of a FastStream handler.

    Args:
        handler: The handler.
        environment: Returns the environment of the router, which may change at startup.
    """

    def __init__(
        self,
        name: str,
        signature: inspect.Signature,
        allowed: Collection[str],
        handler: HttpHandler,
        environment: Callable[[Scope], Environment],
    ) -> None:
        super().__init__(name, signature, allowed)
        self.handler = handler
        self.is_marked = bool(handler.call.all(FrameworkValue))
        self.max_body_size = handler.request_max_body_size
        self._find_environment = environment
        self._endpoint: BoundHandler | None = None

    def answers(self, method: str) -> bool:
        return method in self.handler.methods

    def call_for(self, request: Request) -> Call:
        return self._bound(request.scope).plan_for(request.scope.get("app")).call

    def overrides_for(self, app: Any) -> Mapping[Any, Any]:
        endpoint = self._endpoint
        return (
            super().overrides_for(app) if endpoint is None else endpoint.environment.overrides(app)
        )

    def _bound(self, scope: Scope) -> BoundHandler:
        environment = self._find_environment(scope)
        endpoint = self._endpoint
        if endpoint is None or endpoint.environment is not environment:
            endpoint = self._endpoint = self.handler.bind(environment, FRAMEWORK)
        return endpoint

    async def run(
        self,
        request: Request,
        route: Any = None,
        *,
        values: Values | None = None,
        solve: RequestHandler | None = None,
    ) -> ASGIApp:
        scope = request.scope
        if route is not None:
            scope["route"] = route
        if _METHOD in scope:
            scope = {**scope, "method": scope[_METHOD]}
        endpoint = self._bound(scope)
        if (
            values is None
            and solve is not None
            and endpoint.is_overridden(scope.get("app"))
            and self.call_for(request).all(FrameworkValue)
        ):
            return await solve(request)
        asgi_request = AsgiRequest(
            scope, receive_of(request), _send_nothing, endpoint.max_body_size
        )
        try:
            response: ASGIApp = await endpoint.handle(asgi_request, values)
            return response
        except InvalidRequest as error:
            body = await self._read_body(asgi_request)
            raise RequestValidationError(error.errors, body=body) from None
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except HTTPException:
            raise
        except Exception as error:
            if (refused := request_error_of(error)) is None:
                raise
            raise HTTPException(refused.status_code, refused.detail, refused.headers) from error

    async def _read_body(self, request: AsgiRequest) -> Any:
        """Return the body that did not validate, for an exception handler of the user's."""
        if not self.handler.reads_body:
            return None
        try:
            return await request.json()
        except RequestError:
            return (await request.body()).decode(errors="replace")


class AppEndpoint(NativeEndpoint):
    """Runs an ASGI application, which answers every method and sees the path as its own root.

    Args:
        app: The application.
    """

    def __init__(
        self, name: str, signature: inspect.Signature, allowed: Collection[str], app: ASGIApp
    ) -> None:
        super().__init__(name, signature, allowed)
        self.app = app

    def answers(self, method: str) -> bool:
        return True

    async def run(
        self,
        request: Request,
        route: Any = None,
        *,
        values: Values | None = None,
        solve: RequestHandler | None = None,
    ) -> ASGIApp:
        if route is not None:
            request.scope["route"] = route
        scope = {**request.scope}
        scope["method"] = scope.pop(_METHOD, scope["method"])
        path = scope["path"].rstrip("/")
        scope.update(root_path=path, path=f"{path}/")

        async def respond(_: Scope, __: Receive, send: Send) -> None:
            await self.app(scope, receive_of(request), send)

        return respond


class NativeRoute(APIRoute):
    """A path operation that FastAPI knows from its signature, and that runs without it.

    Attributes:
        native: The endpoint, which a route class of the user's may have wrapped.
    """

    methods: set[str]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        native = inspect.unwrap(endpoint)
        if not isinstance(native, NativeEndpoint):
            msg = (
                f"{type(self).__name__} puts {endpoint!r} in the place of the route {path!r} and "
                "hides what it calls. Use functools.wraps, or put FastStream's handlers into a "
                "FastStreamRouter without this route_class."
            )
            raise SetupError(msg)
        self.native = native
        self._is_composed = type(self) is not NativeRoute
        super().__init__(path, endpoint, **options)
        self._tail = path.rpartition("}")[2]  # whatever the prefixes, a path ends like this

    def get_route_handler(self) -> RequestHandler:
        """Return what FastAPI calls: the endpoint itself where there is nothing to solve first."""
        effective = effective_route(self)
        if effective is None or self.endpoint is not self.native:
            return replaying(super().get_route_handler())
        dependencies = [
            depends
            for depends in effective.dependencies
            if not isinstance(depends.dependency, PinnedEnvironment)
        ]
        # FastAPI 0.137 and later know the route without the prefix of `include_router`.
        route = None if effective.route is self else effective.route
        solve = replaying(Solver(self.native, effective, dependencies), route)
        if dependencies or self.native.is_marked:
            return solve
        if self._is_composed:
            return replaying(self.native.respond, route)
        # FastAPI awaits the response as the ASGI application that it is.
        run: Any = partial(self.native.run, route=route, solve=solve)
        return cast("RequestHandler", run)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every method that the endpoint answers, also those that OpenAPI does not show."""
        if not scope["path"].endswith(self._tail):
            return Match.NONE, {}  # most requests go elsewhere, and cost the less for it
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and self.native.answers(scope["method"]):
            match = Match.FULL
        return match, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse its method (RFC 9110, section 15.5.6)."""
        method = scope["method"]
        endpoint = self.native
        if not endpoint.answers(method):
            if method == "OPTIONS":
                await options(tuple(endpoint.allowed))(scope, receive, send)
                return
            raise HTTPException(405, headers={"Allow": ", ".join(endpoint.allowed)})
        if method not in self.methods:
            scope = {**scope, "method": next(iter(self.methods)), _METHOD: method}
            if isinstance(endpoint, HandlerEndpoint):  # an application knows HEAD itself
                send = without_body(send)
        if self._is_composed or endpoint.is_marked:  # it may read the body
            receive = Replay(receive, endpoint.max_body_size)
        await super().handle(scope, receive, send)


def compose(route_class: Any) -> type[NativeRoute]:
    """Make the class of native routes that is a route class of the user's too.

    Raises:
        SetupError: It is no class of routes.
    """
    if route_class is APIRoute:
        return NativeRoute
    if not (isinstance(route_class, type) and issubclass(route_class, APIRoute)):
        msg = f"FastStreamRouter(route_class={route_class!r}): a subclass of APIRoute is wanted."
        raise SetupError(msg)
    return type(route_class.__name__, (route_class, NativeRoute), {})


async def _send_nothing(message: Message) -> None:
    msg = "A handler of a FastAPI route answers by the response that it returns."
    raise RuntimeError(msg)
