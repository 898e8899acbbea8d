"""Names of an import, moved to other modules, with everything else left as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from faststream_integrations.migrate.findings import Edit
from faststream_integrations.migrate.project import Module

__all__ = ("move",)


def move(
    module: Module, node: ast.ImportFrom, targets: Mapping[ast.alias, str]
) -> tuple[Edit, ...]:
    """Take names out of ``from ... import ...`` and import them from elsewhere.

    Args:
        module: The file.
        node: The import.
        targets: The names, and the module that has each of them now.

    Returns:
        The edits; none where the statement is written in a way that they could spoil.
    """
    start, end = module.span(node)
    text = module.source[start:end]
    if not text.startswith(b"from") or b"#" in text or b"\\" in text:
        return ()  # positions of another encoding; a comment about one of the names
    kept = [alias for alias in node.names if alias not in targets]
    if not kept and len(set(targets.values())) == 1:
        found = re.match(rb"from\s+([\w.]+)\s", text)
        if found is None:
            return ()
        (target,) = set(targets.values())
        return (Edit(start + found.start(1), start + found.end(1), target),)

    indent = module.source[module.line_starts[node.lineno - 1] : start]
    behind = module.source[end:].splitlines()[:1]
    if indent.strip() or (behind and not re.match(rb"\s*(#|$)", behind[0])):
        return ()  # other statements are in the line
    statements = [
        _statement(target, [alias for alias in node.names if targets.get(alias) == target])
        for target in sorted(set(targets.values()))
    ]
    if kept:
        write = _in_lines if b"\n" in text else _statement
        statements.append(write(node.module or "", kept))
    newline = "\r\n" if b"\r\n" in module.source else "\n"
    lines = "\n".join(statements).replace("\n", f"{newline}{indent.decode()}")
    return (Edit(start, end, lines),)


def _statement(package: str, names: list[ast.alias]) -> str:
    return f"from {package} import {', '.join(ast.unparse(name) for name in names)}"


def _in_lines(package: str, names: list[ast.alias]) -> str:
    lines = "".join(f"    {ast.unparse(name)},\n" for name in names)
    return f"from {package} import (\n{lines})"
