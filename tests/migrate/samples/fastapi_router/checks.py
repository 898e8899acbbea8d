from fastapi.testclient import TestClient
from faststream.nats import TestNatsBroker

from app.main import app
from app.routes import router


async def check_order() -> None:
    async with TestNatsBroker(router.broker) as broker:  # change: `async with asgi_client(app, broker) as client` | `router.broker` is the broker
        with TestClient(app):
            await broker.publish({"id": 1}, "orders.new")
