import asyncio
from collections.abc import Iterator

import pytest
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, make_ping_asgi
from faststream_integrations.testing import NatsServer, asgi_client, nats_server


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


async def test_message_arrives(nats: NatsServer) -> None:
    broker = NatsBroker(nats.url)
    arrived: asyncio.Queue[str] = asyncio.Queue()

    @broker.subscriber("greetings")
    async def greet(name: str) -> None:
        await arrived.put(name)

    async with asgi_client(AsgiFastStream(broker)):  # the broker is not named: it connects
        await broker.publish("ada", "greetings")
        assert await asyncio.wait_for(arrived.get(), 10) == "ada"


async def test_probe_says_that_the_server_is_gone() -> None:
    with nats_server() as server:
        broker = NatsBroker(server.url, reconnect_time_wait=1)
        routes = [("/health", make_ping_asgi(broker, timeout=1.0))]
        async with asgi_client(AsgiFastStream(broker, asgi_routes=routes)) as client:
            assert (await client.get("/health")).status_code == 204
            server.kill()
            while (await client.get("/health")).status_code == 204:
                await asyncio.sleep(0.01)  # until the client has noticed
            server.restart()
            assert await broker.ping(10.0)
