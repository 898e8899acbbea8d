"""What the documents say of FastStream handlers on a router."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, Header
from faststream import Depends, FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from faststream.specification.schema import Tag
from pydantic import BaseModel

import faststream_integrations.asgi as asgi
from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, HttpHandler, get, post
from faststream_integrations.fastapi import FastStreamRouter


class Order(BaseModel):
    item: str


class Receipt(BaseModel):
    total: Decimal


async def authenticate(
    x_token: Annotated[str, asgi.Header(description="Whose it is")],
    page: Annotated[int, asgi.Query()] = 1,
):
    return x_token


@post(
    description="Place an order.",
    tags=[Tag(name="orders"), {"name": "new"}],
    unique_id="place_order",
    responses={202: {"description": "Accepted", "model": Receipt}, 409: {"description": "Sold"}},
)
async def place_order(
    order: Annotated[Order, asgi.Body()],
    user: Annotated[str, Depends(authenticate)],
    tenant_id: Annotated[int, asgi.Path()],
    page: Annotated[int, asgi.Query()],
    kind: Annotated[Literal["a", "b"] | None, asgi.Query("type", description="Which")] = None,
    tag: Annotated[list[int], asgi.Query()] = [],  # noqa: B006
    session: Annotated[str, asgi.Cookie()] = "none",
):
    raise AssertionError


@pytest.fixture
def broker():
    return NatsBroker()


def openapi_of(broker, *routes, include: Any = None, **options):
    app = FastAPI()
    router = FastStreamRouter(broker, asgi_routes=routes, **options)
    app.include_router(router, **(include or {}))
    return app.openapi()


def test_handler_is_described_with_everything_that_it_reads(broker):
    document = openapi_of(
        broker, ("/{tenant_id}/orders", place_order), prefix="/v1", tags=["everything"]
    )

    assert list(document["paths"]) == ["/v1/{tenant_id}/orders"]
    assert list(document["paths"]["/v1/{tenant_id}/orders"]) == ["post"]
    operation = document["paths"]["/v1/{tenant_id}/orders"]["post"]
    parameters = {
        (parameter["in"], parameter["name"]): (parameter["required"], parameter["schema"])
        for parameter in operation["parameters"]
    }
    assert {key: required for key, (required, _) in parameters.items()} == {
        ("path", "tenant_id"): True,
        ("header", "x-token"): True,
        ("query", "page"): True,
        ("query", "type"): False,
        ("query", "tag"): False,
        ("cookie", "session"): False,
    }
    assert parameters["path", "tenant_id"][1]["type"] == "integer"
    assert parameters["query", "tag"][1]["items"] == {"type": "integer"}
    assert parameters["query", "tag"][1]["default"] == []
    assert parameters["query", "type"][1]["anyOf"][0]["enum"] == ["a", "b"]
    descriptions = {p["name"]: p.get("description") for p in operation["parameters"]}
    assert (descriptions["x-token"], descriptions["type"]) == ("Whose it is", "Which")
    assert operation["description"] == "Place an order."
    assert operation["tags"] == ["everything", "orders", "new"]
    assert operation["operationId"] == "place_order"
    assert operation["requestBody"]["required"] is True
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Order"
    }
    assert set(operation["responses"]) == {"202", "409", "413", "415", "422"}
    assert operation["responses"]["202"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Receipt"
    }


def test_probe_is_described_with_what_it_answers(broker):
    document = openapi_of(broker, ("/health", make_ping_asgi(broker, unique_id="health")))
    operation = document["paths"]["/health"]["get"]
    assert list(document["paths"]["/health"]) == ["get"]
    assert operation["operationId"] == "health"
    assert set(operation["responses"]) == {"204", "500"}
    assert "ping" in operation["description"]


def test_docstring_is_the_description(broker):
    @get
    async def handler():
        """Say something.

        Twice.
        """

    operation = openapi_of(broker, ("/it", handler))["paths"]["/it"]["get"]
    assert operation["description"] == "Say something.\n\nTwice."
    assert operation["summary"] == "Handler"


def test_dependencies_of_the_router_are_described_too(broker):
    async def authenticate(authorization: Annotated[str, Header()]):
        raise AssertionError

    from fastapi import Depends

    operation = openapi_of(
        broker,
        ("/it", get(lambda: AsgiResponse())),
        include={"dependencies": [Depends(authenticate)], "responses": {401: {}}},
    )["paths"]["/it"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["authorization"]
    assert "401" in operation["responses"]


def test_application_is_described_by_its_path(broker):
    async def application(scope, receive, send):
        raise AssertionError

    document = openapi_of(broker, ("/metrics/{name}", application))
    operation = document["paths"]["/metrics/{name}"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["name"]
    assert operation["operationId"] == "application_metrics__name__get"


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    "annotation", [Any, Point, list[Point], frozenset[int], tuple[int, str], object, type]
)
@pytest.mark.parametrize(
    "marker", [asgi.Query(), asgi.Header(), asgi.Cookie(), asgi.Path(), asgi.Body()]
)
def test_every_annotation_is_described_somehow(broker, annotation, marker):
    async def handler(value: Annotated[annotation, marker]):
        raise AssertionError

    handler = HttpHandler(handler, methods=("POST",))
    operation = openapi_of(broker, ("/{value}", handler))["paths"]["/{value}"]["post"]
    assert "requestBody" in operation or operation["parameters"]


def test_handler_of_several_methods_has_an_operation_for_each(broker):
    async def handler():
        raise AssertionError

    route = HttpHandler(handler, methods=("GET", "PUT"), unique_id="it")
    operations = openapi_of(broker, ("/it", route))["paths"]["/it"]
    ids = {method: operation["operationId"] for method, operation in operations.items()}
    assert ids == {"get": "it_get", "put": "it_put"}


def asyncapi_of(router):
    return router.specification.to_specification().to_jsonable()


def test_handlers_are_in_asyncapi_at_their_whole_path(broker):
    @broker.subscriber("orders")
    async def subscriber(message: Order):
        raise AssertionError

    router = FastStreamRouter(
        broker,
        prefix="/v1",
        asgi_routes=[("/health", make_ping_asgi(broker))],
        specification=AsyncAPI(title="Orders"),
    )
    document = asyncapi_of(router)
    assert document["info"]["title"] == "Orders"
    addresses = [channel["address"] for channel in document["channels"].values()]
    # faststream 0.7.0 names the subscriber in the address.
    assert {address.partition(":")[0] for address in addresses} == {"orders", "/v1/health"}


def test_specification_of_the_application_is_taken(broker):
    app = FastStream(broker, specification=AsyncAPI(title="Orders"))
    assert FastStreamRouter(app).specification is app.schema


def test_handler_that_is_left_out_is_in_no_document(broker):
    app = FastAPI()
    hidden = make_ping_asgi(broker, include_in_schema=False)
    hiding = FastStreamRouter(
        broker, asgi_routes=[("/a", make_ping_asgi(broker))], include_in_schema=False
    )
    router = FastStreamRouter(broker, asgi_routes=[("/b", hidden)])
    app.include_router(hiding)
    app.include_router(router)
    assert app.openapi()["paths"] == {}
    assert asyncapi_of(hiding)["channels"] == asyncapi_of(router)["channels"] == {}
