"""Probes on an event loop that is busy: how many of its turns an answer takes, and until when.

Turns are counted, and not seconds: each takes a tenth of a second or more, as under heavy load.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from faststream.nats import NatsBroker
from typing_extensions import Self

from faststream_integrations import make_liveness_asgi, make_ping_asgi, make_readiness_asgi
from faststream_integrations.brokers.lookout import SILENT
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.testing import nats_server
from tests.lifecycle.service import running

TURN = 0.1

pytestmark = pytest.mark.usefixtures("unwatched")


class BusyLoop:
    """Holds the event loop in each of its turns, and counts them."""

    def __init__(self, seconds: float) -> None:
        self.turns = 0
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._handle = self._loop.call_soon(self._turn)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.cancel()

    def _turn(self) -> None:
        self.turns += 1
        time.sleep(self._seconds)
        self._handle = self._loop.call_soon(self._turn)


async def ask(app: Any, loop: BusyLoop) -> tuple[int, int, float]:
    """Return the status of an answer, how many turns it took, and how many seconds."""
    statuses = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [],
             "query_string": b"", "scheme": "http", "http_version": "1.1"}  # fmt: skip
    before, began = loop.turns, time.monotonic()
    await app(scope, None, send)
    return statuses[0], loop.turns - before, time.monotonic() - began


@pytest.fixture
def unwatched(monkeypatch):
    """No look between those of the test."""
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.WATCH_INTERVAL", 3600.0)


@pytest.fixture
def broker(nats_url) -> Any:
    broker = NatsBroker(nats_url)
    broker.subscriber("turns")(lambda message: None)
    return broker


@pytest.mark.parametrize("make", [make_readiness_asgi, make_liveness_asgi])
async def test_answer_from_a_fresh_report_takes_two_turns_at_most(make, broker):
    async with running(broker):
        with BusyLoop(TURN) as loop:
            status, turns, _ = await ask(make(broker), loop)
    assert status == 200
    assert turns <= 2


async def test_answer_with_a_question_takes_four_turns_at_most(broker):
    async with running(broker):
        probe = make_readiness_asgi(broker)
        Supervisor.of(broker).lookout.report = None  # as when it has become old
        with BusyLoop(TURN) as loop:
            status, turns, _ = await ask(probe, loop)
            assert status == 200
            assert turns <= 4
            status, turns, _ = await ask(probe, loop)
            assert (status, turns) == (200, 0), "what was found is fresh"


async def test_those_who_share_a_question_wait_one_turn_more_at_most(broker):
    async with running(broker):
        probe = make_readiness_asgi(broker)
        Supervisor.of(broker).lookout.report = None
        with BusyLoop(TURN) as loop:
            answers = await asyncio.gather(*(ask(probe, loop) for _ in range(10)))
    assert {status for status, _, _ in answers} == {200}
    assert max(turns for _, turns, _ in answers) <= 5


@pytest.mark.parametrize("turn", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("make", [make_readiness_asgi, make_ping_asgi])
async def test_deadline_is_kept_whatever_the_event_loop_does(make, turn):
    with nats_server() as server:
        broker = NatsBroker(server.url)
        async with running(broker, shutdown_timeout=1.0):
            server.pause()
            Supervisor.of(broker).lookout.report = None
            timeout = 2.0
            with BusyLoop(turn) as loop:
                status, turns, _ = await ask(make(broker, timeout=timeout), loop)
            server.resume()
    # A machine that is busy, too, has longer turns, and so gives the answer in fewer of them.
    # FastStream's ping of NATS does not ask the server.
    assert status == (503 if make is make_readiness_asgi else 204)
    assert turns * turn <= timeout


MOST_TURNS = {"nats": 4, "redis": 7, "mqtt": 8, "rabbit": 11, "kafka": 7}
"""Turns of an answer with a question: how many tasks the client hands it through, and the start of
one before Python 3.12. `docs/operations.md` has them."""


@pytest.mark.usefixtures("unwatched")  # in tests/wire, too
async def test_question_takes_as_many_turns_as_the_client_has_tasks(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with running(broker):
        probe = make_readiness_asgi(broker)
        for _ in range(2):  # the first one may open what the others are asked on
            Supervisor.of(broker).lookout.report = None
            with BusyLoop(TURN) as loop:
                status, turns, _ = await ask(probe, loop)
            assert status == 200
            assert turns <= MOST_TURNS[kind.server]


@pytest.mark.usefixtures("unwatched")  # in tests/wire, too
async def test_watch_blames_no_server_for_a_slow_loop(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with running(broker):
        supervisor = Supervisor.of(broker)
        with BusyLoop(TURN):
            for _ in range(2):
                report = await supervisor.look(TURN)  # seconds for one turn
                assert report.ready, report
                assert not supervisor.lookout.silent(SILENT)


async def test_slow_loop_does_not_make_a_broker_unready_that_is_well(broker):
    async with running(broker):
        for timeout, make in ((1.0, make_ping_asgi), (2.0, make_readiness_asgi)):
            with BusyLoop(0.2) as loop:
                Supervisor.of(broker).lookout.report = None
                status, turns, _ = await ask(make(broker, timeout=timeout), loop)
            assert status in (200, 204)
            assert turns * 0.2 <= timeout
