"""A consumer that is dead while its broker answers pings, for every kind of broker."""

import asyncio
import json
from contextlib import suppress
from importlib.metadata import version
from types import SimpleNamespace

import aio_pika
import pytest
from faststream.exceptions import StopConsume
from faststream.nats import NatsBroker, PullSub, TestNatsBroker

from faststream_integrations import make_liveness_asgi, make_readiness_asgi
from faststream_integrations.brokers.kinds import Consumption, kind_of
from faststream_integrations.brokers.kinds.confluent import ConfluentKind
from faststream_integrations.brokers.kinds.kafka import KafkaKind
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.testing import asgi_client, nats_server
from tests.installed import OLDEST_FASTSTREAM
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.service import PATIENCE, serving


def consumer_task(subscriber):
    if tasks := getattr(subscriber, "tasks", None):
        return tasks[0]
    return subscriber.subscription._wait_for_msgs_task


@pytest.mark.parametrize("kind", [KINDS[name] for name in KINDS if name != "rabbit"])
@pytest.mark.parametrize("workers", [1, 5])
async def test_consumer_whose_task_has_ended_is_neither_ready_nor_live(
    kind, server, received, workers
):
    broker = kind.make(server.port, received.put, workers=workers)
    async with serving(broker) as service:
        assert await service.get("/ready") == 200
        assert await service.get("/live") == 200
        (subscriber,) = broker.subscribers
        task = consumer_task(subscriber)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await broker.ping(5.0)
        await service.until("/ready", 503)
        assert await service.get("/live") == 503


# FastStream's list subscriber cannot stop itself: its stop waits for a lock that it holds.
@pytest.mark.parametrize("kind", [KINDS[name] for name in KINDS if name != "redis-list"])
async def test_consumer_that_stopped_itself_is_not_ready_and_no_reason_to_restart(kind, server):
    async def handler(message: str):
        raise StopConsume

    broker = kind.make(server.port, handler)
    async with serving(broker) as service:
        await kind.send(broker, "stop")
        await service.until("/ready", 503)
        (verdict,) = [each.verdict for each in Supervisor.of(broker).report.consumers]
        assert (verdict.consumption, verdict.on_purpose) == (Consumption.DOWN, True)
        assert await service.get("/live") == 200


