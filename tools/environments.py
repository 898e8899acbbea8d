"""Virtual environments that survive an interruption, and the Pythons to make them with.

``python -m tools.environments FOLDER ARGUMENT...`` makes the environment in `FOLDER`, where there
is none, and calls its ``pip install`` with the arguments and the versions of ``constraints.txt``.
An environment whose installation was interrupted, by Ctrl-C or by SIGKILL at any moment, is thrown
away and made again by the next call. Nothing is needed but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ("CONSTRAINTS", "PIP", "PYTHONS", "ROOT", "find_python", "make_environment")

ROOT = Path(__file__).parent.parent

CONSTRAINTS = ROOT / "constraints.txt"
"""The versions that were tested, written by ``make lock``."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""What the package supports, from the oldest to the newest."""

PIP = "pip>=25.3"
"""The oldest pip that knows ``--group`` and ``--build-constraint``."""

UNFINISHED = ".unfinished"
"""In an environment: something is being installed, or was when the process was killed."""


def make_environment(
    folder: Path, *installations: Sequence[str], python: str = sys.executable
) -> Path:
    """Make a virtual environment, or add to the one that is there.

    Args:
        folder: Where it is.
        installations: The arguments of each ``pip install``.
        python: The Python that it is made with.

    Returns:
        Its Python.

    Raises:
        subprocess.CalledProcessError: It could not be made, or not everything could be installed.
    """
    folder = folder.absolute()
    interpreter = folder / "bin" / "python"
    with _lock(folder) as lock:
        unfinished = folder / UNFINISHED
        if unfinished.exists() or not _has_pip(interpreter):
            _discard(folder)
            folder.mkdir(parents=True)
            unfinished.touch()
            subprocess.run([python, "-m", "venv", str(folder)], check=True, pass_fds=[lock])
        unfinished.touch()
        for arguments in installations:
            subprocess.run(
                [str(interpreter), "-m", "pip", "install", "--quiet", *arguments],
                check=True,
                pass_fds=[lock],
            )
        unfinished.unlink()
    return interpreter


def find_python(version: str) -> str | None:
    """Find a Python of this machine: on PATH, or where pyenv keeps its own.

    Args:
        version: Major and minor, as ``3.12``.

    Returns:
        A command that starts it; None where there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    kept = sorted(
        pyenv.glob(f"{version}.*/bin/python"),
        key=lambda path: [int(part) for part in path.parts[-3].split(".") if part.isdigit()],
        reverse=True,
    )
    for python in (f"python{version}", *map(str, kept)):
        try:
            # A shim of pyenv may stand on PATH for a version that is not chosen.
            answer = subprocess.run(
                [python, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
            )
        except OSError:
            continue
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return python
    return None


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Wait until nobody else works on the folder.

    Children inherit the lock, so that one which outlives a killed process is waited for.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(folder.with_name(f"{folder.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another installation into {folder} ...", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _has_pip(interpreter: Path) -> bool:
    try:
        answer = subprocess.run([str(interpreter), "-m", "pip", "--version"], capture_output=True)
    except OSError:
        return False
    return answer.returncode == 0


def _discard(folder: Path) -> None:
    # Renamed first: half of an environment must never stand at its place.
    discarded = folder.with_name(f"{folder.name}.discarded")
    shutil.rmtree(discarded, ignore_errors=True)
    if folder.exists():
        folder.rename(discarded)
        shutil.rmtree(discarded, ignore_errors=True)


def main() -> int:
    """Make the environment that the command line names."""
    oldest = tuple(int(part) for part in PYTHONS[0].split("."))
    if sys.version_info < oldest:
        print(
            f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}, and "
            f"{PYTHONS[0]} is the oldest that will do. Name another: make PYTHON=python3.12 ...",
            file=sys.stderr,
        )
        return 1
    folder, *arguments = sys.argv[1:]
    tested = ["--constraint", str(CONSTRAINTS)]
    try:
        make_environment(
            Path(folder),
            ["--upgrade", PIP, *tested],
            [*arguments, *tested, "--build-constraint", str(CONSTRAINTS)],
        )
    except subprocess.CalledProcessError as error:
        print(f"`{' '.join(error.cmd)}` failed; the next call tries again.", file=sys.stderr)
        if "venv" in error.cmd:
            print("Debian and Ubuntu have it in a package: python3-venv.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the next call makes a new environment.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
