from faststream.nats import NatsBroker
from litestar import Litestar, asgi, post

from faststream_integrations import broker_lifespan, make_ping_asgi

broker = NatsBroker("nats://127.0.0.1:4222")


@post("/orders", status_code=202)
async def place_order() -> None:
    await broker.publish("tea", "orders")


app = Litestar(
    [place_order, asgi("/health", copy_scope=True)(make_ping_asgi(broker, timeout=5.0))],
    lifespan=[broker_lifespan(broker)],
)
