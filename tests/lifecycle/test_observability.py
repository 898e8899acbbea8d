"""Metrics and traces, from the HTTP request to the handler of its message, in three hosts."""

import asyncio
import math

import pytest
from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from faststream_integrations.lifespan import running
from faststream_integrations.prometheus import HealthCollector
from faststream_integrations.supervisor import Supervisor
from faststream_integrations.testing import asgi_client
from tests.docs.examples import example

HOSTS = ["without_a_framework", "with_fastapi", "with_litestar"]


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


@pytest.fixture
def registry():
    return CollectorRegistry()


async def test_gauges_follow_a_broker_and_its_subscriber(nats_url, registry, monkeypatch):
    monkeypatch.setattr("faststream_integrations.supervisor.WATCH_INTERVAL", 0.05)
    broker = NatsBroker(nats_url)

    @broker.subscriber("gauges")
    async def handler(message: str): ...

    HealthCollector(broker, registry=registry)
    name = Supervisor.of(broker).name
    labels = {"broker": name, "subscriber": "Handler (gauges)"}
    assert math.isnan(value(registry, "faststream_broker_up", broker=name)), "not known is not up"
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
    HealthCollector(broker, registry=registry)
    name = Supervisor.of(broker).name
    async with running(broker):
        assert value(registry, "faststream_broker_up", broker=name) == 1
        monkeypatch.setattr("faststream_integrations.prometheus.STALE", -1.0)
        assert math.isnan(value(registry, "faststream_broker_up", broker=name))


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
            assert (await client.post("/orders")).status_code == 200
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
    assert is_request(ancestors[-1])


def is_request(name):
    return name.startswith("POST") and not name.endswith(("send", "receive"))
