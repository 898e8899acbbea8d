"""Holds one nats-server for `faststream_integrations.testing`, and ends it when its parent dies.

Run by path as `python -I -S _supervise.py NATS_SERVER [OPTION...]`: standard library only, nothing
of the package is imported. A line on stdin is a command (`start`, `stop`, `kill`, `pause`,
`resume`), answered by a line of JSON on stdout. An empty line, or the end of stdin, which the
death of the parent brings about whatever killed it, ends the server and removes its folder.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_HOST = "127.0.0.1"
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 5.0


class Server:
    """One nats-server process, which keeps its port and its store when it is started again."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._port = -1  # the server picks a free one, so nobody can take it in between

    def start(self) -> dict[str, int]:
        """Start the server and wait until it serves a client."""
        if self._process is not None:
            raise RuntimeError("nats-server runs already")
        log = self._folder / "nats-server.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *self._command,
                    *("--addr", _HOST, "--port", str(self._port)),
                    *("--ports_file_dir", str(self._folder)),
                    *("--store_dir", str(self._folder / "store")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            self._port = self._await_ready(time.monotonic() + _START_TIMEOUT)
        except (OSError, RuntimeError) as error:
            self.kill()
            raise RuntimeError(f"{error}\n{_excerpt(log)}") from error
        return {"port": self._port, "pid": self._process.pid}

    def stop(self) -> dict[str, int]:
        """SIGTERM, and SIGKILL for a server that does not end in time."""
        if self._process is not None:
            self.resume()  # a stopped process acts on SIGTERM only once it is continued
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT)
        return self.kill()

    def kill(self) -> dict[str, int]:
        """SIGKILL, which ends a paused server too."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process, self._paused = None, False
        return {}

    def pause(self) -> dict[str, int]:
        """SIGSTOP, and wait until it took effect: connections stay open, nothing answers."""
        process = self._running()
        if not self._paused:
            process.send_signal(signal.SIGSTOP)
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                process.returncode = os.waitstatus_to_exitcode(status)
                raise RuntimeError("nats-server ended when it was paused")
            self._paused = True
        return {}

    def resume(self) -> dict[str, int]:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)
        self._paused = False
        return {}

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("nats-server does not run")
        return self._process

    def _await_ready(self, deadline: float) -> int:
        process = self._process
        assert process is not None
        ports = self._folder / f"nats-server_{process.pid}.ports"
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"nats-server ended with exit status {process.returncode}:")
            if time.monotonic() > deadline:
                raise RuntimeError(f"nats-server was not ready within {_START_TIMEOUT:g} s:")
            try:
                port = int(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])
            except (FileNotFoundError, ValueError):  # not there yet, or half written
                time.sleep(0.005)
            else:
                break
        _greet(port, deadline)
        return port


def _greet(port: int, deadline: float) -> None:
    """Connect as a client does; a server that asks for credentials or TLS has answered as well."""
    timeout = max(deadline - time.monotonic(), 0.1)
    with (
        socket.create_connection((_HOST, port), timeout=timeout) as client,
        client.makefile("rwb") as stream,
    ):
        kind, _, info = stream.readline().partition(b" ")
        if kind != b"INFO":
            raise RuntimeError(f"nats-server greeted with {kind!r} instead of INFO:")
        options = json.loads(info)
        if options.get("auth_required") or options.get("tls_required"):
            return
        stream.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
        stream.flush()
        answer = stream.readline()
        if answer != b"PONG\r\n":
            raise RuntimeError(f"nats-server answered a ping with {answer!r}:")


def _excerpt(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines if len(lines) <= 20 else [*lines[:3], "...", *lines[-16:]])


def main() -> None:
    """Serve commands until an empty one, the end of stdin, or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="nats-server-"))
    server = Server(sys.argv[1:], folder)
    try:
        for line in sys.stdin:
            command = line.strip()
            if not command:
                break
            try:
                answer = getattr(server, command)()
            except (OSError, RuntimeError) as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)  # noqa: T201
    except BrokenPipeError:
        pass
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
