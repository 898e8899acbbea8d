"""What a handler asks for, read from its signature: a tree of calls and of their arguments."""

from __future__ import annotations

import inspect
from collections import abc
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ForwardRef, Union, get_args, get_origin

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from fast_depends.utils import (
    get_typed_signature,
    is_async_gen_callable,
    is_coroutine_callable,
    is_gen_callable,
)
from faststream.exceptions import SetupError

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.asgi.params import Parameter, Source, source_of

__all__ = (
    "Argument",
    "Call",
    "ContextValue",
    "CustomValue",
    "Dependency",
    "Field",
    "HostValue",
    "ScopeValue",
    "read_call",
)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A value that is read from the request."""

    name: str
    by_keyword: bool
    source: Source
    alias: str
    annotation: Any
    default: Any
    description: str | None = None

    @property
    def required(self) -> bool:
        return self.default is EMPTY

    @property
    def multiple(self) -> bool:
        """Whether all the values of the name are taken, not one."""
        return self.source in ("query", "header") and is_collection(self.annotation)

    @property
    def loc(self) -> tuple[str, ...]:
        """The place of the value in an error message."""
        return ("body",) if self.source == "body" else (self.source, self.alias)


@dataclass(frozen=True, slots=True, eq=False)
class ContextValue:
    """A value of FastStream's context."""

    name: str
    by_keyword: bool
    key: str
    annotation: Any
    default: Any
    initial: Callable[[], Any] | None
    cast: bool


@dataclass(frozen=True, slots=True, eq=False)
class CustomValue:
    """A value that a `CustomField` of the user's finds."""

    name: str
    by_keyword: bool
    field: CustomField


@dataclass(frozen=True, slots=True, eq=False)
class ScopeValue:
    """The ASGI scope, for the first parameter that says nothing of itself."""

    name: str
    by_keyword: bool


@dataclass(frozen=True, slots=True, eq=False)
class HostValue:
    """A value for a parameter that says nothing of itself, which a host's own injection finds."""

    name: str
    by_keyword: bool
    annotation: Any
    default: Any


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """The result of another call."""

    name: str
    by_keyword: bool
    call: Call
    annotation: Any
    use_cache: bool
    cast: bool
    cast_result: bool


Argument = Field | ContextValue | CustomValue | ScopeValue | HostValue | Dependency


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function and what its parameters ask for.

    `unresolved` names the parameters whose annotation refers to a name that does not exist yet.
    """

    function: Callable[..., Any]
    arguments: tuple[Argument, ...]
    returns: Any
    unresolved: tuple[str, ...]

    @property
    def is_async(self) -> bool:
        return is_coroutine_callable(self.function) or is_async_gen_callable(self.function)

    @property
    def is_generator(self) -> bool:
        return is_gen_callable(self.function) or is_async_gen_callable(self.function)

    @property
    def name(self) -> str:
        return name_of(self.function)

    def walk(self) -> Iterator[tuple[Call, Argument]]:
        """Go through the arguments of this call and of its dependencies, in order of running."""
        for argument in self.arguments:
            if isinstance(argument, Dependency):
                yield from argument.call.walk()
            yield self, argument

    def fields(self) -> list[Field]:
        """What is read from the request, by this call and its dependencies, each once."""
        return list(dict.fromkeys(a for _, a in self.walk() if isinstance(a, Field)))

    def host_values(self) -> list[tuple[Call, HostValue]]:
        """What is left to a host's injection, by this call and its dependencies."""
        return [(call, a) for call, a in self.walk() if isinstance(a, HostValue)]


def name_of(function: Callable[..., Any]) -> str:
    """Name a function as a log line should: with its module."""
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"


def read_call(
    function: Callable[..., Any],
    *,
    resolve: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
    gives_scope: bool = True,
) -> Call:
    """Read the signature of a handler, and of all that it depends on.

    A function that several calls depend on is one `Call` object in the tree.

    Args:
        function: The handler.
        resolve: Replaces a dependency, for the overrides of a `Provider`.
        gives_scope: Whether the first parameter that says nothing of itself gets the ASGI scope.

    Raises:
        SetupError: A dependency that depends on itself, or a parameter with several sources.
    """
    return _read_call(function, resolve, gives_scope, {})


