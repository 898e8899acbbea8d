from faststream.nats import NatsBroker
from faststream.redis import RedisBroker
from starlette.applications import Starlette
from starlette.routing import Route

from faststream_integrations import broker_lifespan, make_ping_asgi

orders = NatsBroker("nats://127.0.0.1:4222")
cache = RedisBroker("redis://127.0.0.1:6379")

app = Starlette(
    lifespan=broker_lifespan(orders, cache, startup_timeout=20.0),
    routes=[Route("/health", make_ping_asgi(orders, cache, timeout=5.0))],
)
