from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from faststream_integrations import AsgiFastStream
from faststream_integrations.prometheus import HealthCollector

broker = NatsBroker("nats://127.0.0.1:4222")
registry = CollectorRegistry()
MultiProcessCollector(registry)  # PROMETHEUS_MULTIPROC_DIR has to be set
HealthCollector(broker, registry=registry)

app = AsgiFastStream(broker, asgi_routes=[("/metrics", make_asgi_app(registry))])
