"""What the probes say: their form, their checks, and how little they cost."""

import asyncio
import threading
import time

import pytest
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations import (
    AsgiFastStream,
    make_liveness_asgi,
    make_readiness_asgi,
)
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.health import Check
from faststream_integrations.testing import asgi_client
from tests.lifecycle.service import running, serving


async def handler(message: str): ...


@pytest.fixture
def broker(nats_url):
    broker = NatsBroker(nats_url)
    broker.subscriber("health.orders")(handler)
    return broker


async def test_body_is_health_json_with_every_fact(broker):
    async with serving(broker, checks={"database": lambda: True}) as service:
        response = await service.client.get("/ready")
    assert response.headers["content-type"] == "application/health+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["status"] == "pass"
    assert body["checks"]["application:state"] == [
        {"componentType": "system", "observedValue": "ready", "status": "pass"}
    ]
    (connection,) = body["checks"]["NatsBroker:connection"]
    assert connection["componentId"].startswith("NatsBroker at nats://127.0.0.1")
    assert connection["status"] == "pass"
    assert connection["observedUnit"] == "ms"
    assert 0 < connection["observedValue"] < 5000
    assert body["checks"]["NatsBroker:consuming"] == [
        {
            "componentId": "Handler (health.orders)",
            "componentType": "component",
            "observedValue": "up",
            "status": "pass",
        }
    ]
    (database,) = body["checks"]["database"]
    assert database["status"] == "pass"


async def test_every_id_identifies(nats_url):
    brokers = [NatsBroker(nats_url), NatsBroker(nats_url)]
    for each in brokers:
        for _ in range(2):
            each.subscriber("health.twins")(handler)
    async with serving(*brokers) as service:
        for path in ("/ready", "/live"):
            checks = await service.checks(path)
            consuming = [each["componentId"] for each in checks["NatsBroker:consuming"]]
            assert consuming == [
                f"Handler (health.twins){handler}, NatsBroker at {nats_url}{broker}"
                for broker in ("", " #2")
                for handler in ("", " #2")
            ]
        connections = (await service.checks("/ready"))["NatsBroker:connection"]
        assert [each["componentId"] for each in connections] == [
            f"NatsBroker at {nats_url}",
            f"NatsBroker at {nats_url} #2",
        ]


async def test_details_can_be_switched_off(broker):
    probes = [make_readiness_asgi(broker, details=False), make_liveness_asgi(broker, details=False)]
    for probe in probes:
        async with running(broker), asgi_client(probe) as client:
            assert (await client.get("/")).json() == {"status": "pass"}
            assert (await client.head("/")).content == b""
            assert (await client.post("/")).status_code == 405


async def test_application_that_has_not_started_is_not_ready_but_alive(broker):
    async with asgi_client(make_readiness_asgi(broker)) as client:
        response = await client.get("/")
        assert response.status_code == 503
        (state,) = response.json()["checks"]["application:state"]
        assert state["observedValue"] == "starting"
    async with asgi_client(make_liveness_asgi(broker)) as client:
        assert (await client.get("/")).status_code == 200


async def test_application_that_has_stopped_is_not_ready_but_alive(broker):
    async with running(broker):
        pass
    async with asgi_client(make_readiness_asgi(broker)) as client:
        response = await client.get("/")
        assert response.status_code == 503
        (state,) = response.json()["checks"]["application:state"]
        assert state["observedValue"] == "stopped"
    async with asgi_client(make_liveness_asgi(broker)) as client:
        assert (await client.get("/")).status_code == 200


async def test_draining_application_is_not_ready_but_alive(nats_url):
    entered, release = asyncio.Event(), asyncio.Event()
    broker = NatsBroker(nats_url)

    @broker.subscriber("health.draining")
    async def slow(message: str):
        entered.set()
        await release.wait()

    ready, live = make_readiness_asgi(broker), make_liveness_asgi(broker)
    async with asgi_client(ready) as ready_client, asgi_client(live) as live_client:
        lifespan = running(broker)
        await lifespan.__aenter__()
        await broker.publish("", "health.draining")
        await entered.wait()
        stopping = asyncio.create_task(lifespan.__aexit__(None, None, None))
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        response = await ready_client.get("/")
        assert response.status_code == 503
        (state,) = response.json()["checks"]["application:state"]
        assert state["observedValue"] == "draining"
        assert (await live_client.get("/")).status_code == 200
        release.set()
        await stopping


async def test_broker_that_somebody_else_started_is_ready(broker):
    async with asgi_client(make_readiness_asgi(broker)) as client:
        await broker.start()
        assert (await client.get("/")).status_code == 200
        await broker.stop()
        assert (await client.get("/")).status_code == 503


async def test_one_broker_of_several_that_is_down_is_enough(nats_url, broker):
    app = FastStream(broker)
    async with running(app), asgi_client(make_readiness_asgi(app)) as client:
        assert (await client.get("/")).status_code == 200
        late = NatsBroker(nats_url)
        app.add_broker(late)
        assert (await client.get("/")).status_code == 503
        await late.start()
        assert (await client.get("/")).status_code == 200
    assert not await late.ping(0.05), "a broker that was added late is stopped too"


