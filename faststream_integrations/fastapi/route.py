"""Native routes: a FastStream handler, or any ASGI application, as a path operation of FastAPI."""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from faststream_integrations.asgi.errors import ClientDisconnect, InvalidRequest, RequestError
from faststream_integrations.asgi.handlers import Endpoint, HttpHandler, without_body
from faststream_integrations.asgi.request import AsgiRequest
from faststream_integrations.environment import Environment
from faststream_integrations.fastapi._fastapi import effective_route
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("AppEndpoint", "HandlerEndpoint", "NativeEndpoint", "NativeRoute", "PinnedEnvironment")

RequestHandler = Callable[[Request], Coroutine[Any, Any, Response]]

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
    """

    def __init__(self, name: str, signature: inspect.Signature, allowed: list[str]) -> None:
        self.__name__ = name
        self.__signature__ = signature
        self.allowed = allowed

    def answers(self, method: str) -> bool:
        """Tell whether requests of a method come here."""
        raise NotImplementedError

    async def run(self, request: Request) -> ASGIApp:
        """Return the ASGI application that responds."""
        raise NotImplementedError

    async def respond(self, request: Request) -> Response:
        """Return the response in a form that FastAPI takes from any endpoint."""
        return ForeignResponse(await self.run(request), receive_of(request))

    async def __call__(self, *, request: Request, **solved: Any) -> Response:
        """Let FastAPI solve the whole signature first; needed where it hides dependencies."""
        return await self.respond(request)


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
        allowed: list[str],
        handler: HttpHandler,
        environment: Callable[[Scope], Environment],
    ) -> None:
        super().__init__(name, signature, allowed)
        self.handler = handler
        self._find_environment = environment
        self._endpoint: Endpoint | None = None

    def answers(self, method: str) -> bool:
        return method in self.handler.methods

    async def run(self, request: Request) -> ASGIApp:
        scope = request.scope
        if _METHOD in scope:
            scope = {**scope, "method": scope[_METHOD]}
        environment = self._find_environment(scope)
        endpoint = self._endpoint
        if endpoint is None or endpoint.environment is not environment:
            endpoint = self._endpoint = self.handler.bind(environment)
        asgi_request = AsgiRequest(
            scope, receive_of(request), _send_nothing, endpoint.max_body_size
        )
        try:
            response: ASGIApp = await endpoint.handle(asgi_request)
            return response
        except InvalidRequest as error:
            body = await self._read_body(asgi_request)
            raise RequestValidationError(error.errors, body=body) from None
        except RequestError as error:
            raise HTTPException(error.status_code, error.detail) from None
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it

    async def _read_body(self, request: AsgiRequest) -> Any:
        """Return the body that did not validate, for an exception handler of the user's."""
        if not any(field.source == "body" for field in self.handler.call.fields()):
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
        self, name: str, signature: inspect.Signature, allowed: list[str], app: ASGIApp
    ) -> None:
        super().__init__(name, signature, allowed)
        self.app = app

    def answers(self, method: str) -> bool:
        return True

    async def run(self, request: Request) -> ASGIApp:
        scope = {**request.scope}
        scope["method"] = scope.pop(_METHOD, scope["method"])
        path = scope["path"].rstrip("/")
        scope.update(root_path=path, path=f"{path}/")

        async def respond(_: Scope, __: Receive, send: Send) -> None:
            await self.app(scope, receive_of(request), send)

        return respond


class NativeRoute(APIRoute):
    """A path operation that FastAPI knows from its signature, and that runs without it."""

    endpoint: NativeEndpoint
    methods: set[str]

    def __init__(self, path: str, endpoint: NativeEndpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._tail = path.rpartition("}")[2]  # whatever the prefixes, a path ends like this

    def get_route_handler(self) -> RequestHandler:
        """Return what FastAPI calls: the endpoint itself where there is nothing to solve first."""
        effective = effective_route(self)
        if effective is None:
            return replaying(super().get_route_handler())
        dependencies = [
            depends
            for depends in effective.dependencies
            if not isinstance(depends.dependency, PinnedEnvironment)
        ]
        if not dependencies:
            # FastAPI awaits the response as the ASGI application that it is.
            run: Any = self.endpoint.run
            return cast("RequestHandler", run)
        solving = APIRoute(
            effective.path,
            self.endpoint.respond,
            dependencies=dependencies,
            dependency_overrides_provider=effective.dependency_overrides_provider,
        )
        return replaying(solving.get_route_handler())

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every method that the endpoint answers, also those that OpenAPI does not show."""
        if not scope["path"].endswith(self._tail):
            return Match.NONE, {}  # most requests go elsewhere, and cost the less for it
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and self.endpoint.answers(scope["method"]):
            match = Match.FULL
        return match, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse its method (RFC 9110, section 15.5.6)."""
        method = scope["method"]
        endpoint = self.endpoint
        if not endpoint.answers(method):
            raise HTTPException(405, headers={"Allow": ", ".join(endpoint.allowed)})
        if method not in self.methods:
            scope = {**scope, "method": next(iter(self.methods)), _METHOD: method}
            if isinstance(endpoint, HandlerEndpoint):  # an application knows HEAD itself
                send = without_body(send)
        await super().handle(scope, receive, send)


def replaying(handler: RequestHandler) -> RequestHandler:
    """Let FastAPI read the body for a dependency, and the endpoint read it again."""

    async def handle(request: Request) -> Response:
        return await handler(Request(request.scope, Replay(request.receive)))

    return handle


class Replay:
    """An ASGI receive callable whose messages can be received again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []

    async def __call__(self) -> Message:
        message = await self._receive()
        self._messages.append(message)
        return message

    def again(self) -> Receive:
        """Return a receive callable that begins with what was received before."""
        messages = iter(self._messages)

        async def receive() -> Message:
            return next(messages, None) or await self._receive()

        return receive


def receive_of(request: Request) -> Receive:
    """Return the receive callable of a request that FastAPI may have read."""
    receive = request.receive
    return receive.again() if isinstance(receive, Replay) else receive


class ForeignResponse(Response):
    """An ASGI application where FastAPI asks for a response.

    Args:
        app: The application.
        receive: Gives it the request's body, which FastAPI may have read.
    """

    def __init__(self, app: ASGIApp, receive: Receive) -> None:
        super().__init__()
        self._app = app
        self._receive = receive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, self._receive, send)
        if self.background is not None:  # of a dependency's
            await self.background()


async def _send_nothing(message: Message) -> None:
    msg = "A handler of a FastAPI route answers by the response that it returns."
    raise RuntimeError(msg)
