"""Liveness, readiness, and an application that starts before its broker, in every host."""

import asyncio

import pytest
from faststream.nats import NatsBroker

from faststream_integrations import make_liveness_asgi, make_readiness_asgi
from faststream_integrations.testing import nats_server


def probes(*brokers):
    return [("/live", make_liveness_asgi(*brokers)), ("/ready", make_readiness_asgi(*brokers))]


async def test_probes_follow_a_consumer(host, nats_url):
    broker = NatsBroker(nats_url)

    @broker.subscriber(f"probes.{host.name}")
    async def handler(message: str): ...

    async with host.client(broker, asgi_routes=probes(broker), in_memory=False) as client:
        ready = await client.get("/ready")
        assert ready.status_code == 200
        assert ready.headers["content-type"] == "application/health+json"
        assert ready.headers["cache-control"] == "no-store"
        assert ready.json()["checks"]["NatsBroker:consuming"][0]["status"] == "pass"
        assert (await client.get("/live")).status_code == 200
        assert (await client.head("/ready")).status_code == 200
        (subscriber,) = broker.subscribers
        await subscriber.stop()
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/live")).status_code == 200, "it was stopped on purpose"


async def test_application_serves_http_while_its_broker_is_retried(host):
    if host.name == "mounted":
        pytest.skip("the application around it starts the broker, and it is told what to do")
    with nats_server() as server:
        broker = NatsBroker(server.url, reconnect_time_wait=0.05)
        server.kill()
        async with host.client(
            broker, asgi_routes=probes(broker), in_memory=False, on_unavailable="retry"
        ) as client:
            ready = await client.get("/ready")
            assert ready.status_code == 503
            assert (await client.get("/live")).status_code == 200
            server.restart()
            while (await client.get("/ready")).status_code != 200:
                await asyncio.sleep(0.02)
        assert not await broker.ping(0.05)
