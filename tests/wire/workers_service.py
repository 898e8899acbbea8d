"""An application for several workers: their metrics, and an access log without probes."""

import os

from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from faststream_integrations import AsgiFastStream, AsgiResponse, get, make_readiness_asgi
from faststream_integrations.health import hide_probes
from faststream_integrations.prometheus import HealthCollector

broker = NatsBroker(os.environ["NATS_URL"], logger=None)


@broker.subscriber("workers.orders")
async def handle(message: str) -> None: ...


@get
async def pid(scope):
    return AsgiResponse(str(os.getpid()).encode(), 200)


registry = CollectorRegistry()
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    MultiProcessCollector(registry)
HealthCollector(broker, registry=registry)
hide_probes("/ready", "/bad")

app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/ready", make_readiness_asgi(broker)),
        ("/metrics", make_asgi_app(registry)),
        ("/pid", pid),
    ],
)
