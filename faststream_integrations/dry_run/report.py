"""What a dry run tells: its report, with a bound on how much of it there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ValidationError, from_json, to_json

__all__ = ("Allowance", "DryRunReport", "Failure", "Published", "failure_of")

_ERRORS_SHOWN = 100
_ERRORS_LISTED = 1000
_DEEPEST = 100
_LARGEST_INTEGER = 1 << 14_000  # 4,215 digits; Python refuses to write more than 4,300
_CUT = "…"


@dataclass(frozen=True)
class Failure:
    """An exception, as a dry run shows it: never with a traceback.

    Attributes:
        type: The exception's class name.
        message: The exception's text.
        stage: "message" where the message was refused before the handler ran, "handler" where
            handler, dependencies or middlewares raised, "timeout" where time was up.
        details: Of a validation error each problem, of an exception group each exception.
    """

    type: str
    message: str
    stage: str = "handler"
    details: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    """A message that the handler would have published.

    Attributes:
        broker: The class name of the broker.
        channel: Its subject, topic, queue, routing key, channel, list or stream.
        payload: The message's body, as JSON can hold it.
        headers: Its headers.
        correlation_id: Its correlation id.
    """

    broker: str
    channel: str
    payload: Any
    headers: dict[str, Any]
    correlation_id: str | None


@dataclass(frozen=True)
class DryRunReport:
    """What one dry run did.

    Attributes:
        result: What the handler returned, after the middlewares, as JSON can hold it.
        error: The exception that nobody handled, if there was one.
        handled_error: The handler's exception that a middleware swallowed, or that asks for an
            acknowledgement, a redelivery or an end of consuming (`NackMessage`, `StopConsume`).
        acknowledgement: "ack", "nack" or "reject", what the broker would have been told; None
            when the handler says nothing, or where the broker knows no acknowledgement.
        published: The messages that would have been published, in order.
        duration: Seconds from the message's arrival to the end of its handling.
        notes: What is not shown for its size, each a sentence.
    """

    result: Any = None
    error: Failure | None = None
    handled_error: Failure | None = None
    acknowledgement: str | None = None
    published: list[Published] = field(default_factory=list)
    duration: float = 0.0
    notes: list[str] = field(default_factory=list)


class Allowance:
    """How much one report may still hold; what is more is cut before it costs anything.

    Args:
        values: How many strings, numbers, lists, objects and so on.
        characters: How many characters of text and bytes of binary data.

    Attributes:
        cuts: How often something was cut.
    """

    def __init__(self, values: int, characters: int) -> None:
        self.cuts = 0
        self._around: set[int] = set()
        self._values = values
        self._characters = characters

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is allowed."""
        return self._values < 0 or self._characters < 0

    def to_json(self, value: Any) -> Any:
        """Return a value as JSON can hold it, as far as it is allowed.

        What has no JSON form is its `repr`. A model, of which only a part is allowed, is an object
        of its fields, without its own serializers.
        """
        value = self._cut(value)
        for bytes_mode in ("utf8", "base64"):
            with suppress(Exception):
                return from_json(
                    to_json(
                        value,
                        bytes_mode=bytes_mode,
                        inf_nan_mode="strings",
                        fallback=self._without_json_form,
                    )
                )
        return self.text(repr(value))

    def strictly_json(self, value: Any) -> Any:
        """Return a value as far as it is allowed; raise where it has no JSON form."""
        return from_json(to_json(self._cut(value), inf_nan_mode="strings"))

    def text(self, text: str) -> str:
        """Return as much of a text as is allowed."""
        return str(self._cut(text))

    def _cut(self, value: Any) -> Any:
        """Return the value, or a copy of what is allowed of it."""
        self._values -= 1
        if self.is_spent or len(self._around) > _DEEPEST or id(value) in self._around:
            self.cuts += 1
            return _CUT
        if isinstance(value, (str, bytes, bytearray)):
            return self._cut_text(value)
        if isinstance(value, int):
            if -_LARGEST_INTEGER < value < _LARGEST_INTEGER:
                return value
            self.cuts += 1
            return _CUT
        self._around.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._cut_fields(value.items())
            if isinstance(value, (list, tuple, set, frozenset, deque)):
                return [item for _, item in self._allowed(enumerate(value))]
            if (inside := _fields(value)) is None:
                return value
            cuts = self.cuts
            cut = self._cut_fields(inside)
            # A model that is whole writes itself.
            return cut if self.cuts > cuts else value
        finally:
            self._around.discard(id(value))

    def _cut_text(self, value: Any) -> Any:
        allowed, self._characters = self._characters, self._characters - len(value)
        if self._characters >= 0:
            return value
        self.cuts += 1
        return value[:allowed] + _CUT if isinstance(value, str) else bytes(value[:allowed])

    def _cut_fields(self, items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        cut = {}
        for name, value in self._allowed(items):
            if isinstance(name, (str, bytes)):
                self._characters -= len(name)
            cut[name] = value
        return cut

    def _allowed(self, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for name, value in items:
            if self.is_spent:
                self.cuts += 1
                return
            yield name, self._cut(value)

    def _without_json_form(self, value: Any) -> Any:
        if (inside := _struct_fields(value)) is not None:
            return dict(inside)
        if hasattr(value, "body"):  # `Response`, `aio_pika.Message`
            return self._cut(value.body)
        return self.text(repr(value))


def _fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    """Return what is inside of a model, None for what is no model."""
    if isinstance(value, BaseModel):
        return [*vars(value).items(), *(value.model_extra or {}).items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [(f.name, getattr(value, f.name, None)) for f in fields(value)]
    return _struct_fields(value)


def _struct_fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    names = getattr(type(value), "__struct_fields__", None)  # msgspec
    return None if names is None else [(name, getattr(value, name)) for name in names]


def failure_of(
    exc: BaseException,
    allowance: Allowance,
    *,
    stage: str = "handler",
    path_of: Callable[[Sequence[Any]], list[Any] | None] = lambda _loc: None,
) -> Failure:
    """Describe an exception.

    Args:
        exc: The exception.
        allowance: How much of it may be shown.
        stage: Where it was raised (see `Failure`).
        path_of: Finds the place inside of the payload for the `loc` of a problem, None where the
            problem is not the payload's.
    """
    name = type(exc).__name__
    # FastDepends wraps what pydantic or msgspec said.
    origin = getattr(exc, "original_error", exc)
    if isinstance(origin, ValidationError):
        count = origin.error_count()
        message = f"{count:,} validation error{'s' if count > 1 else ''} for {origin.title}"
        return Failure(name, message, stage, _problems(origin, allowance, path_of))
    details = []
    if nested := getattr(exc, "exceptions", None):  # ExceptionGroup, of Python 3.11
        details = [
            {"type": type(each).__name__, "msg": allowance.text(_text(each))}
            for each in nested[:_ERRORS_SHOWN]
        ]
        origin = exc
    return Failure(name, allowance.text(_text(origin)), stage, details)


def _problems(
    error: ValidationError,
    allowance: Allowance,
    path_of: Callable[[Sequence[Any]], list[Any] | None],
) -> list[dict[str, Any]]:
    # It cannot be asked for some of them only, and many of them take long.
    if error.error_count() > _ERRORS_LISTED:
        return []
    problems = error.errors(include_url=False, include_context=False)
    return [_problem(problem, allowance, path_of) for problem in problems[:_ERRORS_SHOWN]]


def _problem(
    error: Mapping[str, Any],
    allowance: Allowance,
    path_of: Callable[[Sequence[Any]], list[Any] | None],
) -> dict[str, Any]:
    problem = {
        "type": error["type"],
        "loc": [allowance.text(key) if isinstance(key, str) else key for key in error["loc"]],
        "msg": allowance.text(error["msg"]),
    }
    if (path := path_of(error["loc"])) is not None:
        problem["path"] = path
    # What has no JSON form did not come with the message: it is FastStream's or the application's.
    with suppress(Exception):
        problem["input"] = allowance.strictly_json(error["input"])
    return problem


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return ""
