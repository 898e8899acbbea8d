"""The way down: what was received is handled, nothing is left behind, and it ends in time."""

import asyncio
import gc
import os
import signal
import threading
import time
import uuid

import anyio
import psutil
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, broker_lifespan
from faststream_integrations.brokers.reports import State
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.litestar import FastStreamPlugin
from tests.lifecycle.kinds import KINDS, left_on_the_server
from tests.lifecycle.service import PATIENCE, running, serving

MESSAGES = 60


@pytest.mark.parametrize("workers", [1, 5])
async def test_what_was_received_is_handled_and_nothing_is_left_pending(kind, server, workers):
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
    waiting, pending = await left_on_the_server(kind, server.port, broker.address)
    assert pending == 0
    assert len(handled) + waiting == MESSAGES
    if kind.name in ("nats-core", "redis-channel", "mqtt"):
        assert sorted(handled) == sorted(sent)
    if waiting:
        async with running(broker):
            while len(handled) < MESSAGES:
                await asyncio.sleep(0.01)
    assert sorted(handled) == sorted(sent)


async def test_handler_in_flight_ends_and_its_message_goes_out(kind, server):
    entered, release, heard = asyncio.Event(), asyncio.Event(), asyncio.Queue()

    async def slow(message: str):
        entered.set()
        await release.wait()
        await kind.send(broker, "from the handler", listener.address)

    async def hear(message: str):
        await heard.put(message)

    broker = kind.make(server.port, slow)
    listener = kind.make(server.port, hear)
    async with running(listener):
        lifespan = running(broker)
        await lifespan.__aenter__()
        await kind.send(broker, "go")
        await asyncio.wait_for(entered.wait(), PATIENCE)
        stopping = asyncio.create_task(lifespan.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        release.set()
        await stopping
        assert await asyncio.wait_for(heard.get(), PATIENCE) == "from the handler"
    assert not await broker.ping(0.05)


async def test_handler_that_does_not_end_is_cancelled_at_the_deadline(kind, server):
    entered, ended = asyncio.Event(), asyncio.Event()

    async def endless(message: str):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    broker = kind.make(server.port, endless)
    tasks = asyncio.all_tasks()
    async with running(broker, shutdown_timeout=1.0):
        await kind.send(broker, "go")
        await asyncio.wait_for(entered.wait(), PATIENCE)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0 + 3.5
    await asyncio.wait_for(ended.wait(), 1.0)
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks


async def test_no_more_is_taken_after_a_drain_that_was_too_short_for_a_handler(kind, server):
    """A request may go on for long after it, so that the broker stays open."""
    entered, handled, release = asyncio.Event(), asyncio.Queue(), asyncio.Event()

    async def slow(message: str):
        entered.set()
        await release.wait()
        await handled.put(message)

    broker = kind.make(server.port, slow)
    async with running(broker):
        await kind.send(broker, "before")
        await asyncio.wait_for(entered.wait(), PATIENCE)
        await Supervisor.of(broker).drain(0.2)
        release.set()
        assert await asyncio.wait_for(handled.get(), PATIENCE) == "before"
        await kind.send(broker, "after")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(handled.get(), 1.0)


@pytest.mark.parametrize("kind", [KINDS["nats-core"]])
async def test_broker_that_is_retried_does_not_start_after_sigterm(kind, server, monkeypatch):
    """A request may go on for long after it."""
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.FIRST_RETRY", 0.05)
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.LAST_RETRY", 0.05)
    server.kill()
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(heard.set))
    broker = kind.make(server.port, asyncio.Queue().put)
    try:
        async with running(broker, on_unavailable="retry", shutdown_timeout=0.2):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(heard.wait(), PATIENCE)
            await asyncio.sleep(0.2)
            server.restart()
            with anyio.move_on_after(2.0):
                while not broker.running:
                    await asyncio.sleep(0.01)
            assert not broker.running
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_cancelled_stop_leaves_nothing_behind(kind, server):
    entered = asyncio.Event()

    async def endless(message: str):
        entered.set()
        await asyncio.Event().wait()

    broker = kind.make(server.port, endless)
    tasks = asyncio.all_tasks()

    async def run():
        async with running(broker):
            await kind.send(broker, "go")
            await asyncio.wait_for(entered.wait(), PATIENCE)

    task = asyncio.create_task(run())
    await asyncio.wait_for(entered.wait(), PATIENCE)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    assert not await broker.ping(0.05)


