from litestar_minimal import app, broker, on_greeting

from faststream_integrations.testing import asgi_client


async def test_greets_twice() -> None:
    async with asgi_client(app, broker) as client:
        response = await client.get("/hello/ada?times=2")
        assert response.json() == {"greeted": "ada", "times": 2}
        assert on_greeting.mock is not None
        assert on_greeting.mock.call_count == 2