# Checks of the application's own.


async def fails():
    return False


async def raises():
    raise RuntimeError("a secret")


async def hangs():
    await asyncio.Event().wait()


def blocks():
    time.sleep(1.0)


def true():
    return True


async def none():
    return None


class Callable:
    async def __call__(self):
        return False


@pytest.mark.parametrize(
    ("check", "status_code", "output"),
    [
        (true, 200, None),
        (none, 200, None),
        (fails, 503, "it returned False"),
        (Callable(), 503, "it returned False"),
        (raises, 503, "RuntimeError"),
        (hangs, 503, "no answer in time"),
        (blocks, 503, "no answer in time"),
        (Check(hangs, timeout=0.1), 503, "no answer in time"),
    ],
)
async def test_own_check_counts(broker, check, status_code, output):
    probe = make_readiness_asgi(broker, checks={"own": check}, timeout=0.2)
    async with running(broker), asgi_client(probe) as client:
        began = time.monotonic()
        response = await client.get("/")
        assert time.monotonic() - began < 0.9
        assert response.status_code == status_code
        assert response.json()["checks"]["own"][0].get("output") == output
        assert "secret" not in response.text


async def test_checks_run_side_by_side(broker):
    arrived = [asyncio.Event(), asyncio.Event()]

    def check(mine, other):
        async def wait():
            arrived[mine].set()
            await arrived[other].wait()

        return wait

    probe = make_readiness_asgi(broker, checks={"a": check(0, 1), "b": check(1, 0)})
    async with running(broker), asgi_client(probe) as client:
        assert (await client.get("/")).status_code == 200


async def test_check_that_hangs_runs_once(broker):
    runs = []

    def blocks():
        runs.append(threading.current_thread())
        release.wait(10)

    release = threading.Event()
    probe = make_readiness_asgi(broker, checks={"own": blocks}, timeout=0.05)
    async with running(broker), asgi_client(probe) as client:
        for _ in range(3):
            assert (await client.get("/")).status_code == 503
        assert len(runs) == 1
        assert runs[0].daemon, "it must not keep the process from ending"
        release.set()
        while runs[0].is_alive():
            await asyncio.sleep(0.01)
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("make", [make_liveness_asgi, make_readiness_asgi])
def test_what_is_no_broker_is_refused(make):
    with pytest.raises(TypeError, match=rf"{make.__name__}\(\) takes"):
        make()
    with pytest.raises(TypeError, match="a function without arguments"):
        make_readiness_asgi(NatsBroker(), checks={"own": True})


def test_probes_work_on_another_event_loop(broker):
    ready = make_readiness_asgi(broker, checks={"own": none})

    async def ask():
        async with running(broker), asgi_client(ready) as client:
            return (await client.get("/")).status_code

    assert [asyncio.run(ask()) for _ in range(2)] == [200, 200]


async def test_ten_thousand_probes_of_a_hanging_broker_share_one_question(broker, monkeypatch):
    """Every answer within the timeout, and the event loop is never held for long."""
    # The connection works, so it is not to be replaced meanwhile.
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.CUT_AFTER", 3600.0)
    timeout, probes = 15.0, 10_000
    app = AsgiFastStream(
        broker, asgi_routes=[("/ready", make_readiness_asgi(broker, timeout=timeout))]
    )
    questions = in_flight = 0

    async def hang():
        nonlocal questions, in_flight
        questions += 1
        in_flight += 1
        try:
            await asyncio.Event().wait()
        finally:
            in_flight -= 1

    scope = {"type": "http", "method": "GET", "path": "/ready", "root_path": "", "headers": [],
             "query_string": b"", "scheme": "http", "http_version": "1.1"}  # fmt: skip
    statuses, holds = [], []
    loop = asyncio.get_running_loop()

    async def probe():
        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append((message["status"], loop.time() - began))

        await app({**scope}, None, send)

    async def watch():
        # Of processor time: other processes may hold the machine, and that is not our doing.
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            holds.append(time.thread_time() - before)

    async with running(app):
        lookout = Supervisor.of(broker).lookout
        lookout.forget()
        lookout._round_trip._ask = hang
        began = loop.time()
        tasks = []
        for _ in range(probes // 100):
            tasks += [asyncio.create_task(probe()) for _ in range(100)]
            await asyncio.sleep(0)
        watcher = asyncio.create_task(watch())
        await asyncio.gather(*tasks)
        watcher.cancel()
        assert len(statuses) == probes
        assert {status for status, _ in statuses} == {503}
        assert (questions, in_flight) == (1, 1)
        late = max(seconds for _, seconds in statuses)
        longest = max(holds) * 1000
        print(f"{probes} probes: last answer after {late:.2f} s, longest hold {longest:.0f} ms")
        # A tenth of the timeout is kept for the answers, some twenty times what they take.
        assert late < timeout
        assert longest < 50
