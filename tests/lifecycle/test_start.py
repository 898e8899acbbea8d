"""A start that fails: in time, with an error that says why and betrays nothing."""

import asyncio
import time
import traceback

import pytest
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from nats.errors import Error

from faststream_integrations.brokers.reasons import reason_of
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.lifespan import BrokerUnavailable
from faststream_integrations.testing import nats_server
from tests.lifecycle.service import running
from tests.processes import free_port

SECRET = "s3cret"


async def handler(message: str): ...


def redis(port):
    from faststream.redis import RedisBroker

    return RedisBroker(f"redis://user:{SECRET}@127.0.0.1:{port}")


def rabbit(port):
    from faststream.rabbit import RabbitBroker

    return RabbitBroker(f"amqp://user:{SECRET}@127.0.0.1:{port}/")


def nats(port):
    return NatsBroker(f"nats://user:{SECRET}@127.0.0.1:{port}")


def mqtt(port):
    from faststream.mqtt import MQTTBroker
    from faststream.security import SASLPlaintext

    security = SASLPlaintext(username="user", password=SECRET)
    return MQTTBroker(host="127.0.0.1", port=port, security=security)


def kafka(port):
    from faststream.kafka import KafkaBroker

    return KafkaBroker(f"127.0.0.1:{port}")


async def error_of(broker, **options):
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable) as raised:
        async with running(broker, **options):
            raise AssertionError
    return raised.value, time.monotonic() - began


@pytest.mark.parametrize("make", [nats, redis, rabbit, mqtt, kafka])
async def test_nobody_listens(make, caplog):
    broker = make(port := free_port())
    broker.subscriber("start")(handler)
    error, seconds = await error_of(broker, startup_timeout=1.0)
    assert seconds < 1.0 + 4.5
    message = str(error)
    assert type(broker).__name__ in message
    assert f"127.0.0.1:{port}" in message
    if make in (nats, redis, rabbit):
        assert "connection refused" in message
    assert SECRET not in "".join(traceback.format_exception(error)) + caplog.text


@pytest.mark.parametrize("make", [redis, rabbit])
async def test_server_refuses_the_password(make, faulty_servers, caplog):
    broker = make(faulty_servers[make.__name__].port)
    broker.subscriber("start")(handler)
    tasks = asyncio.all_tasks()
    error, _ = await error_of(broker, startup_timeout=10.0)
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    assert "authentication or permission refused" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error)) + caplog.text


async def test_nats_server_refuses_the_password(caplog):
    with nats_server("--user", "user", "--pass", "other") as server:
        error, _ = await error_of(nats(server.port), startup_timeout=2.0)
    assert "authentication or permission refused" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error)) + caplog.text


async def test_password_that_is_refused_later_is_no_exception_that_nobody_awaits(tmp_path):
    config = tmp_path / "nats.conf"
    config.write_text('authorization { user: me, password: "first" }')
    with nats_server("--config", str(config)) as server:
        broker = NatsBroker(server.url.replace("//", "//me:first@"), reconnect_time_wait=0.05)
        async with running(broker):
            kind, client = Supervisor.of(broker).kind, broker._connection
            config.write_text('authorization { user: me, password: "second" }')
            server.restart()
            while not client._reconnection_task or not client._reconnection_task.done():
                await asyncio.sleep(0.01)
            assert reason_of(kind.trouble) == "authentication or permission refused"
            assert not client._reconnection_task._log_traceback, "the event loop would hear of it"


async def test_what_a_server_says_tells_more_than_how_the_connection_ended():
    kind = Supervisor.of(NatsBroker()).kind
    for error in (Error("nats: 'Authorization Violation'"), ConnectionResetError()):
        await kind._on_error(error)
    assert reason_of(kind.trouble) == "authentication or permission refused"


async def test_start_that_returned_without_a_consumer_is_not_trusted(nats_url):
    class Deaf(NatsBroker):
        async def start(self):
            await self.connect()
            self.running = True

    broker = Deaf(nats_url)
    broker.subscriber("deaf")(handler)
    error, _ = await error_of(broker, startup_timeout=0.5)
    assert "Handler (deaf): not started" in str(error)


async def test_error_of_the_code_is_raised_as_it_is(nats_url):
    class Wrong(NatsBroker):
        async def start(self):
            raise SetupError("wrong")

    with pytest.raises(SetupError, match="wrong"):
        async with running(Wrong(nats_url)):
            raise AssertionError


async def test_timeout_is_that_of_all_brokers(nats_url):
    class Slow(NatsBroker):
        async def start(self):
            await asyncio.sleep(0.3)
            await super().start()

    _, seconds = await error_of(Slow(nats_url), startup_timeout=0.1)
    assert seconds < 3.0
    first, second = Slow(nats_url), Slow(nats_url)
    with pytest.raises(BrokerUnavailable):
        async with running(first, second, startup_timeout=0.5):
            raise AssertionError
    assert not await first.ping(0.05), "what had started is stopped"
    assert Supervisor.of(first).state.value == "stopped"


async def test_pauses_between_attempts_grow_and_differ(nats_url, monkeypatch):
    pauses = []
    sleep = asyncio.sleep

    async def record(seconds, *args):
        if seconds > 0.2:
            pauses.append(seconds)
        await sleep(0)

    class Failing(NatsBroker):
        async def start(self):
            raise ConnectionRefusedError

    monkeypatch.setattr("faststream_integrations.brokers.supervisor.asyncio.sleep", record)
    async with running(Failing(nats_url), on_unavailable="retry"):
        while len(pauses) < 10:
            await sleep(0)
    expected = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, expected, strict=False))
    assert len(set(pauses)) >= 10
