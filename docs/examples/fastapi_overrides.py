from fastapi_context import app, broker

from faststream_integrations.fastapi import Context
from faststream_integrations.testing import asgi_client


async def test_limit_is_told() -> None:
    app.dependency_overrides[Context("limits.orders")] = lambda: 3
    async with asgi_client(app, broker) as client:
        response = await client.post("/orders/tea")
    assert response.json() == {"limit": 3}
