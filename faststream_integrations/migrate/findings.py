"""What the rules find, and how a file is rewritten."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = ("Edit", "Finding", "Level", "rewrite")


class Level(Enum):
    """What a finding asks of the reader."""

    CHANGE = "change"
    """It does not work here as it is."""

    CHECK = "check"
    """It works, and may mean something else."""


@dataclass(frozen=True)
class Edit:
    """Bytes of a file, and what takes their place."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One thing to change or to look at.

    Attributes:
        path: The file.
        line: The line, from 1.
        column: The column, from 1.
        level: What it asks of the reader.
        message: What to write, and why.
        edits: What ``--write`` does; empty where a person has to decide.
    """

    path: Path
    line: int
    column: int
    level: Level
    message: str
    edits: tuple[Edit, ...] = ()


def rewrite(source: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits that do not overlap.

    Args:
        source: The file.
        edits: What to do, in any order.

    Returns:
        The new file.

    Raises:
        ValueError: Two edits overlap, or the result is no Python: nothing that was safe.
    """
    pieces = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < position:
            msg = f"two changes meet at byte {edit.start}"
            raise ValueError(msg)
        pieces += [source[position : edit.start], edit.text.encode()]
        position = edit.end
    result = b"".join([*pieces, source[position:]])
    try:
        ast.parse(result)
    except SyntaxError as error:
        msg = f"the result would be no Python: {error}"
        raise ValueError(msg) from error
    return result
