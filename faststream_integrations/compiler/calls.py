"""Calls and their arguments: what a function asks for, as a tree.

Each kind of argument writes itself. A host, or a kind of input, adds kinds of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fast_depends.library import CustomField

from faststream_integrations._faststream import EMPTY, is_broker_class
from faststream_integrations.compiler.annotations import kinds_of

if TYPE_CHECKING:
    from faststream_integrations.compiler.plan import CallWriter

__all__ = (
    "Argument",
    "Call",
    "ContextKey",
    "ContextValue",
    "CustomValue",
    "Default",
    "Dependency",
    "HostValue",
    "Kind",
    "kind_of",
    "name_of",
)

AnyArgument = TypeVar("AnyArgument", bound="Argument")


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """What fills one parameter of a function.

    Attributes:
        name: The name of the parameter.
        by_keyword: Whether it is passed by name; by position where Python allows nothing else.
    """

    name: str
    by_keyword: bool

    @property
    def needs_annotation(self) -> bool:
        """Whether the type of the parameter has to exist at run time."""
        return True

    def write(self, writer: CallWriter, call: Call) -> str | None:
        """Write the lines that find the value.

        Args:
            writer: Takes the lines.
            call: The call that the argument belongs to.

        Returns:
            The expression of the value; `None` leaves the parameter to its default.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ContextKey:
    """By what a value of the context is replaced in a test, where a host lets it: its name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ContextValue(Argument):
    """A value of FastStream's context."""

    key: str
    annotation: Any
    default: Any
    initial: Callable[[], Any] | None
    cast: bool

    @property
    def needs_annotation(self) -> bool:
        return self.cast

    @property
    def required(self) -> bool:
        return self.default is EMPTY and self.initial is None

    @property
    def broker_class(self) -> type[Any] | None:
        """The class of the broker that is wanted, `None` where any value is."""
        kinds = kinds_of(self.annotation) if self.key == "broker" else []
        return next(
            (kind for kind in kinds if isinstance(kind, type) and is_broker_class(kind)),
            None,
        )

    def write(self, writer: CallWriter, call: Call) -> str:
        variable = writer.write_context_value(self, call)
        if self.cast:
            return writer.write_check(variable, self.annotation, f"Context({self.key!r})")
        return variable


@dataclass(frozen=True, slots=True, eq=False)
class CustomValue(Argument):
    """A value that a `CustomField` of the user's finds."""

    field: CustomField

    @property
    def needs_annotation(self) -> bool:
        return False

    def write(self, writer: CallWriter, call: Call) -> str:
        field = writer.constant("field", self.name, self.field)
        variable = writer.new("value", self.name)
        writer.line(f"{variable} = await find_custom({field}, context)")
        return variable


@dataclass(frozen=True, slots=True, eq=False)
class HostValue(Argument):
    """A value for a parameter that nothing claims, which a host's own injection may find."""

    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is EMPTY

    def write(self, writer: CallWriter, call: Call) -> str | None:
        if self.name in writer.host_values:
            return f"host_values[{self.name!r}]"
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Default(Argument):
    """The default of a parameter that can only be passed by position."""

    value: Any

    def write(self, writer: CallWriter, call: Call) -> str:
        return writer.constant("default", self.name, self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Dependency(Argument):
    """The result of another call.

    Attributes:
        call: The call.
        annotation: The type that the parameter gives it.
        use_cache: Whether all who depend on the call share one result.
        cast: Whether the result is validated by `annotation`.
        cast_result: Whether it is validated by the return annotation of the function.
    """

    call: Call
    annotation: Any
    use_cache: bool = True
    cast: bool = False
    cast_result: bool = False

    @property
    def needs_annotation(self) -> bool:
        return self.cast

    def write(self, writer: CallWriter, call: Call) -> str:
        return writer.write_dependency(self)


class Kind(Enum):
    """What calling a function gives."""

    VALUE = "a value, and it may block"
    COROUTINE = "a coroutine"
    GENERATOR = "a generator"
    ASYNC_GENERATOR = "an asynchronous generator"
    COROUTINE_OF_WRAPPED = "what a `def` around an `async def` gives, most likely its coroutine"
    GENERATOR_OF_WRAPPED = "what a `def` around a generator gives, most likely that"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function and what its parameters ask for.

    Attributes:
        function: The function.
        arguments: What fills its parameters, in their order.
        returns: The return annotation; `inspect.Signature.empty` where there is none.
        unresolved: The names that annotations refer to and that do not exist, by the names of the
            parameters, those of its dependencies too, where the annotation is needed.
        kind: What calling the function gives.
        is_variadic: Whether it takes more than its parameters have names for.
    """

    function: Callable[..., Any]
    arguments: tuple[Argument, ...]
    returns: Any
    unresolved: Mapping[str, tuple[str, ...]]
    kind: Kind
    is_variadic: bool

    @property
    def is_generator(self) -> bool:
        return self.kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR, Kind.GENERATOR_OF_WRAPPED)

    @property
    def name(self) -> str:
        return name_of(self.function)

    def walk(self) -> Iterator[tuple[Call, Argument]]:
        """Go through the arguments of this call and of its dependencies, in order of running."""
        for argument in self.arguments:
            if isinstance(argument, Dependency):
                yield from argument.call.walk()
            yield self, argument

    def all(self, kind: type[AnyArgument]) -> list[tuple[Call, AnyArgument]]:
        """Return the arguments of a kind and whose they are, of this call and its dependencies."""
        found = {argument: call for call, argument in self.walk() if isinstance(argument, kind)}
        return [(call, argument) for argument, call in found.items()]


def kind_of(function: Callable[..., Any]) -> Kind:
    """Tell what calling a function gives."""
    kind = _own_kind_of(function)
    if kind is not Kind.VALUE or isinstance(function, type):
        return kind
    wrapped = inspect.unwrap(function)
    wrapped_kind = _own_kind_of(wrapped) if wrapped is not function else Kind.VALUE
    if wrapped_kind is Kind.VALUE:
        return kind
    is_coroutine = wrapped_kind is Kind.COROUTINE
    return Kind.COROUTINE_OF_WRAPPED if is_coroutine else Kind.GENERATOR_OF_WRAPPED


def _own_kind_of(function: Any) -> Kind:
    while True:
        if inspect.iscoroutinefunction(function):
            return Kind.COROUTINE
        if inspect.isasyncgenfunction(function):
            return Kind.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(function):
            return Kind.GENERATOR
        if isinstance(function, partial):
            function = function.func
        elif isinstance(function, type) or inspect.isroutine(function):
            return Kind.VALUE
        else:
            function = type(function).__call__


def name_of(function: Callable[..., Any]) -> str:
    """Name a function as a log line should: with its module."""
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"
