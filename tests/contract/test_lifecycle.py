"""Brokers live as long as the application, on a real NATS server."""

import asyncio
import socket

import pytest
from faststream.nats import NatsBroker

from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, get


async def test_broker_consumes_while_the_application_runs(host, nats_url):
    broker = NatsBroker(nats_url)
    received = asyncio.Queue()

    @broker.subscriber(f"contract.{host.name}")
    async def subscriber(message: str):
        await received.put(message)

    @get
    async def handler(scope):
        await broker.publish("from the handler", f"contract.{host.name}")
        return AsgiResponse()

    async with host.client(broker, asgi_routes=[("/it", handler)], in_memory=False) as client:
        assert (await client.get("/it")).status_code == 200
        assert await asyncio.wait_for(received.get(), 10) == "from the handler"
    assert not await broker.ping(0.05)


async def test_application_starts_again_in_one_process(host, nats_url):
    broker = NatsBroker(nats_url)
    routes = [("/health", make_ping_asgi(broker))]
    app = host.build(broker, asgi_routes=routes)
    from faststream_integrations.testing import asgi_client

    for _ in range(3):
        async with asgi_client(app) as client:
            assert (await client.get(f"{host.prefix}/health")).status_code == 204
        assert not await broker.ping(0.05)


async def test_every_broker_is_stopped_when_one_fails_to(host, nats_url):
    class StopError(Exception):
        pass

    class Failing(NatsBroker):
        async def stop(self, *args):
            await super().stop(*args)
            raise StopError

    first, second, third = NatsBroker(nats_url), Failing(nats_url), NatsBroker(nats_url)
    with pytest.raises(BaseException) as raised:
        async with host.client(first, second, third, in_memory=False):
            assert await first.ping(5)
            assert await third.ping(5)
    assert "StopError" in repr(raised.value) or "StopError" in str(raised.value)
    assert not await first.ping(0.05)
    assert not await third.ping(0.05)


async def test_unreachable_broker_fails_the_startup_in_time(host):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = NatsBroker(f"nats://me:secret@127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Exception, match="NatsBroker at nats://127.0.0.1") as raised:
            async with host.client(started, in_memory=False, startup_timeout=0.2):
                raise AssertionError
    assert "secret" not in str(raised.value)


async def test_broker_that_started_stops_when_the_next_one_fails(host, nats_url):
    class StartError(Exception):
        pass

    class Failing(NatsBroker):
        async def start(self):
            raise StartError

    first = NatsBroker(nats_url)
    with pytest.raises(StartError):
        async with host.client(first, Failing(nats_url), in_memory=False):
            raise AssertionError
    assert not await first.ping(0.05)


async def test_ping_says_whether_every_broker_answers(host, nats_url):
    one, other = NatsBroker(nats_url), NatsBroker(nats_url)
    routes = [("/health", make_ping_asgi(one, other, timeout=0.2))]
    async with host.client(one, other, asgi_routes=routes, in_memory=False) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.head("/health")).status_code == 204
        await other.stop()
        assert (await client.get("/health")).status_code == 500