def _read_call(
    function: Callable[..., Any],
    resolve: Callable[[Callable[..., Any]], Callable[..., Any]],
    gives_scope: bool,
    known: dict[Callable[..., Any], Call | None],
) -> Call:
    # `@inject` of fast_depends wraps the function; the plan does what the wrapper would do.
    function = getattr(function, "_fastdepends_call_", function)
    if function in known:
        if (call := known[function]) is None:
            msg = f"{name_of(function)} depends on itself."
            raise SetupError(msg)
        return call
    known[function] = None

    signature, returns = get_typed_signature(function)
    arguments: list[Argument] = []
    unresolved: list[str] = []
    gives_scope_here = gives_scope
    skipped = False
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        where = f"The parameter {parameter.name!r} of {name_of(function)}"
        annotation, marker, default = _split(parameter, where)
        if isinstance(annotation, (str, ForwardRef)):
            unresolved.append(parameter.name)
        by_keyword = skipped or parameter.kind is parameter.KEYWORD_ONLY

        if isinstance(marker, Dependant):
            dependency = _read_call(resolve(marker.dependency), resolve, gives_scope, known)
            unresolved += dependency.unresolved
            arguments.append(
                Dependency(
                    parameter.name,
                    by_keyword,
                    dependency,
                    annotation,
                    marker.use_cache,
                    marker.cast,
                    marker.cast_result,
                )
            )
        elif isinstance(marker, ContextMarker):
            arguments.append(
                _read_marker(parameter.name, by_keyword, annotation, marker, default, where)
            )
        elif isinstance(marker, CustomField):
            field = copy(marker).set_param_name(parameter.name)
            arguments.append(CustomValue(parameter.name, by_keyword, field))
        elif gives_scope_here and _takes_scope(parameter.name, annotation, default):
            gives_scope_here = False
            arguments.append(ScopeValue(parameter.name, by_keyword))
        elif default is EMPTY:
            arguments.append(HostValue(parameter.name, by_keyword, annotation, default))
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            break  # Its default stays in force, and so do those of all that follow it.
        else:
            skipped = True
            arguments.append(HostValue(parameter.name, True, annotation, default))

    call = known[function] = Call(function, tuple(arguments), returns, tuple(unresolved))
    return call


def _takes_scope(name: str, annotation: Any, default: Any) -> bool:
    """Tell whether a parameter without a marker is for the ASGI scope, and not for the host."""
    return name == "scope" or (default is EMPTY and (annotation is Any or _is_mapping(annotation)))


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_mapping(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(_is_mapping(argument) for argument in get_args(annotation))
    kind = origin or annotation
    return kind is object or (isinstance(kind, type) and issubclass(kind, abc.Mapping))


def _split(parameter: inspect.Parameter, where: str) -> tuple[Any, Any, Any]:
    """Separate an annotation, the marker in it or in the default, and the default value."""
    annotation: Any = Any if parameter.annotation is parameter.empty else parameter.annotation
    default: Any = EMPTY if parameter.default is parameter.empty else parameter.default
    markers = []
    if get_origin(annotation) is Annotated:
        type_, *metadata = get_args(annotation)
        markers = [m for m in metadata if isinstance(m, (Dependant, CustomField))]
        rest = [m for m in metadata if not isinstance(m, (Dependant, CustomField))]
        annotation = Annotated[(type_, *rest)] if rest else type_
    if isinstance(default, (Dependant, CustomField)):
        markers.append(default)
        default = EMPTY
    if len(markers) > 1:
        msg = f"{where} has several sources: {', '.join(map(repr, markers))}; leave one."
        raise SetupError(msg)
    return annotation, next(iter(markers), None), default


def _read_marker(
    parameter: str,
    by_keyword: bool,
    annotation: Any,
    marker: ContextMarker,
    default: Any,
    where: str,
) -> Field | ContextValue:
    if marker.default is not EMPTY:
        default = marker.default
    if (source := source_of(marker)) is not None:
        name = marker.name or parameter
        if source == "header":
            name = (marker.name or parameter.replace("_", "-")).lower()
        if source == "query" and annotation is Any:
            annotation = list[str]  # what upstream gives
        description = marker.description if isinstance(marker, Parameter) else None
        return Field(parameter, by_keyword, source, name, annotation, default, description)

    if marker.prefix.startswith("message.") and default is EMPTY:
        kind = "Path" if "path" in marker.prefix else "Header"
        msg = (
            f"{where} reads a message ({kind} of faststream), and an HTTP request is none. "
            f"Use {kind} of faststream_integrations.asgi, or give a default."
        )
        raise SetupError(msg)
    key = f"{marker.prefix}{marker.name or parameter}"
    return ContextValue(
        parameter, by_keyword, key, annotation, default, marker.initial, marker.cast
    )


def is_collection(annotation: Any) -> bool:
    """Tell whether an annotation takes several values: a list, a tuple, a set, or one of them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_collection(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(is_collection(argument) for argument in get_args(annotation))
    kind = origin or annotation
    return (
        isinstance(kind, type)
        and issubclass(kind, abc.Collection)
        and not issubclass(kind, (str, bytes, bytearray, abc.Mapping))
    )
