import os

from faststream.nats import NatsBroker

from faststream_integrations import (
    AsgiFastStream,
    get,
    make_liveness_asgi,
    make_readiness_asgi,
)

broker = NatsBroker(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))


@broker.subscriber("orders", queue="workers")
async def on_order(order: str) -> str:
    return f"{order} is taken"


@get
async def version() -> str:
    return os.environ.get("VERSION", "unknown")


app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/version", version),
        ("/live", make_liveness_asgi(broker)),
        ("/ready", make_readiness_asgi(broker, timeout=2.0)),
    ],
    startup_timeout=20,
    shutdown_delay=5,
    shutdown_timeout=15,
)
