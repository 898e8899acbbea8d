"""The first minutes of a stranger: a clone, `make demo`, Ctrl-C at a bad moment, `make demo` again.

``python3 -m tools.stranger`` clones the repository into a folder with a home of its own, stops
`make demo` while it installs, once by Ctrl-C and once by SIGKILL of all but its children, and then
waits for the demo to greet and to answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tools.environments import ROOT, UNFINISHED

__all__ = ("main",)

WAIT = 600.0
"""Seconds that an installation may take."""


def main() -> int:
    """Return 0 when the demo runs in the end."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        home = Path(folder) / "home"
        home.mkdir()
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("NATS_URL", "HOST", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
        }
        environment |= {"HOME": str(home), "PORT": "0"}
        # A cache for pip, which a stranger would have after the first of three installations.
        environment.setdefault("PIP_CACHE_DIR", str(home / "pip"))

        site = "lib/python*/site-packages"
        for number, moment in (
            (signal.SIGINT, f"{site}/pip"),
            (signal.SIGKILL, f"{site}/pydantic"),
        ):
            with _demo(clone, environment) as process:
                _wait_for(clone / ".venv", moment, process)
                assert (clone / ".venv" / UNFINISHED).exists()
                print(f"make demo: {number.name} when there is .venv/{moment}", flush=True)
                if number is signal.SIGINT:
                    os.killpg(process.pid, number)  # as a terminal does
                else:
                    process.kill()
                process.wait(WAIT)

        print("make demo, again", flush=True)
        with _demo(clone, environment) as process:
            assert process.stdout is not None
            health = ""
            for line in process.stdout:
                if "/health" in line:
                    health = line.split()[-1]
                if "Ctrl-C" in line:
                    break
            answer = urllib.request.urlopen(health, timeout=WAIT)
            assert answer.status == 204, answer.status
            os.killpg(process.pid, signal.SIGINT)
            process.wait(WAIT)
        print("The demo runs, and has ended.", flush=True)
    return 0


def _demo(clone: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "demo"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_for(folder: Path, name: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT
    while not any(folder.glob(name)):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
