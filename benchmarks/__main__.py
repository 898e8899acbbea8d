"""Measure: ``python -m benchmarks`` for everything, or with the names of groups."""

from __future__ import annotations

import argparse
import importlib
import platform
import time
from importlib.metadata import version

# Each is a module here with a `main()` that measures and prints.
GROUPS = (
    "imports",
    "handlers",
    "messages",
    "server",
    "fastapi_host",
    "litestar_host",
    "docs_page",
    "probes",
    "try_it_out",
    "workers",
)

PACKAGES = ("faststream", "starlette", "litestar", "fastapi", "pydantic", "uvicorn")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "groups",
        nargs="*",
        choices=[*GROUPS, []],
        metavar="group",
        help=f"{', '.join(GROUPS)}; everything by default",
    )
    groups = parser.parse_args().groups or GROUPS
    started = time.perf_counter()
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()},", end=" ")
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES))
    for group in groups:
        print(f"\n## {group}\n")
        importlib.import_module(f"benchmarks.{group}").main()
    print(f"\nMeasured in {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
