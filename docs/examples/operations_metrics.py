from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.nats.prometheus import NatsPrometheusMiddleware
from litestar import Litestar
from prometheus_client import CollectorRegistry, make_asgi_app

from faststream_integrations import AsgiFastStream
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.prometheus import HealthCollector

registry = CollectorRegistry()
broker = NatsBroker(
    "nats://127.0.0.1:4222",
    middlewares=[NatsPrometheusMiddleware(registry=registry)],  # FastStream's own metrics
)
HealthCollector(broker, registry=registry)  # what the probes know


@broker.subscriber("orders")
async def handle(order: str) -> None: ...


routes = [("/metrics", make_asgi_app(registry))]

# One of the three:
without_a_framework = AsgiFastStream(broker, asgi_routes=routes)

with_fastapi = FastAPI()
with_fastapi.include_router(FastStreamRouter(broker, asgi_routes=routes))

with_litestar = Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=routes)])
