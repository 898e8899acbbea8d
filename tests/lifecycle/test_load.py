"""A service under load that is stopped and started again in a loop, under every server.

By default one round of some kinds of brokers. LIFECYCLE_LOAD=5 makes it five of every kind under
every server, with 1 and with 10 workers, and prints upstream's losses beside ours.
"""

import asyncio
import os
import signal
import time
import uuid

import httpx
import pytest

from tests.lifecycle.kinds import KINDS, left_on_the_server
from tests.lifecycle.service import PATIENCE
from tests.processes import clean_status, serve

LONG = int(os.environ.get("LIFECYCLE_LOAD", "0"))
ROUNDS = LONG or 1
MESSAGES = 100
SERVERS = ["uvicorn", "hypercorn", "granian", "gunicorn-uvicorn", "gunicorn-asgi", "faststream"]
KEPT = ("nats-pull", "nats-push", "redis-list", "redis-stream", "rabbit")
"""What waits on the server while nobody consumes."""


class Load:
    """Messages for a service in another process, and what it has handled of them."""

    def __init__(self, kind, port, folder, *, workers="1", **env):
        self.kind, self.port, self.folder = kind, port, folder
        self.address = f"load-{uuid.uuid4().hex}"
        self.handled_file = folder / f"handled-{uuid.uuid4().hex}"
        self.handled_file.touch()
        self.sent = []
        self.env = {
            "KIND": kind.name,
            "SERVER_PORT": str(port),
            "ADDRESS": self.address,
            "HANDLED": str(self.handled_file),
            "SECONDS": str(0.01 * int(workers)),
            "WORKERS": workers,
            **env,
        }

    @property
    def handled(self):
        return self.handled_file.read_text().split()

    async def send(self, number):
        broker = self.kind.broker(self.kind.url.format(port=self.port))
        await broker.connect()
        for _ in range(number):
            await self.send_by(broker)
        await broker.stop()

    async def send_by(self, broker):
        """Send one message by a broker that is connected."""
        text = f"m{len(self.sent)}"
        await self.kind.send(broker, text, self.address)
        self.sent.append(text)

    async def until_handled(self, number):
        deadline = time.monotonic() + PATIENCE
        while len(set(self.handled)) < number:
            assert time.monotonic() < deadline, f"{len(set(self.handled))} of {number}"
            await asyncio.sleep(0.01)

    async def round(self, command, sig=signal.SIGTERM):
        """Start the service, send it messages, and end it while it handles them."""
        before = len(set(self.handled))
        with serve(command, "tests.lifecycle.load_service:app", self.folder / "log", self.env) as (
            server
        ):
            await asyncio.to_thread(server.wait_until_it_answers, "/ready")
            await self.send(MESSAGES)
            await self.until_handled(before + 1)
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                request = asyncio.create_task(client.get(f"{server.url}/slow"))
                await asyncio.sleep(0.1)  # it is in flight
                status = await asyncio.to_thread(server.end, sig)
                if sig is signal.SIGTERM:
                    assert (await request).status_code == 200
                else:
                    await asyncio.gather(request, return_exceptions=True)
            return status, server.output


def pairs():
    if LONG:
        return [(kind, server) for kind in KINDS for server in SERVERS]
    by_server = [("nats-core", server) for server in SERVERS]
    return [*by_server, ("redis-stream", "gunicorn-asgi"), ("rabbit", "granian")]


def at_hand(name, faulty_servers):
    kind = KINDS[name]
    return kind, faulty_servers[kind.server].port


@pytest.mark.parametrize("workers", ["1", "10"] if LONG else ["1"])
@pytest.mark.parametrize(("name", "command"), pairs())
async def test_nothing_that_was_received_is_lost_at_sigterm(
    name, command, workers, faulty_servers, tmp_path
):
    kind, port = at_hand(name, faulty_servers)
    load = Load(kind, port, tmp_path, workers=workers)
    for _ in range(ROUNDS):
        status, output = await load.round(command)
        assert status == clean_status(command), output
        waiting, pending = await left_on_the_server(kind, port, load.address)
        assert pending == 0, "messages are left that nobody acknowledged"
        lost = len(load.sent) - waiting - len(set(load.handled))
        assert lost == 0, output
    if kind.name in KEPT:
        with serve(command, "tests.lifecycle.load_service:app", tmp_path / "log", load.env):
            await load.until_handled(len(load.sent))
    assert sorted(load.handled) == sorted(load.sent), "lost, or handled twice"
    print(f"{name} under {command}: {len(load.sent)} messages, {ROUNDS} stops, 0 lost")


@pytest.mark.parametrize(
    "name",
    ["nats-pull", "nats-push", "redis-stream", "rabbit", "mqtt"] if LONG else ["nats-pull", "mqtt"],
)
async def test_nothing_that_the_broker_can_redeliver_is_lost_at_sigkill(
    name, faulty_servers, tmp_path
):
    kind, port = at_hand(name, faulty_servers)
    load = Load(kind, port, tmp_path, PERSISTENT="1")
    for _ in range(ROUNDS):
        status, output = await load.round("uvicorn", signal.SIGKILL)
        assert status == -signal.SIGKILL, output
    with serve("uvicorn", "tests.lifecycle.load_service:app", tmp_path / "log", load.env):
        await load.until_handled(len(load.sent))
    handled = load.handled
    assert set(handled) == set(load.sent)
    print(
        f"{name}: {len(load.sent)} messages, {ROUNDS} kills, 0 lost, "
        f"{len(handled) - len(set(handled))} handled twice"
    )


@pytest.mark.parametrize("workers", ["1", "10"])
@pytest.mark.parametrize("name", KINDS)
async def upstream_loses(name, workers, faulty_servers, tmp_path):
    kind, port = at_hand(name, faulty_servers)
    load = Load(kind, port, tmp_path, workers=workers, UPSTREAM="1")
    left = 0
    for _ in range(ROUNDS):
        await load.round("uvicorn")
        waiting, pending = await left_on_the_server(kind, port, load.address)
        left = waiting + pending
    lost = len(load.sent) - left - len(set(load.handled))
    print(
        f"upstream, {name}, {workers} workers: {len(load.sent)} messages, {ROUNDS} stops, "
        f"{lost} lost, {pending} left pending"
    )


if LONG:
    test_upstream_loses = upstream_loses
