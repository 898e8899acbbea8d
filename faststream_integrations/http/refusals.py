"""The errors of a request that does not validate, all of them, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

__all__ = ("Errors",)

MOST_ERRORS = 100
"""So many errors are listed at most."""

MOST_FOUND = 1000
"""Of so many errors of one value none is listed: to list them takes longer than to find them."""

MOST_TEXT = 32 * 1024
"""About so many characters of what the client sent are repeated, in all errors together."""


class Errors:
    """The errors of a request, each place and type of error once, within bounds."""

    __slots__ = ("_errors", "_left_out", "_size")

    def __init__(self) -> None:
        self._errors: dict[Any, dict[str, Any]] = {}
        self._left_out = 0
        self._size = MOST_TEXT

    def add_missing(self, loc: tuple[str, ...]) -> None:
        """Note a required value that the request lacks."""
        self._add("missing", loc, "Field required", None)

    def check(self, loc: tuple[str, ...], value: Any, validate: Callable[[Any], Any]) -> None:
        """Note what is wrong with a value."""
        try:
            validate(value)
        except ValidationError as invalid:
            if invalid.error_count() > MOST_FOUND:
                self._left_out += invalid.error_count()
                return
            for error in invalid.errors(include_url=False, include_context=False):
                is_json = error["type"] == "json_invalid"
                place = (*loc, *map(self._cut, error["loc"]))
                input_ = None if is_json else error["input"]
                self._add(error["type"], place, error["msg"], input_)

    def _add(self, type_: str, loc: tuple[Any, ...], msg: str, input_: Any) -> None:
        if (loc, type_) in self._errors:
            return
        if len(self._errors) >= MOST_ERRORS or self._size <= 0:
            self._left_out += 1
            return
        self._errors[loc, type_] = {
            "type": type_,
            "loc": loc,
            "msg": self._cut(msg),
            "input": self._cut(input_),
        }

    def _cut(self, value: Any) -> Any:
        """Return as much of a value as there is room for, and take that room."""
        if isinstance(value, (str, bytes)):
            room, length = max(self._size, 0), len(value)
            self._size -= length + 8
            if length <= room:
                return value
            return f"{value[:room]!s}..."
        self._size -= 8
        if isinstance(value, dict):
            shown = {}
            for key, each in value.items():
                if self._size <= 0:
                    shown["..."] = "..."
                    break
                shown[self._cut(key)] = self._cut(each)
            return shown
        if isinstance(value, (list, tuple, set, frozenset)):
            items: list[Any] = []
            for each in value:
                if self._size <= 0:
                    items.append("...")
                    break
                items.append(self._cut(each))
            return items
        return value

    def found(self) -> list[dict[str, Any]]:
        """Return the errors in the order in which they were found, and how many more there are."""
        errors = list(self._errors.values())
        if self._left_out:
            msg = f"{self._left_out} more errors are not listed"
            errors.append({"type": "too_many_errors", "loc": (), "msg": msg, "input": None})
        return errors
