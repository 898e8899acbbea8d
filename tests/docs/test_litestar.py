"""The examples of the Litestar page."""

from faststream_integrations.testing import asgi_client
from tests.docs.examples import example


async def test_minimal_application():
    with example("litestar_minimal.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            response = await client.get("/hello/ada?times=2")
            assert response.json() == {"greeted": "ada", "times": 2}
            assert main.on_greeting.mock.call_count == 2
            assert (await client.get("/health")).status_code == 204
            assert (await client.get("/asyncapi")).status_code == 200
            document = (await client.get("/schema/openapi.json")).json()
            assert set(document["paths"]) == {"/hello/{name}", "/health"}


async def test_routes():
    with example("litestar_routes.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            token = {"x-token": "secret"}
            for url, text in (("/internal", "for us alone"), ("/admin/version", "1.0")):
                assert (await client.get(url)).status_code == 401
                assert (await client.get(url, headers=token)).text == text
            assert (await client.get("/health", headers=token)).status_code == 204


async def test_dependencies():
    with example("litestar_dependencies.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            response = await client.get("/orders/7", headers={"x-user": "ada"})
            assert response.json() == ["Ada", "order 7"]


async def test_handlers():
    with example("litestar_handlers.py") as main:
        received = []

        @main.broker.subscriber("orders")
        async def subscriber(order: main.Order):
            received.append(order.drink)

        async with asgi_client(main.app, main.broker) as client:
            response = await client.get("/prices/tea", headers={"x-user": "ada"})
            assert response.json() == ["Hello ada", 2.8]
            assert (await client.post("/orders", json={"drink": "tea"})).status_code == 202
            document = (await client.get("/schema/openapi.json")).json()
            read = document["paths"]["/prices/{drink}"]["get"]
            assert [parameter["name"] for parameter in read["parameters"]] == ["drink"]
    assert received == ["tea"]


async def test_errors():
    with example("litestar_errors.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            sold_out = await client.get("/order?drink=tea")
            assert (sold_out.status_code, sold_out.text) == (409, "sold out")
            invalid = await client.get("/order")
            assert invalid.status_code == 422
            assert invalid.json()["problems"][0]["loc"] == ["query", "drink"]


async def test_several_plugins():
    with example("litestar_plugins.py") as main:
        received = []

        @main.orders.subscriber("orders")
        @main.audit.subscriber("audit")
        async def subscriber(text: str):
            received.append(text)

        async with asgi_client(main.app, main.orders, main.audit) as client:
            assert (await client.get("/order")).status_code == 200
            assert (await client.get("/audit/health")).status_code == 204
    assert sorted(received) == ["an order of tea", "tea"]


async def test_test_of_the_reader_passes():
    with example("litestar_in_memory.py") as main:
        await main.test_greets_twice()


async def test_dependencies_of_subscribers():
    with example("subscribers_litestar.py") as main:
        async with asgi_client(main.app, main.broker):
            reply = await main.broker.request({"drink": "tea"}, "orders")
            assert await reply.decode() == "3 EUR"
