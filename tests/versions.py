"""The suites on other versions of what the package builds on, and on every Python it supports.

``python -m tests.versions versions`` (`make test-versions`) and ``... pythons``
(`make test-pythons`) run what their row of the table says, ``... NAME`` one set alone; nothing is
needed but the standard library. Each set has a virtual environment of its own, `.venv-NAME`, which
is kept for the next run. Two run side by side, since much of what they do is waiting; each is
printed when it has ended.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools.environments import CONSTRAINTS, PIP, PYTHONS, ROOT, find_python, make_environment

AT_ONCE = 2
THIS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

# What the tests, and the options of pytest in `pyproject.toml`, want is written there alone.
EVERYTHING = ("--editable", ".[all]", "--group", "test")
AS_RECORDED = (*EVERYTHING, "--constraint", str(CONSTRAINTS))


@dataclass(frozen=True)
class Versions:
    """A set of versions, and the tests that concern it.

    Attributes:
        name: The end of the name of its environment.
        requirements: What pip installs.
        tests: The arguments of pytest.
        python: The Python, as ``3.12``; by default the one that runs this file.
    """

    name: str
    requirements: tuple[str, ...]
    tests: tuple[str, ...]
    python: str | None = None


HOSTS = ("tests/contract", "tests/fastapi_host", "tests/litestar_host")
FASTAPI = (*HOSTS[:2], "-k", "fastapi")
SUITES = (*HOSTS, "tests/asgi", "tests/lifecycle")
# What depends on the host alone: the rest shows the faults of the oldest FastStream, too.
LIFECYCLE = ("exit", "servers", "start")

MATRIX = {
    "versions": (
        Versions(
            "oldest",
            (
                *EVERYTHING,
                "faststream==0.7.0",
                "fastapi==0.121.0",
                "litestar==2.23.0",
                # Newer ones it cannot import, or calls as they do not want it any more.
                "zmqtt==0.0.4",
                "redis<7",
            ),
            (
                *HOSTS,
                *("tests/subscribers", "tests/dry_run", "tests/reference"),
                "--ignore=tests/dry_run/test_dry_run_load.py",
                "tests/asgi/test_handlers.py",
                *(f"tests/lifecycle/test_{what}.py" for what in LIFECYCLE),
            ),
        ),
        # Routers copied their routes until 0.136, and are live since 0.137.
        Versions("fastapi-0.136", (*EVERYTHING, "fastapi==0.136.0"), FASTAPI),
        Versions("fastapi-0.137", (*EVERYTHING, "fastapi==0.137.0"), FASTAPI),
        Versions(
            "latest",
            (*EVERYTHING, "--upgrade", "--upgrade-strategy", "eager"),
            (*HOSTS, "-k", "fastapi or litestar"),
        ),
    ),
    "pythons": tuple(
        Versions(f"python-{python}", AS_RECORDED, SUITES, python) for python in PYTHONS
    ),
}


def main() -> int:
    """Return 0 when the tests pass everywhere."""
    sets = {versions.name: versions for row in MATRIX.values() for versions in row}
    chosen = []
    for argument in sys.argv[1:]:
        if argument not in MATRIX and argument not in sets:
            print(f"There is no {argument} in {__file__}.", file=sys.stderr)
            return 2
        chosen += MATRIX.get(argument) or [sets[argument]]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        passed = list(threads.map(passes, chosen))
    failed = [versions.name for versions, good in zip(chosen, passed, strict=True) if not good]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def passes(versions: Versions) -> bool:
    """Run the tests on a set of versions."""
    if versions.python == THIS_PYTHON:
        print(f"\n{versions.name}: `make test` runs on it", flush=True)
        return True
    python = find_python(versions.python) if versions.python else sys.executable
    if python is None:
        print(f"\n{versions.name}: not on this machine, skipped", flush=True)
        return True
    interpreter = make_environment(
        ROOT / f".venv-{versions.name}",
        ["--upgrade", PIP],
        versions.requirements,
        python=python,
    )
    command = [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *versions.tests]
    with tempfile.TemporaryFile("w+") as output:
        result = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        output.seek(0)
        requirements = " ".join(versions.requirements)
        print(f"\n{versions.name}: {requirements}\n{output.read()}", flush=True)
    return result.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
