"""``make check``: the version of `pyproject.toml` is the one at the top of the changelog."""

from __future__ import annotations

import re
import sys

from tools.environments import ROOT

__all__ = ("difference", "version")


def version() -> str:
    """The version of the project."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def difference(changelog: str, version: str) -> str | None:
    """Tell what is wrong with the top of the changelog.

    Args:
        changelog: Its text.
        version: The version of the project.

    Returns:
        What differs; None where nothing does.
    """
    top = re.search(r"^## (\S+) - (\S+)$", changelog, re.MULTILINE)
    if top is None:
        return "The changelog has no heading like `## 1.2.3 - 2026-01-31`."
    if top[1] != version:
        return f"The changelog begins with {top[1]}, and pyproject.toml has {version}."
    if not re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", top[2]):
        return f"{top[1]} is of {top[2]}, which is no date."
    return None


def main() -> int:
    """Return 0 when they are the same."""
    if wrong := difference((ROOT / "docs" / "changelog.md").read_text(), version()):
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
