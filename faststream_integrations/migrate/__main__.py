"""``python -m faststream_integrations.migrate PATH``: what to change, file by file."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from faststream_integrations.migrate.findings import Edit, Finding, Level, rewrite
from faststream_integrations.migrate.project import Project
from faststream_integrations.migrate.rules import examine

__all__ = ("main",)

DESCRIPTION = """
Tell what a project has to change that comes from faststream.asgi, faststream.<broker>.fastapi,
faststream_fastapi or litestar_faststream. The files are read; nothing of them is imported.
"""

STATUS = """
exit status: 0 nothing to change, 1 something to change, 2 a file or the path could not be read.
"change" does not work here as it is; "check" works and may mean something else.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Those of the command line, by default the process's own.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m faststream_integrations.migrate", description=DESCRIPTION, epilog=STATUS
    )
    parser.add_argument("path", type=Path, help="the folder of the project, or a file")
    parser.add_argument(
        "--write", action="store_true", help="make the changes that are safe: imports"
    )
    options = parser.parse_args(arguments)
    if not options.path.exists():
        print(f"There is no {options.path}.", file=sys.stderr)
        return 2

    project = Project(options.path)
    findings = examine(project)
    written = _write(findings) if options.write else set()
    for finding in findings:
        done = "written" if finding in written else finding.level.value
        place = f"{finding.path}:{finding.line}:{finding.column}"
        print(f"{place}: {done}: {finding.message}")
    for path, reason in sorted(project.unreadable.items()):
        print(f"{path} could not be read: {reason}", file=sys.stderr)

    left = [each for each in findings if each.level is Level.CHANGE and each not in written]
    checks = sum(each.level is Level.CHECK for each in findings)
    safe = sum(bool(each.edits) for each in left)
    by_write = f", of which --write makes {safe}" if safe else ""
    print(
        f"{len(project.modules)} files: {len(left)} to change{by_write}, {checks} to check"
        + (f", {len(written)} written" if options.write else "")
        + "."
    )
    if project.unreadable:
        return 2
    return 1 if left else 0


def _write(findings: list[Finding]) -> set[Finding]:
    """Make the changes that are safe; return what they are."""
    edits: dict[Path, set[Edit]] = defaultdict(set)
    for finding in findings:
        edits[finding.path].update(finding.edits)
    written = set()
    for path, of_path in edits.items():
        if not of_path:
            continue
        source = path.read_bytes()
        try:
            path.write_bytes(rewrite(source, of_path))
        except ValueError as error:
            print(f"{path} is left as it is: {error}", file=sys.stderr)
        else:
            written |= {each for each in findings if each.path == path and each.edits}
    return written


if __name__ == "__main__":
    sys.exit(main())
