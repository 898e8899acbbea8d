"""Markers and types of FastAPI's and Litestar's that mean nothing in a subscriber.

FastStream takes a marker that it does not know for plain metadata, and the parameter for a part of
the message: whoever publishes would choose what a dependency was to decide.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from faststream.exceptions import SetupError
from typing_extensions import TypeAliasType

from faststream_integrations.compiler.signature import Parameter

__all__ = ("parts_of", "refuse_foreign")


class Foreign(NamedTuple):
    """A class of another framework's, which is looked up only where that framework is loaded."""

    module: str
    name: str
    advice: str

    def has_made(self, value: Any) -> bool:
        """Tell whether a marker is an instance of the class."""
        return self._class is not None and isinstance(value, self._class)

    def is_above(self, annotation: Any) -> bool:
        """Tell whether an annotation is the class, or one derived from it."""
        return (
            self._class is not None
            and isinstance(annotation, type)
            and issubclass(annotation, self._class)
        )

    @property
    def _class(self) -> type[Any] | None:
        # Without the module there can be no marker of it.
        return vars(sys.modules.get(self.module, sys)).get(self.name)


_DEPENDS = "Write `Depends(...)`, with `from faststream import Depends`."
_FIELD = "Leave the marker out, and the value is read from the message's body."
_MESSAGE = (
    "Take the message by the annotation of its broker, such as "
    "`faststream.nats.annotations.NatsMessage`."
)

_MARKERS = (
    Foreign("fastapi.params", "Depends", _DEPENDS),
    Foreign("fastapi.params", "Header", "Write `Header()`, with `from faststream import Header`."),
    Foreign("fastapi.params", "Path", "Write `Path()`, with `from faststream import Path`."),
    Foreign("fastapi.params", "Param", _FIELD),
    Foreign("fastapi.params", "Body", _FIELD),
    Foreign("litestar.di", "Dependency", _DEPENDS),
    Foreign("litestar.params", "DependencyKwarg", _DEPENDS),
    Foreign("litestar.di", "Provide", _DEPENDS),
    Foreign("litestar.params", "KwargDefinition", _FIELD),
)

_TYPES = (
    Foreign("starlette.requests", "HTTPConnection", _MESSAGE),
    Foreign("litestar.connection", "ASGIConnection", _MESSAGE),
    Foreign("litestar.datastructures", "State", "Write `Context(...)`, of faststream."),
    Foreign("starlette.responses", "Response", "Return a `faststream.Response`."),
    Foreign("starlette.background", "BackgroundTask", "Start a task of your own."),
    Foreign("fastapi.security", "SecurityScopes", "A message has no scopes."),
)


def refuse_foreign(parameter: Parameter) -> None:
    """Refuse a parameter that says something which FastStream does not hear.

    Args:
        parameter: A parameter that no rules of a host have claimed. Its type may be anything
            where a marker of FastStream's says where the value comes from.

    Raises:
        SetupError: A marker or a type of another framework's is in its annotation, at any depth,
            or in place of its default; the message says what to write.
    """
    markers, types = parts_of(parameter.annotation, parameter.default)
    for foreign in _MARKERS:
        for marker in markers:
            if foreign.has_made(marker):
                raise _error(parameter, _describe(marker), foreign)
    for foreign in _TYPES if parameter.marker is None else ():
        for type_ in types:
            if foreign.is_above(type_):
                raise _error(parameter, f"`{type_.__name__}`", foreign)


def _error(parameter: Parameter, what: str, foreign: Foreign) -> SetupError:
    return SetupError(
        f"{parameter.where} is {what}, which means nothing in a subscriber: its value would come "
        f"from the message. {foreign.advice}"
    )


def parts_of(annotation: Any, default: Any) -> tuple[list[Any], list[Any]]:
    """Return the markers of a parameter, those deep in its annotation included, and its types."""
    markers, types = [default], []
    for part in _walk(annotation, []):
        if get_origin(part) is Annotated:
            markers += part.__metadata__
        else:
            types.append(get_origin(part) or part)
    return markers, types


def _walk(annotation: Any, seen: list[Any]) -> Iterator[Any]:
    origin = get_origin(annotation)
    yield annotation
    yield from _walk_alias(annotation if origin is None else origin, seen)
    arguments = get_args(annotation)
    for argument in arguments[:1] if origin is Annotated else arguments:
        yield from _walk(argument, seen)


def _walk_alias(alias: Any, seen: list[Any]) -> Iterator[Any]:
    """Go through what a `type` statement stands for, which may be recursive."""
    if isinstance(alias, TypeAliasType) and alias not in seen:
        seen.append(alias)
        yield from _walk(alias.__value__, seen)


def _describe(marker: Any) -> str:
    class_ = type(marker)
    return f"`{class_.__name__}` of {class_.__module__.partition('.')[0]}"
