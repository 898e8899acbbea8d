"""What a parameter of a handler may be: a part of the request, the request itself, the scope."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from faststream import Context, Depends
from faststream.exceptions import SetupError

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.compiler.annotations import kinds_of, missing_names, takes_dict
from faststream_integrations.compiler.calls import Argument, Call, HostValue
from faststream_integrations.compiler.plan import CallWriter
from faststream_integrations.compiler.signature import Parameter, Reader, Rules, repeats
from faststream_integrations.http import params
from faststream_integrations.http.params import Parameter as Marker
from faststream_integrations.http.params import source_of
from faststream_integrations.http.request import AsgiRequest
from faststream_integrations.http.sources import Field, parts_of

__all__ = ("FrameworkValue", "HttpRules", "check_call")


class ScopeValue(Argument):
    """The ASGI scope, for the first parameter that says nothing of itself."""

    @property
    def needs_annotation(self) -> bool:
        return False

    def write(self, writer: CallWriter, call: Call) -> str:
        return "scope"


@dataclass(frozen=True, slots=True, eq=False)
class ForeignRequest(Argument):
    """The request as an object of Starlette's (hence FastAPI's), for a parameter of that type."""

    kind: type[Any]

    def write(self, writer: CallWriter, call: Call) -> str:
        writer.give(foreign_request=foreign_request)
        variable = writer.new("value", self.name)
        kind = writer.constant("type", self.name, self.kind)
        writer.line(f"{variable} = foreign_request({kind}, request)")
        return variable


@dataclass(frozen=True, slots=True, eq=False)
class FrameworkValue(Argument):
    """A parameter with a marker of a web framework, which that framework fills and nobody else.

    In the values that a host gives, it is its own key: functions may share names of parameters.

    Attributes:
        framework: The name of the framework's package.
        marker: The marker, or the type that says the same.
        annotation: The annotation of the parameter, with the marker where it stands there.
        default: Its default, `EMPTY` where there is none; the marker may stand there too.
    """

    framework: str
    marker: Any
    annotation: Any
    default: Any

    @classmethod
    def of(cls, parameter: Parameter) -> FrameworkValue | None:
        """Read a parameter that nothing of FastStream's marks; `None` where nothing else does."""
        fastapi: Any = sys.modules.get("fastapi.params")
        if fastapi is None:
            return None  # there can be no marker of it
        kinds = (fastapi.Depends, fastapi.Param, fastapi.Body)
        found = [each for each in _marks_of(parameter) if isinstance(each, kinds)]
        tasks: Any = sys.modules["starlette.background"]
        found += [
            kind
            for kind in kinds_of(parameter.annotation)
            if isinstance(kind, type) and issubclass(kind, tasks.BackgroundTasks)
        ]
        if not found:
            return None
        return cls(
            parameter.name,
            parameter.by_keyword,
            "fastapi",
            found[0],
            parameter.annotation,
            parameter.default,
        )

    def write(self, writer: CallWriter, call: Call) -> str:
        return f"host_values[{writer.constant('parameter', self.name, self)}]"


class HttpRules(Rules):
    """What reads an HTTP request.

    Args:
        gives_scope: Whether the first parameter that says nothing of itself gets the ASGI scope.
    """

    markers = (ContextMarker,)

    def __init__(self, *, gives_scope: bool = True) -> None:
        self._gives_scope = gives_scope

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        marker = parameter.marker
        if marker is not None:
            _refuse_second_dependency(parameter)
        if isinstance(marker, ContextMarker):
            return self._claim_marked(parameter, marker)
        if marker is None:
            if (of_framework := FrameworkValue.of(parameter)) is not None:
                return of_framework
            if (kind := _starlette_connection(parameter)) is not None:
                return ForeignRequest(parameter.name, parameter.by_keyword, kind)
            _refuse_without_parentheses(parameter)
            if self._gives_scope and _takes_scope(parameter):
                return ScopeValue(parameter.name, parameter.by_keyword)
        return None

    def _claim_marked(self, parameter: Parameter, marker: ContextMarker) -> Argument | None:
        default = parameter.default if marker.default is EMPTY else marker.default
        if (source := source_of(marker)) is not None:
            annotation = parameter.annotation
            if source.name == "query" and annotation is Any:
                annotation = list[str]  # what upstream gives
            try:
                alias = source.alias(marker.name, parameter.name)
                parts = parts_of(annotation, source)
            except ValueError as error:
                msg = f"{parameter.where}: {error}"
                raise SetupError(msg) from None
            return Field(
                parameter.name,
                parameter.by_keyword,
                source,
                alias,
                annotation,
                default,
                marker.description if isinstance(marker, Marker) else None,
                isinstance(marker, Marker) and marker.embed,
                parts,
            )
        if marker.prefix.startswith("message.") and default is EMPTY:
            kind = "Path" if "path" in marker.prefix else "Header"
            msg = (
                f"{parameter.where} reads a message ({kind} of faststream), and an HTTP request is "
                f"none. Use {kind} of faststream_integrations.asgi, or give a default."
            )
            raise SetupError(msg)
        return None


def _takes_scope(parameter: Parameter) -> bool:
    """Tell whether a parameter without a marker is for the ASGI scope, and not for the host."""
    if any(isinstance(argument, ScopeValue) for argument in parameter.before):
        return False
    if _foreign_marker(_marks_of(parameter)) is not None:
        return False
    if parameter.name == "scope":
        return True
    return parameter.default is EMPTY and (
        parameter.annotation is Any
        or takes_dict(parameter.annotation)
        or _is_scope_for_type_checkers(parameter)
    )


