"""SIGTERM while a client listens to a stream of events that does not end.

A server ends the lifespan after its last request, so here it may never do that.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time

import httpx
import pytest

from tests.lifecycle.kinds import left_on_the_server
from tests.lifecycle.service import PATIENCE, running
from tests.lifecycle.test_load import LONG, Load, at_hand
from tests.processes import serve

SHUTDOWN_TIMEOUT = 2.0
LATE = 10.0
"""Seconds more that a busy machine may take."""
UNHANDLED = 40
"""Messages that wait, one for each event, when nobody consumes any more."""

# What becomes of the stream: it goes on until the client has enough of it, or the server ends it.
GOES_ON, ENDS = "goes on", "ends"
SERVERS = {
    "uvicorn": GOES_ON,
    "uvicorn-limit": ENDS,
    "uvicorn-workers": GOES_ON,
    "hypercorn": ENDS,
    "hypercorn-alone": ENDS,
    "granian": GOES_ON,
    "gunicorn-uvicorn-limit": ENDS,
    "gunicorn-asgi-limit": ENDS,
    "faststream": GOES_ON,
}

if sys.version_info >= (3, 12):
    # Its wait for the end of the listener is one for the connections there, without a limit: the
    # stream goes on, and so does the lifespan of workers, which see no signal.
    SERVERS["hypercorn-alone"] = GOES_ON
    del SERVERS["hypercorn"]

UNSEEN = ("hypercorn",)
"""Their workers hear of SIGTERM in another way, and consume until the lifespan ends."""


@contextlib.asynccontextmanager
async def listening(url):
    """Listen to the stream of a service: yields its events as they come."""
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        client.stream("GET", f"{url}/events") as response,
    ):
        assert response.status_code == 200
        yield (line.removeprefix("data: ") async for line in response.aiter_lines() if line)


def table():
    if LONG:
        kinds = ("nats-pull", "redis-stream", "rabbit")
        return [(name, *each) for name in kinds for each in SERVERS.items()]
    rows = [("nats-pull", *each) for each in SERVERS.items()]
    return [*rows, ("redis-stream", "uvicorn", GOES_ON), ("rabbit", "granian", GOES_ON)]


@pytest.mark.parametrize(("name", "command", "stream"), table())
async def test_consuming_ends_in_time_and_the_stream_publishes_until_it_ends(
    name, command, stream, faulty_servers, tmp_path
):
    kind, port = at_hand(name, faulty_servers)
    published = asyncio.Queue()
    listener = kind.make(port, published.put, logger=None)
    load = Load(
        kind,
        port,
        tmp_path,
        EVENTS=listener.address,
        SECONDS="0",
        SHUTDOWN_TIMEOUT=str(SHUTDOWN_TIMEOUT),
    )
    service = "tests.lifecycle.load_service:app", tmp_path / "log", load.env
    seen, terminated, found = [], None, GOES_ON
    async with running(listener):
        with serve(command, *service) as server:
            await asyncio.to_thread(server.wait_until_it_answers, "/ready")
            try:
                async with listening(server.url) as events:
                    async for event in events:
                        seen.append(event)
                        await load.send_by(listener)
                        if terminated is None and load.handled:
                            terminated = time.time()
                            server.process.send_signal(signal.SIGTERM)
                        waiting = len(load.sent) - len(load.handled)
                        if stream is GOES_ON and waiting >= UNHANDLED:
                            break
                        assert terminated is None or time.time() - terminated < PATIENCE
                    else:
                        found = ENDS
            except httpx.HTTPError:
                found = ENDS
            await asyncio.to_thread(server.process.wait, PATIENCE)
        assert found is stream, server.output
        consumed_until = os.stat(load.handled_file).st_mtime
        assert consumed_until - terminated < SHUTDOWN_TIMEOUT + LATE
        arrived = set()
        while not arrived.issuperset(seen):
            arrived.add(await asyncio.wait_for(published.get(), PATIENCE))
    print(
        f"{name}, {command}: consumed for {consumed_until - terminated:.1f} s after SIGTERM, the "
        f"stream {stream}, {len(seen)} events, all of them published"
    )
    waiting, pending = await left_on_the_server(kind, port, load.address)
    assert pending == 0, "messages are left that nobody acknowledged"
    assert waiting + len(load.handled) == len(load.sent)
    assert waiting or command in UNSEEN, "it consumed to the end"
    with serve("uvicorn", *service):
        await load.until_handled(len(load.sent))
    assert sorted(load.handled) == sorted(load.sent), "lost, or handled twice"
