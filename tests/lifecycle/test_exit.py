"""`app.exit()`, and `SystemExit` in a subscriber, end the process under every server."""

import asyncio
import logging
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream
from faststream_integrations.process_exit import ending_the_process
from tests.installed import OLDEST_FASTSTREAM
from tests.lifecycle.kinds import Kind
from tests.lifecycle.service import PATIENCE, running
from tests.processes import COMMANDS, DEADLINE, clean_status, serve

NOTHING_STOPS = "nothing in this process stops at SIGTERM"

# Those whose workers do not stop at SIGTERM: their own process asks them to end by other means.
DEAF = ("hypercorn",)
# Those that start a worker again that has ended.
REPLACING = ("workers", "gunicorn")
# What a server says that its only worker has ended by itself.
STATUSES = {"granian": 1}
LONG = os.environ.get("LIFECYCLE_LOAD")
ONE_OF_EACH = ("uvicorn", "uvicorn-workers", "hypercorn", "granian", "gunicorn-uvicorn")


async def send(url: str, subject: str) -> None:
    async with NatsBroker(url, logger=None) as sender:
        await sender.publish("now", subject)


@pytest.mark.parametrize("how", ["exit", "SystemExit"])
@pytest.mark.parametrize("host", ["asgi", "fastapi"])
@pytest.mark.parametrize("command", COMMANDS if LONG else ONE_OF_EACH)
def test_process_ends_as_at_sigterm(
    command: str, host: str, how: str, nats_url: str, tmp_path: Any
) -> None:
    if command.startswith("faststream") and host == "fastapi":
        pytest.skip("`faststream run` runs FastStream applications.")
    subject = f"exit-{uuid.uuid4().hex}"
    env = {"NATS_URL": nats_url, "SUBJECT": subject, "HOW": how, "HOST": host}
    path = "/ready" if host == "asgi" else "/ready/"
    with serve(command, "tests.lifecycle.exit_service:app", tmp_path / "log", env) as server:
        server.wait_until_it_answers(path)
        asyncio.run(send(nats_url, subject))
        server.wait_for_output("ending")
        if command in DEAF:
            server.wait_for_output(NOTHING_STOPS)
            answer = httpx.get(server.url + path, timeout=DEADLINE)
            # That `exit()` was called is all that is wrong; after `SystemExit` nothing consumes.
            assert answer.status_code == (200 if how == "exit" else 503)
        elif any(word in command for word in REPLACING):
            workers = 2 if "workers" in command else 1
            server.wait_for_output("ended")
            server.wait_for_output("begun", workers + 1)
            server.wait_until_it_answers(path)
        else:
            assert server.process.wait(DEADLINE) == STATUSES.get(command, clean_status(command))
            assert "ended" in server.output


class Sigterm:
    """What a server would have been told."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.came = asyncio.Event()

    def __call__(self, number: int, frame: object) -> None:
        self.heard.append(number)
        self.came.set()

    async def come(self) -> None:
        with anyio.fail_after(PATIENCE):
            await self.came.wait()


@pytest.fixture
def sigterm() -> Iterator[Sigterm]:
    server = Sigterm()
    before = signal.signal(signal.SIGTERM, server)
    yield server
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("make", [FastStream, AsgiFastStream])
async def test_exit_of_the_application_is_its_own_again_after_the_block(
    make: Any, sigterm: Any
) -> None:
    app = make(NatsBroker(logger=None))
    before = app.exit
    async with running(app) if make is FastStream else app.start_lifespan_context():
        assert app.exit != before
    assert app.exit == before
    assert not sigterm.heard


CANCELLED = ("redis-channel", "mqtt")


@pytest.mark.parametrize("how", ["exit", "SystemExit"])
@pytest.mark.parametrize("workers", [1, 3])
async def test_every_kind_of_subscriber_ends_the_process(
    kind: Kind, server: Any, how: str, workers: int, sigterm: Any
) -> None:
    if (kind.name, how, workers) == ("redis-list", "SystemExit", 1):
        pytest.skip("FastStream's list subscriber cannot stop itself: it waits for its own lock.")
    if OLDEST_FASTSTREAM and how == "SystemExit" and kind.name in CANCELLED:
        pytest.skip("FastStream 0.7.0 cancels the task that is to call `exit()`.")

    async def end(message: str) -> None:
        if how == "SystemExit":
            raise SystemExit
        broker.context.get("app").exit()

    broker = kind.make(server.port, end, workers=workers)
    async with running(broker):
        await kind.send(broker, "now")
        await sigterm.come()
        await asyncio.sleep(0)
    assert sigterm.heard == [signal.SIGTERM]
    assert broker.context.get("app") is None


async def test_signal_is_raised_once_from_any_thread(sigterm: Any) -> None:
    broker = NatsBroker(logger=None)
    async with ending_the_process([], [broker]):
        app = broker.context.get("app")
        await asyncio.gather(*(asyncio.to_thread(app.exit) for _ in range(5)))
        await sigterm.come()
        async with ending_the_process([], [broker]):
            broker.context.get("app").exit()
        await asyncio.sleep(0)
    assert sigterm.heard == [signal.SIGTERM]
    async with ending_the_process([], [broker]):
        sigterm.came.clear()
        broker.context.get("app").exit()
        await sigterm.come()  # a second run ends too


async def test_application_that_is_not_what_runs_ends_the_process_too(sigterm: Any) -> None:
    broker = NatsBroker(logger=None)
    app = FastStream(broker)  # for its specification
    async with ending_the_process([], [broker]):
        broker.context.get("app").exit()
        await sigterm.come()
    assert broker.context.get("app") is app


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_where_nothing_would_stop_it_is_told(handler: Any, sigterm: Any, caplog: Any) -> None:
    signal.signal(signal.SIGTERM, handler)
    broker = NatsBroker(logger=None)
    async with ending_the_process([], [broker]):
        with caplog.at_level(logging.CRITICAL):
            broker.context.get("app").exit()
        await asyncio.sleep(0)
    assert NOTHING_STOPS in caplog.text
