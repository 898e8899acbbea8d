"""What a function asks for, read from its signature: a tree of calls and of their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Annotated, Any, get_args, get_origin

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from faststream.exceptions import SetupError

from faststream_integrations._faststream import (
    EMPTY,
    ContextMarker,
    injected_function,
    is_router_context,
)
from faststream_integrations.compiler.annotations import (
    is_missing,
    missing_names,
    read_signature,
    signature_of,
)
from faststream_integrations.compiler.calls import (
    Argument,
    Call,
    ContextKey,
    ContextValue,
    CustomValue,
    Default,
    Dependency,
    HostValue,
    kind_of,
    name_of,
)

__all__ = ("Parameter", "Reader", "Rules", "read_call", "repeats")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter before anything has claimed it.

    Attributes:
        name: Its name.
        by_keyword: Whether its value is passed by name.
        annotation: Its type, without the marker; `Any` where it has none.
        default: Its default, `EMPTY` where there is none or where the marker stands there.
        function: The function that it belongs to.
        marker: The one object in its annotation, or in place of its default, that is of a kind
            which the rules know; `None` where there is none.
        before: What fills the parameters before it.
        is_root: Whether it belongs to the handler, and not to one of its dependencies.
    """

    name: str
    by_keyword: bool
    annotation: Any
    default: Any
    function: Callable[..., Any]
    marker: Any
    before: Sequence[Argument]
    is_root: bool

    @property
    def where(self) -> str:
        """The beginning of an error message."""
        return f"The parameter {self.name!r} of {name_of(self.function)}"


class Rules:
    """How a kind of input, or a host, claims parameters; each of them is a subclass.

    Attributes:
        markers: The types of the markers that it knows, in annotations and as defaults.
    """

    markers: tuple[type[Any], ...] = ()

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        """Return what fills a parameter, `None` to leave it to the rules that follow.

        Args:
            parameter: The parameter.
            reader: Reads the functions that the argument depends on.

        Raises:
            SetupError: The parameter cannot mean anything; the message says what to write.
        """
        raise NotImplementedError


class FastStreamRules(Rules):
    """What means the same wherever it stands: `Depends`, `Context`, custom fields."""

    markers = (Dependant, CustomField)

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        name, by_keyword, marker = parameter.name, parameter.by_keyword, parameter.marker
        if isinstance(marker, Dependant):
            return Dependency(
                name,
                by_keyword,
                reader.read(marker.dependency),
                parameter.annotation,
                marker.use_cache,
                marker.cast,
                marker.cast_result,
            )
        if isinstance(marker, ContextMarker):
            key = f"{marker.prefix}{marker.name or name}"
            if reader.replaces(ContextKey(key)):
                return Dependency(name, by_keyword, reader.read(ContextKey(key)), Any)
            return ContextValue(
                name,
                by_keyword,
                key,
                parameter.annotation,
                parameter.default if marker.default is EMPTY else marker.default,
                marker.initial,
                marker.cast,
            )
        if isinstance(marker, CustomField):
            return CustomValue(name, by_keyword, copy(marker).set_param_name(name))
        return None


