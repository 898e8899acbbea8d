"""Metrics and traces, from the HTTP request to the handler of its message, in three hosts."""

import asyncio
import math
import re
from functools import partial

import pytest
from faststream.nats import NatsBroker
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.prometheus import HealthCollector
from faststream_integrations.testing import asgi_client, nats_server
from tests.docs.examples import example
from tests.lifecycle.service import running

HOSTS = ["without_a_framework", "with_fastapi", "with_litestar"]


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


@pytest.fixture
def registry():
    return CollectorRegistry()


async def test_gauges_follow_a_broker_and_its_subscriber(nats_url, registry, monkeypatch):
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.WATCH_INTERVAL", 0.05)
    broker = NatsBroker(nats_url)

    @broker.subscriber("gauges")
    async def handler(message: str): ...

    HealthCollector(broker, registry=registry)
    name = Supervisor.of(broker).name
    labels = {"broker": name, "subscriber": "Handler (gauges)"}
    assert value(registry, "faststream_broker_up", broker=name) == 0, "not known is not up"
    assert value(registry, "faststream_application_state", state="starting") == 1
    async with running(broker):
        assert value(registry, "faststream_application_state", state="ready") == 1
        assert value(registry, "faststream_application_state", state="starting") == 0
        assert value(registry, "faststream_broker_up", broker=name) == 1
        assert 0 < value(registry, "faststream_broker_ping_seconds", broker=name) < 5
        assert value(registry, "faststream_subscriber_up", **labels) == 1
        (subscriber,) = broker.subscribers
        await subscriber.stop()
        # The lifespan looks by itself; no probe asks here.
        while value(registry, "faststream_subscriber_up", **labels) != 0:
            await asyncio.sleep(0.05)
    assert value(registry, "faststream_application_state", state="stopped") == 1


async def test_gauge_that_is_old_is_not_believed(nats_url, registry, monkeypatch):
    broker = NatsBroker(nats_url)
    broker.subscriber("gauges.old")(handle)
    HealthCollector(broker, registry=registry)
    name = Supervisor.of(broker).name
    labels = {"broker": name, "subscriber": "Handle (gauges.old)"}
    async with running(broker):
        assert value(registry, "faststream_broker_up", broker=name) == 1
        monkeypatch.setattr("faststream_integrations.prometheus.STALE", -1.0)
        assert value(registry, "faststream_broker_up", broker=name) == 0
        assert value(registry, "faststream_subscriber_up", **labels) == 0
        assert value(registry, "faststream_subscriber_state", **labels, state="down") == 1


async def test_broker_that_is_away_at_the_start_is_0_until_it_answers(registry, monkeypatch):
    """Nobody asks but the scrape."""
    monkeypatch.setattr("faststream_integrations.brokers.supervisor.FIRST_RETRY", 0.05)
    with nats_server() as server:
        broker = NatsBroker(server.url, max_reconnect_attempts=1, reconnect_time_wait=0.05)
        broker.subscriber("gauges.away")(handle)
        server.kill()
        HealthCollector(broker, registry=registry)
        assert up_of(registry) == {"broker": {0.0}, "subscriber": {0.0}}
        async with running(broker, on_unavailable="retry", startup_timeout=2.0):
            for _ in range(10):
                assert up_of(registry) == {"broker": {0.0}, "subscriber": {0.0}}
                await asyncio.sleep(0.05)
            server.restart()
            while up_of(registry) != {"broker": {1.0}, "subscriber": {1.0}}:
                await asyncio.sleep(0.05)
            server.kill()  # and the client gives up
            while up_of(registry) != {"broker": {0.0}, "subscriber": {0.0}}:
                await asyncio.sleep(0.05)
            for _ in range(10):
                assert up_of(registry)["broker"] == {0.0}
                await asyncio.sleep(0.05)
        assert up_of(registry) == {"broker": {0.0}, "subscriber": {0.0}}


def up_of(registry):
    found = {"broker": set(), "subscriber": set()}
    for family in registry.collect():
        for sample in family.samples:
            assert not math.isnan(sample.value), sample
            if family.name.endswith("_up"):
                found[family.name.split("_")[1]].add(sample.value)
    return found


