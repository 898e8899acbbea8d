"""`make demo`, as the process that a stranger starts, over real HTTP and a real NATS server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import httpx
import psutil
import pytest
from fastapi import Header

from examples.demo import HOSTS
from faststream_integrations.testing import asgi_client

ROOT = Path(__file__).parent.parent
WAIT = 60  # seconds: a bound for what is awaited, never a measure

every_host = pytest.mark.parametrize("host", list(HOSTS))


@dataclass
class Demo:
    process: "subprocess.Popen[str]"
    errors: Path
    output: str = ""

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"{self.output}\n{self.errors.read_text()}"
            self.output += line

    @property
    def url(self) -> str:
        found = re.search(r"(http://127\.0\.0\.1:\d+)/health", self.output)
        assert found is not None
        return found[1]

    def end(self, number: signal.Signals) -> int:
        os.killpg(self.process.pid, number)  # a terminal signals the whole group
        return self.process.wait(WAIT)


@contextmanager
def demo(folder: Path, **environment: str) -> Iterator[Demo]:
    errors = folder / "stderr"
    inherited = {key: os.environ[key] for key in os.environ if key not in ("HOST", "NATS_URL")}
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "examples.demo"],
            cwd=ROOT,
            env={**inherited, "PORT": "0", "TMPDIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        guard = threading.Timer(WAIT, process.kill)
        guard.start()
        try:
            yield Demo(process, errors)
        finally:
            guard.cancel()
            process.kill()


def read_order(client: httpx.Client, location: str) -> httpx.Response:
    """Ask until the order is stored, which `orders.priced` brings about after the answer."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        response = client.get(location)
        if response.status_code != 404:
            return response
    pytest.fail(f"{location} was never stored")


@every_host
def test_demo_serves_orders_over_http_and_ctrl_c_ends_it_all(host: str, tmp_path: Path) -> None:
    with demo(tmp_path, HOST=host) as running:
        running.read_until("Ctrl-C stops everything.")
        (nats_server,) = [
            child
            for child in psutil.Process(running.process.pid).children(recursive=True)
            if child.name() == "nats-server"
        ]
        with httpx.Client(base_url=running.url, follow_redirects=True, timeout=WAIT) as client:
            placed = client.post("/orders", json={"drink": "espresso", "quantity": 3})
            assert placed.status_code == 202
            order = placed.json()
            assert order == {
                "id": order["id"],
                "drink": "espresso",
                "quantity": 3,
                "total": "6.60",
            }
            assert placed.headers["Location"] == f"/orders/{order['id']}"
            stored = read_order(client, placed.headers["Location"])
            assert (stored.status_code, stored.json()) == (200, order)

            invalid = client.post("/orders", json={"drink": "petrol"})
            assert invalid.status_code == 422
            assert invalid.json()["detail"][0]["loc"] == ["body", "drink"]
            unknown = client.get("/orders/unknown")
            assert unknown.status_code == 404
            assert unknown.json() == {"detail": "There is no order unknown."}

            assert client.get("/health").status_code == 204
            page = client.get("/asyncapi")
            assert page.status_code == 200
            assert page.headers["Content-Type"].startswith("text/html")
            document = re.search(r'rel="preload" href="([^"]+)"', page.text)
            assert document is not None
            assert "orders.priced" in client.get(page.url.join(document[1])).text

            # An open connection must not hold the demo back.
            assert running.end(signal.SIGINT) == 0
        assert not nats_server.is_running()
        assert os.listdir(tmp_path) == ["stderr"]
        assert "Traceback" not in running.errors.read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@every_host
def test_printed_command_places_an_order(host: str, tmp_path: Path) -> None:
    with demo(tmp_path, HOST=host) as running:
        running.read_until("Ctrl-C stops everything.")
        command = running.output[running.output.index("curl") :].split("\n\n")[0]
        answer = subprocess.run(
            command, shell=True, capture_output=True, text=True, check=True, timeout=WAIT
        )
        assert answer.stdout.startswith("HTTP/1.1 202")
        assert running.end(signal.SIGTERM) == 0
        assert "Traceback" not in running.errors.read_text()