class Reader:
    """Reads one function and all that it depends on; a function that is met twice is one `Call`.

    Args:
        rules: Who claims parameters, the first ones first.
        resolve: Replaces a dependency, for overrides.
    """

    def __init__(
        self,
        rules: Sequence[Rules],
        resolve: Callable[[Callable[..., Any]], Callable[..., Any]],
    ) -> None:
        self._rules = tuple(rules)
        self._resolve = resolve
        self._known: dict[Any, Call | None] = {}

    def replaces(self, function: Any) -> bool:
        """Tell whether something stands in for a dependency or for a value of the context."""
        return self._resolve(function) is not function

    def read(self, function: Any, rules: Sequence[Rules] | None = None) -> Call:
        """Read a dependency, or what stands in for it.

        Args:
            function: The function, class or callable object, or the key of a value that is
                replaced.
            rules: The rules of this dependency and of its own ones, where they are others.
        """
        rules_before = self._rules
        if rules is not None:
            self._rules = tuple(rules)
        try:
            return self._read(self._resolve(function), is_root=False)
        finally:
            self._rules = rules_before

    def read_root(self, function: Callable[..., Any]) -> Call:
        """Read the function that everything is read for."""
        return self._read(function, is_root=True)

    def _read(self, function: Any, *, is_root: bool) -> Call:
        # `@inject` of fast_depends wraps a function, and the plan does what the wrapper would do.
        inner = injected_function(function)
        function = function if inner is None else inner
        key = (function if isinstance(function, Hashable) else id(function), self._rules)
        if key in self._known:
            if (call := self._known[key]) is None:
                msg = f"{name_of(function)} depends on itself."
                raise SetupError(msg)
            return call
        self._known[key] = None

        signature = read_signature(function)
        by_keyword = _names_taken(function, signature.parameters)
        markers = tuple({kind for rules in self._rules for kind in rules.markers})
        arguments: list[Argument] = []
        unresolved: dict[str, tuple[str, ...]] = {}
        for each in signature.parameters:
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                continue
            parameter = _split(
                Parameter(
                    name=each.name,
                    by_keyword=by_keyword is None or each.name in by_keyword,
                    annotation=Any if each.annotation is each.empty else each.annotation,
                    default=EMPTY if each.default is each.empty else each.default,
                    function=function,
                    marker=None,
                    before=tuple(arguments),
                    is_root=is_root,
                ),
                markers,
            )
            argument = self._claim(parameter)
            if each.name in signature.missing and (
                each.name in signature.hidden or argument.needs_annotation
            ):
                unresolved[each.name] = signature.missing[each.name]
            if isinstance(argument, Dependency):
                unresolved |= argument.call.unresolved
                if argument.cast_result and is_missing(argument.call.returns):
                    unresolved[each.name] = tuple(missing_names(argument.call.returns))
            arguments.append(argument)

        call = self._known[key] = Call(
            function,
            tuple(arguments),
            signature.returns,
            unresolved,
            kind_of(function),
            len(arguments) < len(signature.parameters),
        )
        return call

    def _claim(self, parameter: Parameter) -> Argument:
        for rules in self._rules:
            if (argument := rules.claim(parameter, self)) is not None:
                return argument
        name, by_keyword, default = parameter.name, parameter.by_keyword, parameter.default
        if default is not EMPTY and not by_keyword:
            return Default(name, by_keyword, default)
        return HostValue(name, by_keyword, parameter.annotation, default)


def read_call(
    function: Callable[..., Any],
    *rules: Rules,
    resolve: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> Call:
    """Read the signature of a function, and of all that it depends on.

    Args:
        function: The function.
        rules: Who claims parameters, the first ones first; `Depends`, `Context` and custom fields
            of FastStream are claimed after them, and what is left is a `HostValue`.
        resolve: Replaces a dependency, for overrides.

    Raises:
        SetupError: A dependency that depends on itself, or a parameter with several sources.
    """
    return Reader((*rules, FASTSTREAM_RULES), resolve).read_root(function)


FASTSTREAM_RULES = FastStreamRules()


def _names_taken(
    function: Callable[..., Any], parameters: Iterable[inspect.Parameter]
) -> set[str] | None:
    """Return the names that a function takes by keyword, `None` where it takes any.

    A decorator may show the signature of what it wraps, and itself take something else.
    """
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        try:
            parameters = signature_of(function, follow_wrapped=False).parameters.values()
        except ValueError:  # written in C, without a signature
            return None
    names = set()
    for each in parameters:
        if each.kind is each.VAR_KEYWORD:
            return None
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            names.add(each.name)
    return names


def _split(parameter: Parameter, kinds: tuple[type[Any], ...]) -> Parameter:
    """Separate the marker from the annotation or the default that it stands in."""
    annotation, default = parameter.annotation, parameter.default
    markers = []
    if get_origin(annotation) is Annotated:
        type_, *metadata = get_args(annotation)
        markers = [each for each in metadata if isinstance(each, kinds)]
        rest = [each for each in metadata if not isinstance(each, kinds)]
        annotation = Annotated[(type_, *rest)] if rest else type_
    if isinstance(default, kinds):
        markers.append(default)
        default = EMPTY
    for known in [each for each in markers if isinstance(each, (Dependant, ContextMarker))]:
        markers = [each for each in markers if each is known or not repeats(each, known)]
    if len(markers) > 1 and not _mean_the_same(markers):
        msg = f"{parameter.where} has several sources: {', '.join(map(repr, markers))}; leave one."
        raise SetupError(msg)
    marker = markers[-1] if markers else None
    return replace(parameter, annotation=annotation, default=default, marker=marker)


def repeats(other: Any, marker: Any) -> bool:
    """Tell whether a marker of FastAPI's says what FastStream's says: one function may serve both.

    Args:
        other: The marker of FastAPI's.
        marker: That of FastStream's, beside it.
    """
    if isinstance(marker, ContextMarker):
        return is_router_context(other)
    if isinstance(other, Dependant) or getattr(other, "scopes", None):
        return False
    return getattr(other, "dependency", None) is getattr(marker, "dependency", other)


def _mean_the_same(markers: Sequence[Any]) -> bool:
    """Tell whether all markers are one name of the context, as FastStream's own annotations have
    one already: ``Annotated[ContextRepo, Context("context")]``.
    """
    return (
        all(isinstance(marker, ContextMarker) for marker in markers)
        and len({(marker.prefix, marker.name) for marker in markers}) == 1
    )