async def test_broker_that_somebody_else_has_started_is_not_called_away(nats_url, registry):
    broker = NatsBroker(nats_url)
    HealthCollector(broker, registry=registry)
    await broker.start()
    try:
        name = Supervisor.of(broker).name
        assert value(registry, "faststream_broker_up", broker=name) is None
        assert value(registry, "faststream_application_state", state="ready") == 1
    finally:
        await broker.stop()


def test_registry_has_one_collector(registry):
    HealthCollector(NatsBroker(), registry=registry)
    with pytest.raises(ValueError, match=r"Give one of them all brokers: HealthCollector\("):
        HealthCollector(NatsBroker(), registry=registry)


async def handle(message: str): ...


class Handler:
    async def __call__(self, message: str): ...


HANDLERS = (handle, Handler(), partial(handle), lambda message: None)


@given(
    brokers=st.lists(
        st.tuples(
            st.sampled_from(["nats://a:4222", "nats://b:4222", "nats://user:pass@a:4222"]),
            st.lists(
                st.tuples(st.sampled_from(["x", "y", "x #2"]), st.integers(0, len(HANDLERS) - 1)),
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_series_is_there_once_and_is_the_same_after_a_restart(brokers):
    def expose():
        registry, made = CollectorRegistry(), []
        for url, subscribers in brokers:
            made.append(broker := NatsBroker(url))
            for subject, number in subscribers:
                handler = HANDLERS[number]
                # A copy: FastStream wraps a function once for all subscribers.
                handler = Handler() if isinstance(handler, Handler) else handler
                broker.subscriber(subject)(handler)
        HealthCollector(*made, registry=registry)
        return generate_latest(registry).decode()

    before, after = expose(), expose()
    assert before == after
    assert not re.search("0x[0-9a-f]{6}", before, re.IGNORECASE)
    assert "pass" not in before
    lines = [line.rpartition(" ")[0] for line in before.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    ups = [line for line in lines if line.startswith("faststream_broker_up")]
    assert len(ups) == len(brokers)
    ups = [line for line in lines if line.startswith("faststream_subscriber_up")]
    assert len(ups) == sum(len(subscribers) for _, subscribers in brokers)


@pytest.mark.parametrize("host", HOSTS)
async def test_metrics_of_health_and_of_faststream_are_exposed(host, nats_url):
    with example("operations_metrics.py", nats_url) as page:
        async with asgi_client(getattr(page, host)) as client:
            await page.broker.publish("one", "orders")
            found = {}
            while not found.get("faststream_received_processed_messages"):
                response = await client.get("/metrics")
                assert response.status_code == 200
                found = {
                    family.name: [sample.value for sample in family.samples]
                    for family in text_string_to_metric_families(response.text)
                }
                await asyncio.sleep(0.01)
            assert found["faststream_broker_up"] == [1.0]
            assert found["faststream_subscriber_up"] == [1.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("host", HOSTS)
async def test_trace_goes_from_the_request_to_the_handler_of_the_message(host, nats_url):
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    with example("operations_traces.py", nats_url) as page:
        exporter = InMemorySpanExporter()
        page.provider.add_span_processor(SimpleSpanProcessor(exporter))
        async with asgi_client(getattr(page, host)) as client:
            assert (await client.post("/orders/7")).status_code == 200
            spans = {}
            while not ("orders process" in spans and any(map(is_request, spans))):
                spans = {span.name: span for span in exporter.get_finished_spans()}
                await asyncio.sleep(0.01)
    by_id = {span.context.span_id: span for span in spans.values()}
    ancestors, span = [], spans["store"]
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        ancestors.append(span.name)
    assert ancestors[:2] == ["orders process", "orders create"]
    assert ancestors[-1] == "POST /orders/{order_id}"
    assert span.attributes["http.route"] == "/orders/{order_id}"


def is_request(name):
    return name.startswith("POST") and not name.endswith(("send", "receive"))
