"""Writes the source of one coroutine function and makes the function of it."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from weakref import finalize

__all__ = ("Writer",)

_numbers = count(1)
_NO_LETTERS = re.compile(r"\W", re.ASCII)


class Writer:
    """The lines of a function, and the objects that they name.

    No name that a user chose can meet a name of ours, a builtin or a dunder: a name that comes of
    a user's has two underscores in its middle (``value__limit``), and no name of ours has any.
    Objects of users stand behind such names, one name for each object, whatever `__name__` they
    have.

    Args:
        parameters: The parameters of the function, as they are written.
        ours: Objects of ours by the names that the lines have for them.
    """

    def __init__(self, parameters: str, **ours: Any) -> None:
        self._parameters = parameters
        # By its module a traceback's frame is told from the application's.
        self._globals: dict[str, Any] = {"__name__": __name__}
        self._taken: set[str] = set()
        self._lines: list[str] = []
        self.indent = 1
        self.give(**ours)

    def give(self, **ours: Any) -> None:
        """Make objects of ours known by their names.

        Raises:
            ValueError: A name has two underscores in a row, which are for the names of users.
        """
        for name, value in ours.items():
            if "__" in name:
                msg = f"{name!r} may be a user's name; ours have no two underscores in a row."
                raise ValueError(msg)
            self._globals[name] = value

    def line(self, text: str) -> None:
        """Write a line at the present indentation."""
        self._lines.append("    " * self.indent + text)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Write a line, and indent what follows within."""
        self.line(opening)
        self.indent += 1
        yield
        self.indent -= 1

    def new(self, kind: str, name: str) -> str:
        """Return a variable for something of a user's that nothing else is called.

        Args:
            kind: What it is, in a word of ours.
            name: How the user calls it; any text will do.
        """
        stem = candidate = f"{kind}__{_NO_LETTERS.sub('_', name)}"
        number = 1
        while candidate in self._taken:
            number += 1
            candidate = f"{stem}_{number}"
        self._taken.add(candidate)
        return candidate

    def constant(self, kind: str, name: str, value: Any) -> str:
        """Make an object of a user's known, and return the name for it; see `new`."""
        variable = self.new(kind, name)
        self._globals[variable] = value
        return variable

    def define(self, what: str) -> tuple[str, Callable[..., Any]]:
        """Compile the function; tracebacks and debuggers show its source.

        Args:
            what: What was compiled, for the name of the file that tracebacks show.

        Returns:
            The source and the function.
        """
        source = "\n".join([f"async def plan({self._parameters}):", *self._lines, ""])
        filename = f"<plan {next(_numbers)} of {what}>"
        exec(compile(source, filename, "exec"), self._globals)  # noqa: S102 - our own source
        function = self._globals.pop("plan")  # no cycle: it goes with its last user
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        finalize(function, linecache.cache.pop, filename, None).atexit = False
        return source, function
