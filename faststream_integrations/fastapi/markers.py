"""`Context`, `Depends` and `Logger`, for FastAPI's endpoints and for FastStream alike.

Each marker is FastStream's and FastAPI's at once, so that one dependency serves path operations,
websockets, handlers and subscribers. FastAPI reads the annotations in this module at run time, so
it does not postpone them.
"""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin
from weakref import WeakValueDictionary

import faststream
from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from fastapi import params
from faststream.exceptions import SetupError
from starlette.requests import HTTPConnection

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.compiler.calls import ContextKey, name_of
from faststream_integrations.environment import (
    DETACHED,
    Environment,
    find_initial,
    missing_value,
    resolve,
)
from faststream_integrations.fastapi._fastapi import mark_asynchronous
from faststream_integrations.http.params import source_of

__all__ = ("Context", "Depends", "Logger", "refuse_foreign_markers")


class Resolver:
    """Finds a value of the context for FastAPI.

    Equal markers have one, so that FastAPI resolves their value once in a request.

    Args:
        name: The name of the value.
        default: What is given where it does not exist.
        initial: Makes it where it does not exist.
    """

    def __init__(self, name: str, default: Any, initial: Callable[[], Any] | None) -> None:
        self.name = name
        self._default = default
        self._initial = initial
        self._is_dotted = "." in name
        mark_asynchronous(self)  # FastAPI runs any other callable in a thread

    async def __call__(self, connection: HTTPConnection) -> Any:
        name = self.name
        if name == "request":
            return connection
        environment = Environment.from_scope(connection.scope) or DETACHED
        if name == "logger":
            return environment.logger
        context = environment.context
        value = resolve(context, name, EMPTY) if self._is_dotted else context.get(name, EMPTY)
        if value is EMPTY:
            value = environment.find(name)
        if value is not EMPTY:
            return value
        if self._default is not EMPTY:
            return self._default
        if self._initial is not None:
            return find_initial(context, name, self._initial)
        scope = connection.scope
        where = f"{scope.get('method', 'WEBSOCKET')} {scope['path']}"
        raise missing_value(name, where, environment)

    # What replaces it is found by the name alone, whatever the default.

    __eq__ = object.__eq__

    def __hash__(self) -> int:
        return hash(ContextKey(self.name))


_resolvers: WeakValueDictionary[tuple[str, int, int], Resolver] = WeakValueDictionary()


def _resolver_of(name: str, default: Any, initial: Callable[[], Any] | None) -> Resolver:
    key = (name, id(default), id(initial))
    resolver = _resolvers.get(key)
    if resolver is None:
        resolver = _resolvers[key] = Resolver(name, default, initial)
    return resolver


class ContextDependency(ContextMarker, params.Depends):
    """What `Context` returns: FastStream's marker, and a dependency of FastAPI's."""

    def __init__(self, name: str, default: Any, initial: Callable[[], Any] | None) -> None:
        ContextMarker.__init__(self, name, default=default, initial=initial)
        # FastAPI's dataclass is frozen.
        object.__setattr__(self, "dependency", _resolver_of(name, default, initial))

    # As a key of `dependency_overrides` it replaces all markers of its name: FastAPI asks with the
    # resolver, FastStream's functions with the key. Among markers, `Annotated` keeps one of equals.

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ContextDependency):
            return self.dependency is other.dependency
        return isinstance(other, (Resolver, ContextKey)) and other.name == self.name

    def __hash__(self) -> int:
        return hash(ContextKey(self.name))

    def __repr__(self) -> str:
        return f"Context({self.name!r})"


class DependsDependency(Dependant, params.Depends):
    """What `Depends` returns: FastStream's dependency and FastAPI's."""

    def __init__(
        self,
        dependency: Callable[..., Any],
        scope: Literal["function", "request"] | None,
        **flags: bool,
    ) -> None:
        for name, value in {"dependency": dependency, "scope": scope, **flags}.items():
            object.__setattr__(self, name, value)

    # FastAPI 0.121 makes its dataclass unhashable.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def Context(  # noqa: N802
    real_name: str,
    *,
    default: Any = EMPTY,
    initial: Callable[[], Any] | None = None,
) -> Any:
    """Get a value of FastStream's context, in FastAPI's endpoints and dependencies.

    ``broker: Annotated[NatsBroker, Context("broker")]`` works in path operations, websockets and
    their dependencies, on the application, on any router and in mounted applications, under a
    `FastStreamRouter` or `broker_lifespan`; and in FastStream's handlers and subscribers. It is
    not in the OpenAPI document. ``app.dependency_overrides[Context("broker")] = ...`` replaces
    the value of that name in a test, whatever the default, in endpoints, handlers and subscribers,
    for FastStream's own `Context` too.

    Args:
        real_name: The name of the value; dots lead to attributes and items. ``broker``,
            ``logger``, ``context`` and ``request`` (FastAPI's own) are always there.
        default: What is given where the value does not exist.
        initial: Makes the value where it does not exist, once; the context keeps it.

    Raises:
        ContextValueError: In a request, the value does not exist: a fault of the server's.
    """
    return ContextDependency(real_name, default, initial)


