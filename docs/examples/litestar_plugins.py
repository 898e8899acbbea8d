from faststream.nats import NatsBroker
from faststream.redis import RedisBroker
from litestar import Litestar, get
from litestar.di import NamedDependency

from faststream_integrations import make_ping_asgi
from faststream_integrations.litestar import FastStreamPlugin

orders = NatsBroker("nats://127.0.0.1:4222")
audit = RedisBroker("redis://127.0.0.1:6379")


@get("/order")
async def order(orders: NamedDependency[NatsBroker], audit: NamedDependency[RedisBroker]) -> None:
    await orders.publish("tea", "orders")
    await audit.publish("an order of tea", "audit")


app = Litestar(
    [order],
    plugins=[
        FastStreamPlugin(orders, dependency_key="orders"),
        FastStreamPlugin(
            audit, dependency_key="audit", asgi_routes=[("/audit/health", make_ping_asgi(audit))]
        ),
    ],
)

assert FastStreamPlugin.of(app, "audit").brokers == [audit]
