"""Every HTTP route is in the document that the page serves."""

import pytest
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, delete, get, post
from faststream_integrations.testing import asgi_client

ROUTES = [
    ("/orders", get(description="Lists orders")(lambda: AsgiResponse())),
    ("/orders", post(description="Takes an order")(lambda: AsgiResponse())),
    ("/orders/{order_id}", get(lambda: AsgiResponse())),
    ("/orders/{order_id}", delete(lambda: AsgiResponse())),
    ("/orders-", get(lambda: AsgiResponse())),
    ("/orders_", get(lambda: AsgiResponse())),
    ("/hidden", get(include_in_schema=False)(lambda: AsgiResponse())),
]


async def document_of(version: str) -> dict:
    app = AsgiFastStream(
        NatsBroker(),
        asgi_routes=ROUTES,
        specification=AsyncAPI(schema_version=version),
        asyncapi_path="/docs",
    )
    async with asgi_client(app, app) as client:
        return (await client.get("/docs.json")).json()


async def test_document_3_0_has_an_operation_for_every_route():
    document = await document_of("3.0.0")
    shown = [
        (
            document["channels"][operation["channel"]["$ref"].removeprefix("#/channels/")],
            operation["bindings"]["http"]["method"],
        )
        for operation in document["operations"].values()
    ]
    assert sorted((channel["address"], method) for channel, method in shown) == [
        ("/orders", "GET"),
        ("/orders", "POST"),
        ("/orders-", "GET"),
        ("/orders/{order_id}", "DELETE"),
        ("/orders/{order_id}", "GET"),
        ("/orders_", "GET"),
    ]
    assert {channel.get("description") for channel, _ in shown} >= {
        "Lists orders", "Takes an order",
    }  # fmt: skip


async def test_document_2_6_names_the_methods_of_every_path():
    document = await document_of("2.6.0")
    assert {
        path: channel["subscribe"]["bindings"]["http"]["method"]
        for path, channel in document["channels"].items()
    } == {
        "/orders": "GET, HEAD, POST",
        "/orders/{order_id}": "GET, HEAD, DELETE",
        "/orders-": "GET, HEAD",
        "/orders_": "GET, HEAD",
    }


@pytest.mark.parametrize("version", ["2.6.0", "3.0.0"])
async def test_application_without_routes_has_none(version):
    app = AsgiFastStream(
        NatsBroker(), specification=AsyncAPI(schema_version=version), asyncapi_path="/docs"
    )
    async with asgi_client(app, app) as client:
        assert (await client.get("/docs.json")).json()["channels"] == {}


async def test_route_and_broker_that_come_late_are_in_the_document():
    app = AsgiFastStream(NatsBroker(), asyncapi_path="/docs")
    late = NatsBroker()
    late.subscriber("late")(lambda message: None)
    async with asgi_client(app, app) as client:
        assert (await client.get("/docs.json")).json()["channels"] == {}
        app.mount("/late", get(lambda: AsgiResponse()))
        app.add_broker(late)
        channels = (await client.get("/docs.json")).json()["channels"]
    # faststream 0.7.0 names the subscriber in the address.
    addresses = {channel["address"].partition(":")[0] for channel in channels.values()}
    assert addresses == {"/late", "late"}
