from faststream.nats import NatsBroker
from starlette.applications import Starlette
from starlette.routing import Route

from faststream_integrations import broker_lifespan, make_ping_asgi

broker = NatsBroker("nats://127.0.0.1:4222")
app = Starlette(
    lifespan=broker_lifespan(broker),
    routes=[Route("/health", make_ping_asgi(broker, timeout=5.0))],
)
