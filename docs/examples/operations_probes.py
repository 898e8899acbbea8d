from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, make_liveness_asgi, make_readiness_asgi
from faststream_integrations.health import Check

broker = NatsBroker("nats://127.0.0.1:4222")


@broker.subscriber("orders")
async def handle(order: str) -> None: ...


async def database() -> bool:
    return True  # or False, or an exception


def disk() -> bool:
    return True  # a plain function runs in a thread


app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/live", make_liveness_asgi(broker)),
        (
            "/ready",
            make_readiness_asgi(
                broker,
                checks={"database": database, "disk": Check(disk, timeout=0.5)},
                timeout=2.0,
            ),
        ),
    ],
    startup_timeout=10.0,
    shutdown_timeout=15.0,
    on_unavailable="retry",
    shutdown_delay=5.0,
)
