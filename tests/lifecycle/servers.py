"""Servers of our own for fault tests: each in a process that can be killed, stalled, restarted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from faststream_integrations.testing import nats_server
from tests.processes import DEADLINE, free_port


class FaultyServer:
    """A server on a port of 127.0.0.1, and the faults that a test puts it through."""

    def __init__(
        self, command: Sequence[str], port: int, greeting: bytes, env: dict[str, str], log: Path
    ) -> None:
        self.port = port
        self._command, self._greeting, self._env, self._log = command, greeting, env, log
        self._process: subprocess.Popen[bytes] | None = None
        self.restart()

    def restart(self) -> None:
        self.kill()
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, self._log.read_text(errors="replace")[-2000:]
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(self._greeting)
                return bool(connection.recv(1))
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stall it: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)


def missing(what: str) -> None:
    """Skip where a server is not installed; a failure where all of them are wanted."""
    if os.environ.get("BROKERS") == "all":
        pytest.fail(f"{what} is not installed, and BROKERS=all wants it.")
    pytest.skip(f"{what} is not installed.")


def find(*names: str) -> str:
    for name in names:
        if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
            return found
    missing(names[0])
    raise AssertionError


@contextmanager
def _run(
    command: Sequence[str], port: int, greeting: bytes, folder: Path, env: dict[str, str]
) -> Iterator[FaultyServer]:
    server = FaultyServer(command, port, greeting, env, folder / "log")
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def redis_server() -> Iterator[FaultyServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [find("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--dir", folder, "--appendonly", "yes", "--appendfsync", "always"]
        with _run(command, port, b"PING\r\n", Path(folder), {}) as server:
            yield server


@contextmanager
def mqtt_server() -> Iterator[FaultyServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0\n"
        )
        command = [find("mosquitto"), "-c", str(config)]
        connect = bytes.fromhex("100f00044d515454040200 3c0003707265".replace(" ", ""))
        with _run(command, port, connect, Path(folder), {}) as server:
            yield server


@contextmanager
def rabbit_server() -> Iterator[FaultyServer]:
    port = free_port()
    script = next(
        (
            path
            for path in ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server"))
            if path and Path(path).exists()
        ),
        None,
    )
    if script is None:
        missing("rabbitmq-server")
        raise AssertionError
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with _run([script], port, b"AMQP\0\0\x09\x01", Path(folder), env) as server:
            yield server


SERVERS = {
    "nats": nats_server,
    "redis": redis_server,
    "rabbit": rabbit_server,
    "mqtt": mqtt_server,
}
