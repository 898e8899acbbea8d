"""What FastAPI solves for a FastStream handler: the parameters with FastAPI's own markers.

The marked parameters of each function, the handler's or a dependency's, are one dependency of
FastAPI's, so that the names of several functions do not meet. A route that FastAPI never serves
lets FastAPI solve them, and its endpoint runs the handler.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from faststream.exceptions import SetupError

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.calls import Call
from faststream_integrations.fastapi._fastapi import EffectiveRoute, mark_asynchronous
from faststream_integrations.fastapi.exchange import RequestHandler
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.rules import FrameworkValue

__all__ = ("FRAMEWORK", "Solver", "Values", "marked_parameters", "reads_body", "values_of")

FRAMEWORK = "fastapi"
KEPT_OVERRIDES = 16

Values = Mapping[FrameworkValue, Any]


class MarkedParameters:
    """The parameters of one function that FastAPI fills, as a dependency of FastAPI's.

    Args:
        parameters: The parameters.
    """

    def __init__(self, parameters: Sequence[FrameworkValue]) -> None:
        self._parameters = parameters
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    each.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    annotation=each.annotation,
                    default=inspect.Parameter.empty if each.default is EMPTY else each.default,
                )
                for each in parameters
            ]
        )
        mark_asynchronous(self)

    async def __call__(self, **values: Any) -> Values:
        return {each: values[each.name] for each in self._parameters}


def marked_parameters(call: Call) -> list[inspect.Parameter]:
    """Write the parameters of an endpoint that wants what a handler wants of FastAPI."""
    of_functions: dict[Call, list[FrameworkValue]] = {}
    for owner, parameter in call.all(FrameworkValue):
        of_functions.setdefault(owner, []).append(parameter)
    return [
        inspect.Parameter(
            f"marked_{number}",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[Any, params.Depends(MarkedParameters(parameters))],
        )
        for number, parameters in enumerate(of_functions.values())
    ]


def values_of(solved: Mapping[str, Any]) -> Values:
    """Collect what FastAPI has found for such parameters."""
    values: dict[FrameworkValue, Any] = {}
    for name, of_function in solved.items():
        if name.startswith("marked_"):
            values |= of_function
    return values


def reads_body(handler: HttpHandler) -> bool:
    """Tell whether FastAPI reads the body for the markers of a handler.

    Raises:
        SetupError: The handler reads the body by a marker of FastStream's too.
    """

    async def endpoint(**solved: Any) -> None: ...

    endpoint.__signature__ = inspect.Signature(marked_parameters(handler.call))  # type: ignore[attr-defined]
    route = APIRoute("/", endpoint, methods=["POST"], response_model=None)
    if route.body_field is not None and handler.reads_body:
        msg = (
            f"{handler.call.name}: FastAPI would read the body for a marker of its own, and "
            "Body() of faststream_integrations too, each of them as a whole. Take all of the body "
            "by one of the two: write Body() of faststream_integrations, or fastapi.Body()."
        )
        raise SetupError(msg)
    return route.body_field is not None


class Solves(Protocol):
    """An endpoint that FastAPI solves something for."""

    def call_for(self, request: Request) -> Call | None:
        """Return what runs for a request, with the overrides of now; `None` for no function."""

    def overrides_for(self, app: Any) -> Mapping[Any, Any]:
        """Return what replaces dependencies now, in an application of FastAPI's."""

    async def respond(self, request: Request, values: Values | None = None) -> Response:
        """Run with what FastAPI has found."""


class Overrides:
    """What FastAPI asks for the overrides of an application; those of the provider are there too.

    Args:
        endpoint: The endpoint.
        app: The application.
    """

    def __init__(self, endpoint: Solves, app: Any) -> None:
        self._endpoint = endpoint
        self._app = app

    @property
    def dependency_overrides(self) -> Mapping[Any, Any]:
        return self._endpoint.overrides_for(self._app)


class Solver:
    """Lets FastAPI solve what a route and its handler depend on, and runs the handler.

    Args:
        endpoint: The endpoint.
        effective: The route, where its router is included.
        dependencies: What is solved for the route.
    """

    def __init__(
        self, endpoint: Solves, effective: EffectiveRoute, dependencies: Sequence[params.Depends]
    ) -> None:
        self._endpoint = endpoint
        self._effective = effective
        self._dependencies = dependencies
        self._handlers: dict[Call | None, RequestHandler] = {}

    async def __call__(self, request: Request) -> Response:
        call = self._endpoint.call_for(request)
        handle = self._handlers.get(call)
        if handle is None:
            if len(self._handlers) == KEPT_OVERRIDES:
                self._handlers.clear()
            handle = self._handlers[call] = self._handler_for(call)
        return await handle(request)

    def _handler_for(self, call: Call | None) -> RequestHandler:
        run = self._endpoint.respond

        async def endpoint(*, request: Request, **solved: Any) -> Response:
            return await run(request, values_of(solved))

        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
        marked = [] if call is None else marked_parameters(call)
        endpoint.__signature__ = inspect.Signature([request, *marked])  # type: ignore[attr-defined]
        route: Any = self._effective.route
        options = {name: getattr(route, name) for name in _OF_BODIES if hasattr(route, name)}
        return APIRoute(
            self._effective.path,
            endpoint,
            methods=["POST"],
            response_model=None,
            dependencies=self._dependencies,
            dependency_overrides_provider=Overrides(
                self._endpoint, self._effective.dependency_overrides_provider
            ),
            **options,
        ).get_route_handler()


# What a route says of how a body is read; not all versions of FastAPI have it.
_OF_BODIES = ("strict_content_type", "form_limits")