async def test_cancelled_start_leaves_nothing_behind(kind, server, received):
    broker = kind.make(server.port, received.put)
    server.pause()
    tasks = asyncio.all_tasks()

    async def run():
        async with running(broker):
            raise AssertionError

    task = asyncio.create_task(run())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    server.resume()
    async with serving(broker) as service:
        assert await service.get("/ready") == 200


async def test_brokers_are_drained_before_any_of_them_is_closed(nats_url):
    """A handler may publish to another broker than its own."""
    entered, release, heard = asyncio.Event(), asyncio.Event(), asyncio.Queue()
    source, target, listener = (NatsBroker(nats_url) for _ in range(3))

    @source.subscriber("stop.source")
    async def slow(message: str):
        entered.set()
        await release.wait()
        await target.publish("from the handler", "stop.target")

    @listener.subscriber("stop.target")
    async def hear(message: str):
        await heard.put(message)

    async with running(listener):
        lifespan = running(source, target)
        await lifespan.__aenter__()
        await source.publish("go", "stop.source")
        await entered.wait()
        stopping = asyncio.create_task(lifespan.__aexit__(None, None, None))
        await asyncio.sleep(0.05)
        release.set()
        await stopping
        assert await asyncio.wait_for(heard.get(), PATIENCE) == "from the handler"


async def test_failing_hook_stops_the_brokers_all_the_same(nats_url):
    broker = NatsBroker(nats_url)
    app = FastStream(broker)

    @app.on_shutdown
    async def fail():
        raise RuntimeError("hook")

    with pytest.raises(RuntimeError, match="hook"):
        async with running(app):
            assert await broker.ping(5.0)
    assert not await broker.ping(0.05)


@pytest.mark.parametrize("kind", [KINDS["nats-core"]])
async def test_hooks_after_startup_wait_for_brokers_that_are_retried(kind, server):
    server.kill()
    broker = kind.broker(kind.url.format(port=server.port))
    app = FastStream(broker)
    called = asyncio.Event()

    @app.after_startup
    async def publish():
        await broker.publish("", "anything")
        called.set()

    async with running(app, on_unavailable="retry"):
        await asyncio.sleep(0.1)
        assert not called.is_set()
        server.restart()
        await asyncio.wait_for(called.wait(), PATIENCE)


async def test_failing_hook_of_a_retried_application_is_not_ready(nats_url):
    broker = NatsBroker(nats_url)

    async def fail():
        raise RuntimeError("a secret")

    async with serving(broker, on_unavailable="retry", after_startup=[fail]) as service:
        while "hook" not in (await service.client.get("/ready")).text:
            await asyncio.sleep(0.01)
        response = await service.client.get("/ready")
        assert response.status_code == 503
        assert "a secret" not in response.text


def test_broker_that_runs_in_another_event_loop_later_is_watched_there_too(nats_url, monkeypatch):
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.WATCH_INTERVAL", 0.05)
    broker = NatsBroker(nats_url)

    async def run():
        async with running(broker):
            supervisor = Supervisor.of(broker)
            seen = supervisor.report.at
            while supervisor.report.at == seen:
                await asyncio.sleep(0.05)

    asyncio.run(run())
    asyncio.run(run())


async def test_broker_that_the_user_stops_stays_stopped(nats_url, monkeypatch):
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.WATCH_INTERVAL", 0.05)
    broker = NatsBroker(nats_url)
    broker.subscriber("stop.user")(lambda message: None)
    async with serving(broker) as service:
        await broker.stop()
        await asyncio.sleep(0.5)
        assert not broker.running
        assert await service.get("/ready") == 503


async def test_watch_ends_though_the_client_gives_up_at_the_same_moment(nats_url):
    """`asyncio.wait_for` of Python 3.11 and older takes the event, and forgets the cancellation."""
    broker = NatsBroker(nats_url)
    async with running(broker):
        supervisor = Supervisor.of(broker)
        watch = supervisor._task
        for _ in range(3):
            await asyncio.sleep(0)  # until it waits
        supervisor.kind.lost_event.set()
        await supervisor.quiesce()
        assert watch.done()


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        ({"on_unavailable": "wait"}, ValueError, "on_unavailable must be 'fail' or 'retry'"),
        ({"startup_timeout": -1}, ValueError, "startup_timeout must be a number of seconds from 0"),
        ({"shutdown_delay": float("nan")}, ValueError, "shutdown_delay must be a number"),
        ({"shutdown_timeout": None}, TypeError, "shutdown_timeout must be a number of seconds"),
        ({"timeout": 1.0}, TypeError, "got an unexpected argument 'timeout'; .* startup_timeout"),
    ],
)
@pytest.mark.parametrize("make", [broker_lifespan, AsgiFastStream, FastStreamPlugin])
def test_limit_that_cannot_be_is_told(make, limit, error, message):
    with pytest.raises(error, match=message):
        make(NatsBroker(), **limit)


