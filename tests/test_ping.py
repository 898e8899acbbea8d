"""`make_ping_asgi`: 204 or 500 within the timeout, with one ping in flight."""

import asyncio
import time

import pytest
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations import make_ping_asgi
from faststream_integrations.testing import asgi_client


class Pinged(NatsBroker):
    """A broker whose ping does what the test says."""

    def __init__(self, ping) -> None:
        super().__init__()
        self.calls = 0
        self.in_flight = 0
        self._ping = ping

    async def ping(self, timeout):
        self.calls += 1
        self.in_flight += 1
        assert self.in_flight == 1
        try:
            return await self._ping()
        finally:
            self.in_flight -= 1


async def true():
    return True


async def false():
    return False


async def none():
    return None


async def raises():
    raise ConnectionError("a secret")


async def hangs():
    await asyncio.Event().wait()


async def cancels():
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("pings", "status_code"),
    [
        ([true], 204),
        ([true, true], 204),
        ([true, false], 500),
        ([none], 500),
        ([raises, true], 500),
        ([hangs], 500),
        ([cancels], 500),
    ],
)
async def test_ping_is_204_when_every_broker_answers(pings, status_code):
    probe = make_ping_asgi(*(Pinged(ping) for ping in pings), timeout=0.02)
    async with asgi_client(probe) as client:
        response = await client.get("/")
    assert (response.status_code, response.content) == (status_code, b"")


async def test_ping_that_ignores_its_cancellation_is_500_and_stays_the_only_one():
    release = asyncio.Event()

    async def ignores():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return True

    broker = Pinged(ignores)
    async with asgi_client(make_ping_asgi(broker, timeout=0.02)) as client:
        assert [(await client.get("/")).status_code for _ in range(3)] == [500] * 3
        assert broker.calls == 1
        release.set()
        while broker.in_flight:
            await asyncio.sleep(0)
        assert (await client.get("/")).status_code == 204
        assert broker.calls == 2


async def test_concurrent_probes_share_one_ping():
    release = asyncio.Event()

    async def waits():
        await release.wait()
        return True

    broker = Pinged(waits)
    async with asgi_client(make_ping_asgi(broker, timeout=10)) as client:
        probes = [asyncio.create_task(client.get("/")) for _ in range(100)]
        while not broker.calls:
            await asyncio.sleep(0)
        release.set()
        assert {(await probe).status_code for probe in probes} == {204}
    assert broker.calls == 1


async def test_client_that_goes_away_does_not_end_the_ping_of_others():
    release = asyncio.Event()

    async def waits():
        await release.wait()
        return True

    broker = Pinged(waits)
    async with asgi_client(make_ping_asgi(broker, timeout=10)) as client:
        gone, stays = (asyncio.create_task(client.get("/")) for _ in range(2))
        while not broker.calls:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait({gone})
        release.set()
        assert (await stays).status_code == 204
    assert broker.calls == 1


def test_probe_works_on_another_event_loop():
    broker = Pinged(true)
    probe = make_ping_asgi(broker)

    async def ask():
        async with asgi_client(probe) as client:
            return (await client.get("/")).status_code

    assert [asyncio.run(ask()), asyncio.run(ask())] == [204, 204]


async def test_brokers_of_an_application_are_pinged_as_they_are_now():
    app = FastStream()
    async with asgi_client(make_ping_asgi(app, timeout=0.02)) as client:
        assert (await client.get("/")).status_code == 500  # nothing answers yet
        app.add_broker(Pinged(true))
        assert (await client.get("/")).status_code == 204
        app.add_broker(Pinged(false))
        assert (await client.get("/")).status_code == 500


@pytest.mark.parametrize("arguments", [(), (NatsBroker(), 5.0), ("nats://",)])
def test_what_is_no_broker_is_refused(arguments):
    with pytest.raises(TypeError, match=r"make_ping_asgi\(\) takes"):
        make_ping_asgi(*arguments)


async def test_ping_on_a_real_server_follows_it(nats_url):
    broker = NatsBroker(nats_url)
    async with asgi_client(make_ping_asgi(broker, timeout=0.1)) as client:
        assert (await client.get("/")).status_code == 500
        await broker.start()
        assert (await client.get("/")).status_code == 204
        await broker.stop()
        started = time.monotonic()
        assert (await client.get("/")).status_code == 500
        assert time.monotonic() - started < 10
