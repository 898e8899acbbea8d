"""Every HTTP route is in the document that the page serves."""

import shutil
from typing import Annotated, Literal

import msgspec
import pytest
from faststream import Depends
from faststream.asgi import get as upstream_get
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI, Tag
from pydantic import BaseModel, Field

from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    Body,
    Cookie,
    Header,
    Path,
    Query,
    delete,
    get,
    post,
)
from faststream_integrations.testing import asgi_client
from tests.asyncapi.official_parser import OfficialParser
from tests.asyncapi.test_payloads import SHOP, STOCK, resolved

ROUTES = [
    ("/orders", get(description="Lists orders")(lambda: AsgiResponse())),
    ("/orders", post(description="Takes an order")(lambda: AsgiResponse())),
    ("/orders/{order_id}", get(lambda: AsgiResponse())),
    ("/orders/{order_id}", delete(lambda: AsgiResponse())),
    ("/orders-", get(lambda: AsgiResponse())),
    ("/orders_", get(lambda: AsgiResponse())),
    ("/hidden", get(include_in_schema=False)(lambda: AsgiResponse())),
]


async def document_of(version: str, routes=ROUTES, broker=None) -> dict:
    app = AsgiFastStream(
        broker or NatsBroker(),
        asgi_routes=routes,
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


# What a handler reads and answers.


class Order(BaseModel):
    """An order."""

    number: int
    parts: "list[Order]" = []


class Struct(msgspec.Struct):
    number: int


def limit(limit: Annotated[int, Query(description="How many")] = 10) -> int:
    return limit


@get(tags=[Tag("orders", description="All of them")], unique_id="find_orders")
async def find(
    order_id: Annotated[int, Path(description="Its number")],
    colours: Annotated[list[Literal["red", "blue"]], Query()],
    x_token: Annotated[str, Header()],
    session: Annotated[str, Cookie()],
    limit: Annotated[int, Depends(limit)],
) -> list[Order]:
    """Finds orders."""
    return []


@post(tags=[{"name": "orders"}], status_code=201, responses={404: {"description": "Not there"}})
async def create(order: Annotated[Order, Body()]) -> SHOP.Order: ...


@post
async def stock(order: Annotated[STOCK.Order, Body()]) -> None: ...


@post
async def odd(body: Annotated[Struct, Body()]) -> AsgiResponse: ...


@upstream_get
async def theirs(request) -> AsgiResponse: ...


RICH = [
    ("/orders/{order_id}", find),
    ("/orders", create),
    ("/stock", stock),
    ("/theirs", theirs),
    ("/files/{path:path}", get(lambda: AsgiResponse())),
]


def described(document: dict, title: str) -> tuple[dict, dict]:
    """The operation with that title, and its channel, with references resolved."""
    (found,) = (o for o in document["operations"].values() if o.get("title") == title)
    found = resolved(document, found)
    return found, found["channel"]


async def test_operation_shows_parameters_tags_and_description():
    operation, channel = described(await document_of("3.0.0", RICH), "GET /orders/{order_id}")

    assert operation["description"] == "Finds orders."
    assert operation["tags"] == [{"name": "orders", "description": "All of them"}]
    assert channel["parameters"] == {"order_id": {"description": "Its number"}}
    query = operation["bindings"]["http"]["query"]
    assert query["required"] == ["colours"]
    assert query["properties"]["colours"]["items"]["enum"] == ["red", "blue"]
    assert query["properties"]["limit"]["default"] == 10
    assert query["properties"]["limit"]["description"] == "How many"
    (request,) = operation["messages"]
    assert request["headers"]["required"] == ["x-token"]
    assert "session" in request["headers"]["properties"]["cookie"]["description"]
    assert "payload" not in request


async def test_operation_shows_body_and_answers():
    document = await document_of("3.0.0", RICH)
    operation, _ = described(document, "POST /orders")

    (request,) = operation["messages"]
    assert request["contentType"] == "application/json"
    assert request["payload"]["properties"].keys() == {"number", "parts"}
    answers = {m["bindings"]["http"]["statusCode"]: m for m in operation["reply"]["messages"]}
    assert answers.keys() == {201, 404}
    assert "article" in str(answers[201]["payload"])
    assert answers[404]["summary"] == "Not there"
    assert "payload" not in answers[404]


async def test_models_of_one_name_are_apart_among_routes_and_messages():
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def handle(order: SHOP.Order) -> None: ...

    document = await document_of("3.0.0", RICH, broker)
    operation, _ = described(document, "POST /stock")

    (request,) = operation["messages"]
    assert "weight" in str(request["payload"])
    assert {"shop.models.Line", "stock.models.Line"} <= document["components"]["schemas"].keys()


async def test_route_of_upstreams_and_catch_all_path_are_shown():
    document = await document_of("3.0.0", RICH)

    assert described(document, "GET /theirs")[1]["address"] == "/theirs"
    channel = described(document, "GET /files/{path}")[1]
    assert (channel["address"], channel["parameters"]) == ("/files/{path}", {"path": {}})


async def test_body_that_cannot_be_described_has_a_note():
    operation, _ = described(await document_of("3.0.0", [("/odd", odd)]), "POST /odd")

    assert "not described" in operation["messages"][0]["payload"]["description"]


async def test_document_2_6_shows_the_same():
    document = await document_of("2.6.0", [*RICH, ("/orders", get(lambda: AsgiResponse()))])

    operation = resolved(document, document["channels"]["/orders/{order_id}"])["subscribe"]
    assert operation["operationId"] == "find_orders"
    assert operation["bindings"]["http"]["query"]["required"] == ["colours"]
    assert operation["message"]["headers"]["required"] == ["x-token"]
    operation = resolved(document, document["channels"]["/orders"])["subscribe"]
    assert operation["bindings"]["http"]["method"] == "POST, GET, HEAD"
    assert operation["message"]["payload"]["required"] == ["number"]
    assert "article" in str(operation["x-responses"]["POST"]["201"]["payload"])


@pytest.fixture(scope="module")
def official_parser(request: pytest.FixtureRequest) -> OfficialParser:
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("there is no Node.js with npm on PATH")
    return OfficialParser(request.config.cache.mkdir("asyncapi-parser"))


async def test_official_parser_finds_nothing_wrong(official_parser):
    broker = NatsBroker()

    @broker.subscriber("orders.{number}")
    @broker.publisher("invoices")
    async def handle(order: SHOP.Order | STOCK.Order) -> Order: ...

    @broker.subscriber("struct")
    async def struct(body: Annotated[dict[str, Order], Field(description="d")]) -> None: ...

    routes = [*ROUTES[-3:], *RICH, ("/odd", odd)]
    documents = [await document_of(version, routes, broker) for version in ("3.0.0", "2.6.0")]

    assert official_parser.errors(*documents, {"asyncapi": "3.0.0"})[:2] == [[], []]
    assert official_parser.errors({"asyncapi": "3.0.0"}) != [[]]
