"""Kafka on a real wire, by aiokafka and by librdkafka: the faults and stops of the other kinds.

Tansu, the server, keeps nothing over a restart, and takes up to 20 seconds to give a group that
comes back its partitions, under plain FastStream too. So there are tests of its own here where a
server is restarted or a group comes back.
"""

import asyncio
import time

import pytest

from faststream_integrations.brokers.kinds.kafka import _connections, _joins
from faststream_integrations.brokers.supervisor import Supervisor
from tests.lifecycle.kinds import KINDS, left_on_the_server
from tests.lifecycle.proxy import proxy_of
from tests.lifecycle.servers import kafka_server
from tests.lifecycle.service import PATIENCE, running, serving
from tests.lifecycle.test_closed_loop import check_next_starts
from tests.lifecycle.test_consumers import (  # noqa: F401
    test_consumer_without_a_handler_is_no_reason,
)
from tests.lifecycle.test_faults import (  # noqa: F401
    test_readiness_follows_a_server_that_stalls_and_comes_back,
    test_start_fails_in_time_when_the_server_stalls,
    test_stop_ends_in_time_when_the_server_is_away,
    test_stop_while_it_retries_is_immediate,
)
from tests.lifecycle.test_frozen_connections import (
    UPSTREAM_PATIENCE,
    check,
    freeze,
    test_nothing_is_torn_down_while_the_server_stalls,  # noqa: F401
)
from tests.lifecycle.test_stop import (  # noqa: F401
    test_cancelled_start_leaves_nothing_behind,
    test_cancelled_stop_leaves_nothing_behind,
    test_handler_in_flight_ends_and_its_message_goes_out,
    test_handler_that_does_not_end_is_cancelled_at_the_deadline,
    test_no_more_is_taken_after_a_drain_that_was_too_short_for_a_handler,
)
from tests.lifecycle.test_turns import (  # noqa: F401
    test_question_takes_as_many_turns_as_the_client_has_tasks,
    test_watch_blames_no_server_for_a_slow_loop,
    unwatched,
)

MESSAGES = 60
JOINS_AGAIN = 40.0
"""Seconds for a new connection and a join, of which Tansu takes 5; aiokafka alone takes 45."""


@pytest.fixture(params=["kafka", "confluent"])
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def server(kind, faulty_servers):
    found = faulty_servers[kind.server]
    yield found
    try:
        found.resume()
    except (AssertionError, ProcessLookupError):
        found.restart()


def end_fetching(consumer):
    consumer._fetcher._fetch_task.cancel()


def end_coordinating(consumer):
    consumer._coordinator._coordination_task.cancel()


async def close(consumer):
    await consumer.stop()


@pytest.mark.parametrize("end", [end_fetching, end_coordinating, close])
async def test_consumer_whose_client_has_ended_is_neither_ready_nor_live(
    end, faulty_servers, received
):
    kind = KINDS["kafka"]
    broker = kind.make(faulty_servers["kafka"].port, received.put, logger=None)
    async with serving(broker) as service:
        (subscriber,) = broker.subscribers
        ending = end(subscriber.consumer)
        if ending is not None:
            await ending
        assert await broker.ping(5.0)
        await service.until("/ready", 503)
        await service.until("/live", 503)


@pytest.mark.parametrize("workers", [1, 5])
async def test_what_was_received_is_handled_and_the_rest_waits(kind, server, workers):
    handled = []
    first = asyncio.Event()

    async def handler(message: str):
        first.set()
        await asyncio.sleep(0.005)
        handled.append(message)

    broker = kind.make(server.port, handler, workers=workers)
    sent = [str(number) for number in range(MESSAGES)]
    async with running(broker):
        for text in sent:
            await kind.send(broker, text)
        await asyncio.wait_for(first.wait(), PATIENCE)
    waiting, _ = await left_on_the_server(kind, server.port, broker.address)
    assert len(handled) + waiting == MESSAGES
    assert sorted(handled) == sorted(sent[: len(handled)])


async def test_idle_broker_stops_at_once(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with running(broker):
        await kind.send(broker, "it")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "it"
        began = time.monotonic()
        await Supervisor.of(broker).drain(15.0)
        seconds = time.monotonic() - began
    print(f"{kind.name}: drained in {seconds * 1000:.0f} ms")
    assert seconds < 1.0


async def test_readiness_follows_a_server_that_is_killed_and_restarted(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        assert await service.get("/ready") == 200
        server.kill()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        server.restart()
        await service.until("/ready", 200)
        assert await service.get("/live") == 200


async def test_retry_starts_at_once_and_connects_when_the_server_is_there(kind, server, received):
    broker = kind.make(server.port, received.put)
    server.pause()
    began = time.monotonic()
    async with serving(broker, on_unavailable="retry", startup_timeout=8.0) as service:
        assert time.monotonic() - began < 1.0
        assert await service.get("/ready") == 503
        assert await service.get("/live") == 200
        server.resume()
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


async def test_connection_that_passes_nothing_is_seen_and_replaced(kind):
    """With FROZEN_UPSTREAM=240, FastStream alone for so many seconds."""
    for ours in (True, False) if UPSTREAM_PATIENCE else (True,):
        async with proxy_of() as proxy:
            with kafka_server(proxy.port) as server:
                proxy.server_port = server.port
                patience = 60.0 if ours else UPSTREAM_PATIENCE
                outcome = await freeze(kind, proxy, patience=patience, ours=ours)
        print(f"{kind.name}{'' if ours else ', FastStream'}: {outcome}")
        if ours:
            check(kind.name, outcome)


async def test_connection_that_passes_nothing_is_replaced_while_it_joins_a_group(kind):
    """The server takes 5 seconds for a group that is new."""

    def joins(broker):
        (subscriber,) = broker.subscribers
        if kind.name == "confluent":
            return subscriber.consumer.config["stats_cb"].joining() > 0
        return any(map(_joins, _connections(subscriber.consumer)))

    async with proxy_of() as proxy:
        with kafka_server(proxy.port) as server:
            proxy.server_port = server.port
            outcome = await freeze(kind, proxy, patience=JOINS_AGAIN, ours=True, until=joins)
    assert outcome.consuming is not None
    assert outcome.lost == 0


def test_broker_whose_event_loop_was_closed_starts_in_another(faulty_servers):
    """Not Confluent: Tansu gives a group that comes back no partitions."""
    check_next_starts(KINDS["kafka"], faulty_servers["kafka"])
