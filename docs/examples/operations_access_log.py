from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, make_liveness_asgi, make_readiness_asgi
from faststream_integrations.health import hide_probes

broker = NatsBroker("nats://127.0.0.1:4222")

app = AsgiFastStream(
    broker,
    asgi_routes=[("/live", make_liveness_asgi(broker)), ("/ready", make_readiness_asgi(broker))],
)
hide_probes("/live", "/ready")