@pytest.mark.parametrize("delay", [0.0, 0.3])
async def test_sigterm_turns_readiness_to_503_before_the_server_hears_of_it(nats_url, delay):
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(heard.set))
    broker = NatsBroker(nats_url)
    try:
        async with serving(broker, shutdown_delay=delay) as service:
            assert await service.get("/ready") == 200
            began = loop.time()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.01)
            assert Supervisor.of(broker).state is State.DRAINING
            assert await service.get("/ready") == 503
            assert await service.get("/live") == 200
            await asyncio.wait_for(heard.wait(), PATIENCE)
            assert loop.time() - began >= delay
    finally:
        signal.signal(signal.SIGTERM, before)


ROUNDS = int(os.environ.get("LIFECYCLE_ROUNDS", "20"))


@pytest.mark.parametrize(
    "kind", [KINDS[name] for name in ("nats-core", "nats-pull", "redis-channel", "mqtt")]
)
async def test_many_starts_and_stops_leave_no_trace(kind, server, received):
    """A thousand with LIFECYCLE_ROUNDS=1000."""
    process = psutil.Process()

    async def handler(message: str):
        await received.put(message)

    broker = kind.make(server.port, handler)

    def traces():
        gc.collect()
        return len(asyncio.all_tasks()), threading.active_count(), process.num_fds()

    async def run(rounds):
        for number in range(rounds):
            async with running(broker):
                if number % 10 == 0:
                    await kind.send(broker, "it")
                    assert await asyncio.wait_for(received.get(), PATIENCE) == "it"
        await asyncio.sleep(0.1)

    await run(10)
    before, memory = traces(), process.memory_info().rss
    await run(ROUNDS)
    after, grown = traces(), process.memory_info().rss - memory
    print(f"{kind.name}: {ROUNDS} starts and stops, {before} -> {after}, {grown / 1024:.0f} KiB")
    assert after == before
    assert grown < 8 * 1024 * 1024


POLL = 30
"""Seconds for which a consumer that finds nothing waits for its server."""


def idle_brokers(ports):
    from faststream.nats import PullSub
    from faststream.redis import ListSub, RedisBroker, StreamSub

    def nats(pull_sub):
        broker = NatsBroker(ports["nats"])
        name = f"idle-{uuid.uuid4().hex}"
        return broker, broker.subscriber(name, stream=name, durable="d", pull_sub=pull_sub)

    def redis(**options):
        broker = RedisBroker(ports["redis"])
        return broker, broker.subscriber(**options)

    name = f"idle-{uuid.uuid4().hex}"
    stream = {"polling_interval": POLL * 1000}
    yield "JetStream pull", *nats(PullSub(timeout=POLL))
    yield "JetStream pull of ten", *nats(PullSub(batch_size=10, timeout=POLL))
    yield "JetStream pull of batches", *nats(PullSub(batch_size=10, timeout=POLL, batch=True))
    yield "Redis list", *redis(list=ListSub(name, polling_interval=POLL))
    yield "Redis stream", *redis(stream=StreamSub(name, **stream))
    yield "Redis group", *redis(stream=StreamSub(name, group="g", consumer="c", **stream))
    yield "Redis channel", *redis(channel=name)


async def test_idle_consumer_stops_at_once_whatever_its_poll_timeout(nats_url, faulty_servers):
    """In half a second; the machine may be busy, so the test allows for more than that."""
    redis = f"redis://127.0.0.1:{faulty_servers['redis'].port}"
    for name, broker, subscriber in idle_brokers({"nats": nats_url, "redis": redis}):
        handled = []
        subscriber(handled.append)
        async with running(broker):
            await asyncio.sleep(0.2)  # until it waits for its server
            began = time.monotonic()
        seconds = time.monotonic() - began
        print(f"{name}: stopped in {seconds * 1000:.0f} ms")
        assert seconds < POLL / 10
