"""Servers as processes: started on a free port, ended by a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

SCRIPTS = Path(sysconfig.get_path("scripts"))
DEADLINE = 60.0
"""Seconds that a server on a busy machine may take to start or to end."""

COMMANDS = {
    "uvicorn": "uvicorn {app} --port {port} --log-level warning",
    "uvicorn-access": "uvicorn {app} --port {port}",
    "uvicorn-limit": (
        "uvicorn {app} --port {port} --log-level warning --timeout-graceful-shutdown 3"
    ),
    "uvicorn-workers": "uvicorn {app} --port {port} --workers 2 --log-level warning",
    "hypercorn": "hypercorn {app} --bind 127.0.0.1:{port}",
    "hypercorn-alone": "hypercorn {app} --bind 127.0.0.1:{port} --workers 0",
    "granian": "granian --interface asgi {app} --port {port}",
    "gunicorn-uvicorn": "gunicorn -k uvicorn.workers.UvicornWorker {app} --bind 127.0.0.1:{port}",
    "gunicorn-workers": (
        "gunicorn -k uvicorn.workers.UvicornWorker -w 2 {app} --bind 127.0.0.1:{port}"
    ),
    "gunicorn-uvicorn-limit": (
        "gunicorn -k uvicorn.workers.UvicornWorker {app} --bind 127.0.0.1:{port} "
        "--graceful-timeout 3"
    ),
    "gunicorn-asgi": "gunicorn -k asgi {app} --bind 127.0.0.1:{port}",
    "gunicorn-asgi-limit": "gunicorn -k asgi {app} --bind 127.0.0.1:{port} --graceful-timeout 3",
    "faststream": "faststream run {app} --port {port}",
    "faststream-workers": "faststream run {app} --workers 2 --port {port}",
}


def clean_status(command: str) -> int:
    """The exit status of a server that SIGTERM has ended, with all shut down.

    One process of uvicorn raises the signal again when it is done.
    """
    alone = command.startswith("uvicorn") and "workers" not in command
    return -signal.SIGTERM if alone else 0


def free_port() -> int:
    """Find a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_it_answers(self, path: str) -> httpx.Response:
        """Wait for an answer of 2xx."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output
            try:
                response = httpx.get(self.url + path, timeout=DEADLINE)
                if response.is_success:
                    return response
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError(self.output)

    def wait_for_output(self, text: str, times: int = 1) -> None:
        """Wait until the output has a text so many times."""
        deadline = time.monotonic() + DEADLINE
        while self.output.count(text) < times:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def end(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(sig)
        return self.process.wait(DEADLINE)


@contextmanager
def serve(command: str, app: str, log: Path, env: Mapping[str, str] = {}) -> Iterator[Server]:
    """Run an application under a server of `COMMANDS`; it is gone when the block ends."""
    port = free_port()
    name, *arguments = COMMANDS[command].format(app=app, port=port).split()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPTS / name), *arguments],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(process, port, log)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