def _is_scope_for_type_checkers(parameter: Parameter) -> bool:
    """Tell whether the type of the first parameter exists for type checkers only, and is a scope.

    Any other name could hide a marker, as that of ``RequiredUser = Annotated[User, Depends(...)]``.
    """
    names = [name.rpartition(".")[2] for name in missing_names(parameter.annotation)]
    return any(name.endswith("Scope") or name in _MAPPINGS for name in names)


_MAPPINGS = frozenset({"Mapping", "MutableMapping"})


def _starlette_connection(parameter: Parameter) -> type[Any] | None:
    """Return the class of Starlette's or FastAPI's request that a parameter has as its type."""
    starlette: Any = sys.modules.get("starlette.requests")
    if starlette is None:
        return None
    for kind in kinds_of(parameter.annotation):
        if isinstance(kind, type) and issubclass(kind, starlette.HTTPConnection):
            if not issubclass(kind, starlette.Request) and kind is not starlette.HTTPConnection:
                msg = (
                    f"{parameter.where} is a {kind.__name__}, and a handler answers HTTP requests."
                )
                raise SetupError(msg)
            return kind
    return None


def foreign_request(kind: type[Any], request: AsgiRequest) -> Any:
    """Make an object of Starlette's over a request; the body is shared."""
    if issubclass(kind, sys.modules["starlette.requests"].Request):
        return kind(request.scope, request.replaying())
    return kind(request.scope)


def _refuse_second_dependency(parameter: Parameter) -> None:
    """Refuse a dependency of FastAPI's beside a source of FastStream's: it would not run."""
    fastapi: Any = sys.modules.get("fastapi.params")
    for each in _marks_of(parameter) if fastapi is not None else ():
        if isinstance(each, fastapi.Depends) and not repeats(each, parameter.marker):
            msg = (
                f"{parameter.where} has several sources: {parameter.marker!r}, {each!r}; leave one."
            )
            raise SetupError(msg)


_MARKERS = (params.Query, params.Header, params.Path, params.Cookie, params.Body, Context, Depends)


def _refuse_without_parentheses(parameter: Parameter) -> None:
    for marker in _marks_of(parameter):
        if any(marker is each for each in _MARKERS):
            msg = f"{parameter.where} is marked with {marker.__name__}; write {marker.__name__}()."
            raise SetupError(msg)


def check_call(call: Call, host_values: Collection[str], framework: str | None) -> None:
    """Refuse a function that cannot be compiled.

    Args:
        call: The function.
        host_values: The names of the parameters that the host fills.
        framework: The web framework whose markers the host knows.

    Raises:
        SetupError: The message says what to write instead.
    """
    unresolved = [name for name in call.unresolved if name not in host_values]
    if unresolved:
        names = sorted({name for parameter in unresolved for name in call.unresolved[parameter]})
        msg = (
            f"{call.name}: the annotations of {', '.join(unresolved)} refer to names that do "
            f"not exist: {', '.join(names)}; import them in the module that defines the "
            "function, and not for type checkers only."
        )
        raise SetupError(msg)
    if call.is_generator:
        msg = f"{call.name} is a generator; a handler returns its response."
        raise SetupError(msg)
    for owner, argument in call.all(FrameworkValue):
        if argument.framework != framework:
            raise _refusal(owner, argument.name, _describe(argument.marker))
    for owner, value in call.all(HostValue):
        if value.name in host_values:
            continue
        if (foreign := _foreign_marker(_marks_of(value))) is not None:
            raise _refusal(owner, value.name, foreign)
        if value.required:
            request = (
                f" For the request write `{value.name}: Request` with `from "
                "faststream_integrations import Request`."
                if value.name == "request"
                else ""
            )
            msg = (
                f"The parameter {value.name!r} of {owner.name} cannot be filled: only a first "
                "parameter without a type, or with that of a dict, gets the ASGI scope. "
                f"Write `{value.name}: Annotated[..., Query()]`, or Header(), Path(), "
                f"Cookie(), Body(), Context() or Depends(...).{request}"
            )
            raise SetupError(msg)


def _refusal(owner: Call, name: str, foreign: str) -> SetupError:
    route = " FastAPI's own work on a route of FastStreamRouter." if "fastapi" in foreign else ""
    return SetupError(
        f"The parameter {name!r} of {owner.name} is marked with {foreign}, which nobody would fill "
        "here. Write `Depends(...)` with `from faststream import Depends`, or Query(), Header(), "
        f"Path(), Cookie() or Body() of faststream_integrations.{route}"
    )


def _marks_of(parameter: Parameter | HostValue) -> tuple[Any, ...]:
    """Return what a parameter says beside its type."""
    metadata = getattr(parameter.annotation, "__metadata__", ())
    return (*metadata, parameter.default)


def _foreign_marker(marks: tuple[Any, ...]) -> str | None:
    """Name the marker of another framework that is among others."""
    for marker in marks:
        if type(marker).__module__.partition(".")[0] in ("fastapi", "litestar"):
            return _describe(marker)
    return None


def _describe(marker: Any) -> str:
    kind = marker if isinstance(marker, type) else type(marker)
    framework = next(
        (
            name
            for base in kind.__mro__
            if (name := base.__module__.partition(".")[0]) in ("fastapi", "litestar")
        ),
        kind.__module__.partition(".")[0],
    )
    return f"{kind.__name__} of {framework}"