async def test_consumer_without_a_handler_is_no_reason(server, kind, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        idle = broker.subscriber(f"{broker.address}-2")
        await idle.start()
        assert await service.get("/ready") == 200
        await idle.stop()


@pytest.mark.parametrize("kind", [KINDS[name] for name in ("nats-core", "redis-list", "mqtt")])
async def test_subscriber_that_is_added_later_counts_from_its_declaration(server, kind, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        address = f"{broker.address}-2"
        before = set(broker.subscribers)
        kind.subscribe(broker, address, received.put, 1)
        (late,) = set(broker.subscribers) - before
        await service.until("/ready", 503)  # it consumes nothing yet
        assert await service.get("/live") == 200
        await late.start()
        await service.until("/ready", 200)
        await kind.send(broker, "late", address)
        assert await asyncio.wait_for(received.get(), PATIENCE) == "late"


@pytest.mark.parametrize("kind", [KINDS["rabbit"]])
async def test_rabbit_queue_that_is_deleted_is_not_ready_until_it_is_declared_again(
    kind, server, received, monkeypatch
):
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.WATCH_INTERVAL", 0.05)
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        other = await aio_pika.connect(kind.url.format(port=server.port))
        await (await other.channel()).queue_delete(broker.address)
        await other.close()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        if int(version("aio-pika").partition(".")[0]) >= 10:  # the first that declares it again
            await service.until("/ready", 200)


@pytest.mark.parametrize("kind", [KINDS["redis-stream"]])
async def test_redis_group_that_is_destroyed_is_neither_ready_nor_live(kind, server, received):
    if OLDEST_FASTSTREAM:
        pytest.skip("FastStream 0.7.0 starts its task again and again, without a pause.")
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        await broker._connection.xgroup_destroy(broker.address, "g")
        await service.until("/ready", 503)
        await service.until("/live", 503)


@pytest.mark.parametrize("kind", [KINDS["redis-stream"]])
async def test_consumer_that_fails_again_and_again_is_not_ready(kind, server, received):
    """FastStream starts it again at once, without end, while the server answers pings."""
    broker = kind.make(server.port, received.put, logger=None)
    async with serving(broker) as service:
        await broker._connection.delete(broker.address)
        await broker._connection.set(broker.address, "no stream")
        await service.until("/ready", 503)
        for _ in range(20):
            assert await service.get("/ready") == 503
        (consumer,) = (await service.checks("/ready"))["RedisBroker:consuming"]
        assert consumer["output"] == "its consumer task fails again and again"
        assert await service.get("/live") == 200
        await broker._connection.delete(broker.address)


@pytest.mark.parametrize("kind", [KINDS["redis-channel"]])
async def test_redis_channel_whose_connection_is_killed_recovers(kind, server, received):
    """The client subscribes again at once, and FastStream reads again after five seconds."""
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        await broker._connection.client_kill_filter(_type="pubsub")
        while received.empty():
            await kind.send(broker, "again")
            await asyncio.sleep(0.1)
        assert await service.get("/ready") == 200
        assert await service.get("/live") == 200


@pytest.mark.parametrize("kind", [KINDS["nats-pull"], KINDS["nats-push"]])
async def test_jetstream_consumer_that_is_deleted_is_neither_ready_nor_live(kind, server, received):
    broker = kind.make(server.port, received.put)
    async with serving(broker) as service:
        (subscriber,) = broker.subscribers
        info = await subscriber.subscription.consumer_info()
        await broker._connection.jetstream().delete_consumer(broker.address, info.name)
        assert await broker.ping(5.0)
        await service.until("/ready", 503)
        assert await service.get("/live") == 503


@pytest.mark.parametrize("pull", [False, True])
async def test_nats_client_that_gave_up_is_started_again(pull, received):
    """A pull subscriber of a closed client would otherwise freeze the event loop."""
    with nats_server() as server:
        broker = NatsBroker(server.url, max_reconnect_attempts=1, reconnect_time_wait=0.05)
        options = {"stream": "gave-up", "pull_sub": PullSub(timeout=0.2)} if pull else {}
        broker.subscriber("gave.up", **options)(received.put)
        async with serving(broker) as service:
            client = broker._connection
            server.kill()
            while not client.is_closed:
                await asyncio.sleep(0.02)
            await service.until("/ready", 503)
            assert await service.get("/live") == 200
            server.restart()
            await service.until("/ready", 200)
            await broker.publish("again", "gave.up")
            assert await asyncio.wait_for(received.get(), PATIENCE) == "again"


async def test_nats_server_that_refuses_the_password_is_not_ready_until_it_accepts(
    tmp_path, received
):
    config = tmp_path / "nats.conf"

    def allow(password):
        config.write_text(f'authorization {{ user: me, password: "{password}" }}\n')

    allow("first")
    with nats_server("--config", str(config)) as server:
        url = server.url.replace("//", "//me:first@")
        broker = NatsBroker(url, reconnect_time_wait=0.05)
        broker.subscriber("password")(received.put)
        async with serving(broker) as service:
            assert await service.get("/ready") == 200
            allow("second")
            server.restart()
            await service.until("/ready", 503)
            await asyncio.sleep(0.5)
            assert await service.get("/ready") == 503
            assert await service.get("/live") == 200
            body = json.dumps(await service.checks("/ready"))
            assert "first" not in body
            allow("first")
            server.restart()
            await service.until("/ready", 200)
            await broker.publish("again", "password")
            assert await asyncio.wait_for(received.get(), PATIENCE) == "again"


async def test_nats_subscription_that_the_server_refuses_fails_the_startup(tmp_path, received):
    config = tmp_path / "nats.conf"
    config.write_text(
        "authorization { users: [{ user: me, password: secret, "
        'permissions: { subscribe: { deny: "refused" } } }] }\n'
    )
    with nats_server("--config", str(config)) as server:
        broker = NatsBroker(server.url.replace("//", "//me:secret@"))
        broker.subscriber("refused")(received.put)
        with pytest.raises(ConnectionError, match="refuses the subscription") as raised:
            async with serving(broker, startup_timeout=1.0):
                raise AssertionError
        assert "secret" not in str(raised.value)


async def test_kafka_consumer_of_an_unknown_client_version_is_not_called_up_by_mistake():
    task = asyncio.ensure_future(asyncio.Event().wait())
    for kind in (KafkaKind, ConfluentKind):
        subscriber = SimpleNamespace(calls=[1], running=True, tasks=[task], consumer=None)
        assert kind(SimpleNamespace()).attached(subscriber).consumption is Consumption.DEAD
        subscriber.consumer = SimpleNamespace()
        assert kind(SimpleNamespace()).attached(subscriber).consumption is Consumption.UNKNOWN


def test_kind_is_found_by_the_class_of_a_broker():
    from faststream.confluent import KafkaBroker as ConfluentBroker
    from faststream.kafka import KafkaBroker
    from faststream.mqtt import MQTTBroker
    from faststream.rabbit import RabbitBroker
    from faststream.redis import RedisBroker

    class Own(RedisBroker):
        pass

    brokers = (NatsBroker, Own, RabbitBroker, KafkaBroker, ConfluentBroker, MQTTBroker)
    assert [type(kind_of(broker())).__name__ for broker in brokers] == [
        "NatsKind", "RedisKind", "RabbitKind", "KafkaKind", "ConfluentKind", "MqttKind",
    ]  # fmt: skip


async def test_unknown_kind_of_broker_falls_back_to_the_ping_and_says_so(
    nats_url, received, monkeypatch
):
    from faststream_integrations.brokers.kinds.base import Kind

    monkeypatch.setattr("faststream_integrations.brokers.supervisor.kind_of", Kind)
    broker = NatsBroker(nats_url)
    broker.subscriber("unknown.kind")(received.put)
    async with serving(broker) as service:
        response = await service.client.get("/ready")
        assert (response.status_code, response.json()["status"]) == (200, "warn")
        (consumer,) = response.json()["checks"]["NatsBroker:consuming"]
        assert consumer["observedValue"] == "unknown"
        assert "ping" in consumer["output"]


async def test_broker_in_memory_is_ready_and_live(received):
    broker = NatsBroker()
    broker.subscriber("memory")(received.put)
    probes = [make_readiness_asgi(broker), make_liveness_asgi(broker)]
    async with TestNatsBroker(broker):
        for probe in probes:
            async with asgi_client(probe) as client:
                assert (await client.get("/")).status_code == 200
