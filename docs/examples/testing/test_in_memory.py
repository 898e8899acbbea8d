from shop import app, broker, current_user, store_order, stored

from faststream_integrations.testing import asgi_client


async def test_order_is_published_and_stored() -> None:
    async with asgi_client(app, broker) as client:
        with broker.provider.scope(current_user, lambda: "ada"):
            response = await client.post("/orders/7")

        assert response.status_code == 202
        assert response.json() == {"order": 7, "user": "ada"}
        store_order.mock.assert_called_once_with(7)
        assert stored == [7]


async def test_order_without_a_token_is_refused() -> None:
    async with asgi_client(app, broker) as client:
        response = await client.post("/orders/7")

        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["header", "x-token"]
        assert not store_order.mock.called