def test_nats_server_of_the_user_is_used_and_left_alone(nats_url: str, tmp_path: Path) -> None:
    with demo(tmp_path, NATS_URL=nats_url) as running:
        running.read_until("Ctrl-C stops everything.")
        assert f"NATS at {nats_url}" in running.output
        assert psutil.Process(running.process.pid).children() == []
        assert running.end(signal.SIGINT) == 0
    host, _, port = nats_url.removeprefix("nats://").partition(":")
    with socket.create_connection((host, int(port)), WAIT) as client:
        assert client.recv(4) == b"INFO"


def test_ctrl_c_while_the_service_starts_ends_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(WAIT)
        with demo(tmp_path, NATS_URL=f"nats://127.0.0.1:{silent.getsockname()[1]}") as running:
            connection, _ = silent.accept()  # the broker connects, and is never answered
            with connection:
                assert running.end(signal.SIGINT) == 0
        assert "Traceback" not in running.errors.read_text()


def test_nats_server_is_gone_when_the_demo_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.read_until("Ctrl-C stops everything.")
        found = re.search(r"NATS at nats://127\.0\.0\.1:(\d+)", running.output)
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found[1])), WAIT) as client:
            running.process.kill()
            while client.recv(4096):  # until the server is gone
                pass


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HOST": "django"}, "HOST=django is not one of fastapi, litestar, asgi"),
        ({"PORT": "http"}, "PORT=http cannot be used: invalid literal"),
        ({"PORT": "99999"}, "PORT=99999 cannot be used: "),
    ],
)
def test_wrong_setting_is_named(environment: dict[str, str], message: str, tmp_path: Path) -> None:
    with demo(tmp_path, **environment) as running:
        assert running.process.wait(WAIT) == 1
    assert running.errors.read_text().startswith(message)


def test_busy_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path, PORT=str(port)) as running:
            assert running.process.wait(WAIT) == 1
    assert re.fullmatch(
        rf"PORT={port} cannot be used: .*in use.*\. Choose another: PORT=8001 make demo\n",
        running.errors.read_text(),
    )


@pytest.fixture
def module(host: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service in one host, with a broker of its own."""
    for name in [name for name in sys.modules if name.startswith("examples.orders.")]:
        monkeypatch.delitem(sys.modules, name)
    return import_module(HOSTS[host].partition(":")[0])


@every_host
async def test_order_service_runs_in_memory(module: Any) -> None:
    async with asgi_client(module.app, module.broker) as client:
        placed = await client.post("/orders", json={"drink": "tea", "quantity": 2})
        assert (placed.status_code, placed.json()["total"]) == (202, "5.60")
        with anyio.fail_after(WAIT):
            while placed.json()["id"] not in module.orders:
                await anyio.lowlevel.checkpoint()
        stored = await client.get(placed.headers["Location"])
        assert stored.json() == placed.json()


@pytest.mark.parametrize("host", ["fastapi"])
async def test_endpoint_and_subscriber_take_the_same_dependency(module: Any) -> None:
    asked: list[str] = []

    async def note(x_customer: Annotated[str, Header()]) -> str:
        asked.append(x_customer)
        return x_customer

    module.app.dependency_overrides[module.read_customer] = note
    async with asgi_client(module.app, module.broker) as client:
        placed = await client.post("/orders", json={"drink": "tea"}, headers={"X-Customer": "Ada"})
        order = placed.json()["id"]
        with anyio.fail_after(WAIT):
            while order not in module.orders:
                await anyio.lowlevel.checkpoint()
        await module.broker.publish(order, "orders.cancelled", headers={"x-customer": "Bob"})
        assert order not in module.orders
    assert asked == ["Ada", "Bob"]
