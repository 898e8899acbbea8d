"""The examples of the FastAPI pages do what the pages say."""

import pytest

from faststream_integrations.testing import asgi_client
from tests.docs.examples import example


async def test_quick_start(nats_url):
    with example("fastapi_quick_start.py", nats_url) as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/health")).status_code == 204
            assert (await client.post("/greetings/world")).status_code == 202
            assert "greetings" in (await client.get("/asyncapi.json")).text
            assert set(main.app.openapi()["paths"]) == {"/health", "/greetings/{name}"}


async def test_quick_start_publishes_to_its_subscriber():
    with example("fastapi_quick_start.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            await client.post("/greetings/world")
            main.on_greeting.mock.assert_called_once_with("world")


async def test_routes():
    with example("fastapi_routes.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.get("/health")).status_code == 204
            assert (await client.get("/api/version")).status_code == 401
            client.headers["authorization"] = "Bearer secret"
            assert (await client.get("/api/version")).text == "1.0"
            assert (await client.get("/api/orders/7?loud=yes")).json() == {"drink": "TEA"}
            assert (await client.get("/api/orders/8")).json() == {"detail": "No such order"}
            assert (await client.post("/api/orders", json={"drink": "tea"})).status_code == 202
            assert (await client.post("/api/orders", json={})).status_code == 422
    operation = main.app.openapi()["paths"]["/api/orders/{order_id}"]["get"]
    assert operation["tags"] == ["api"]
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        "authorization",
        "order_id",
        "loud",
    }
    assert set(operation["responses"]) == {"200", "404", "422"}


async def test_markers():
    with example("fastapi_markers.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            for path in ("/endpoint", "/handler"):
                assert (await client.get(path)).status_code == 422
                client.headers["authorization"] = "Bearer secret"
                assert (await client.get(path)).json() == {"user": "anna", "limit": 10}
                assert (await client.get(f"{path}?limit=101")).status_code == 422
                del client.headers["authorization"]


async def test_context():
    with example("fastapi_context.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.post("/orders/tea")).json() == {"limit": 10}
            main.on_order.mock.assert_called_once_with("tea")


async def test_overrides():
    with example("fastapi_overrides.py") as main:
        await main.test_limit_is_told()


async def test_lifespan():
    with example("fastapi_lifespan.py") as main:
        async with asgi_client(main.app, main.audit, main.orders) as client:
            assert (await client.get("/state")).json() == {
                "database": "of the application",
                "first": True,
                "brokers": 2,
            }


async def test_migrated_service():
    with example("migrated_fastapi.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            response = await client.post("/orders/", json={"drink": "tea"})
            assert response.json() == 2
            main.price_order.mock.assert_called_once_with({"drink": "tea"})
            assert (await client.get("/orders/asyncapi")).status_code == 200


@pytest.mark.parametrize(
    "name", ["fastapi_quick_start", "fastapi_routes", "fastapi_context", "migrated_fastapi"]
)
def test_openapi_is_written_without_a_warning(name):
    with example(f"{name}.py") as main:
        assert main.app.openapi()


async def test_dependencies_of_subscribers():
    with example("subscribers_fastapi.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.get("/me", headers={"X-User": "Ann"})).json() == "Ann of Shop"
            reply = await main.broker.request({"drink": "tea"}, "orders", headers={"X-User": "Ann"})
            assert await reply.decode() == "stored"
        assert main.mails == ["tea for Ann of Shop"]