def Depends(  # noqa: N802
    dependency: Callable[..., Any],
    *,
    use_cache: bool = True,
    cast: bool = True,
    cast_result: bool = False,
    scope: Literal["function", "request"] | None = None,
) -> Any:
    """Depend on the result of a call, in FastAPI's endpoints and in FastStream's functions.

    FastAPI solves it in endpoints and FastDepends in handlers and subscribers, so that one
    dependency serves both, as long as its own parameters are `Context`, `Depends` and `Logger`.

    Args:
        dependency: The function or class; `async`, sync, or a generator.
        use_cache: Whether a request or message calls it once only.
        cast: FastDepends: whether the result is validated against the annotation.
        cast_result: FastDepends: whether it is validated against the return annotation.
        scope: FastAPI: whether a generator closes with the endpoint ("function") or after the
            response ("request", the default).
    """
    return DependsDependency(
        dependency, scope, use_cache=use_cache, cast=cast, cast_result=cast_result
    )


Logger = Annotated[logging.Logger, Context("logger")]
"""Annotation of a parameter that gets the logger of the FastStream application."""


# FastAPI does not know FastStream's markers, and silently makes a query parameter of them.

_OURS = "from faststream_integrations.fastapi import"


def refuse_foreign_markers(endpoint: Callable[..., Any]) -> None:
    """Refuse an endpoint that FastAPI would misunderstand, or one of its dependencies.

    Raises:
        SetupError: A marker of FastStream's is in a signature; the message says what to write.
    """
    _refuse(endpoint, set())


def _refuse(function: Callable[..., Any], seen: set[int]) -> None:
    if id(function) in seen:
        return
    seen.add(id(function))
    for parameter in _parameters_of(function):
        for marker in _markers_of(parameter):
            if isinstance(marker, ContextDependency):
                continue
            if isinstance(marker, params.Depends):
                if marker.dependency is not None:
                    _refuse(marker.dependency, seen)
            elif (advice := _advice_for(marker, parameter.name)) is not None:
                msg = (
                    f"The parameter {parameter.name!r} of {name_of(function)} is marked with "
                    f"{_describe(marker)}, which FastAPI takes for a value of the request. {advice}"
                )
                raise SetupError(msg)


def _parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # a name that exists for type checkers only
        options: dict[str, Any] = {}
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            options["annotation_format"] = Format.FORWARDREF
        signature = inspect.signature(function, **options)
    except (TypeError, ValueError):  # written in C, without a signature
        return []
    return list(signature.parameters.values())


def _markers_of(parameter: inspect.Parameter) -> Iterator[Any]:
    yield parameter.default
    if get_origin(parameter.annotation) is Annotated:
        yield from get_args(parameter.annotation)[1:]


def _advice_for(marker: Any, parameter: str) -> str | None:
    """Say what to write in place of a marker, `None` where FastAPI understands it."""
    if marker is Context or marker is faststream.Context:
        return f"Write `Context({parameter!r})`, with `{_OURS} Context`."
    if marker is Depends or marker is faststream.Depends or isinstance(marker, Dependant):
        return f"Write `Depends(...)`, with `{_OURS} Depends`, or FastAPI's own."
    if isinstance(marker, ContextMarker):
        if (source := source_of(marker)) is not None:
            return f"Write `{source!r}()`, with `from fastapi import {source!r}`."
        if marker.name == "logger":
            return f"Write `{parameter}: Logger`, with `{_OURS} Logger`."
        if marker.prefix:
            return "It reads a message, and a request is none."
        name = marker.name or parameter
        return f"Write `Context({name!r})`, with `{_OURS} Context`."
    if isinstance(marker, params.Header) and marker.alias == "context__":
        # What `Context` and `Logger` of FastStream's own FastAPI routers depend on.
        return f"Only FastStream's own router fills it. Write `{_OURS} Context, Logger`."
    if isinstance(marker, CustomField):
        return "Write a dependency: `Depends(...)`."
    return None


def _describe(marker: Any) -> str:
    name = getattr(marker, "__name__", None) or type(marker).__name__
    module = getattr(marker, "__module__", None) or type(marker).__module__
    return f"{module.partition('.')[0]}'s {name}"
