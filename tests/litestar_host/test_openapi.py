"""FastStream's handlers in Litestar's OpenAPI document, and in AsyncAPI."""

from typing import Annotated, Any, Literal

import pytest
from faststream import Depends
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar
from litestar.di import Provide
from litestar.params import FromHeader
from pydantic import BaseModel, Field

from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, Body, Cookie, Header, Path, Query, get, post
from faststream_integrations.litestar import FastStreamPlugin


class Item(BaseModel):
    name: str
    parts: list["Item"] = []


class Order(BaseModel):
    item: Item
    count: Annotated[int, Field(gt=0)] = 1


def document_of(*routes, plugin=None, **options) -> dict[str, Any]:
    app = Litestar(
        plugins=[FastStreamPlugin(NatsBroker(), asgi_routes=routes, **(plugin or {}))], **options
    )
    return app.openapi_schema.to_schema()


def operation_of(handler, path="/it", method="get", **options) -> dict[str, Any]:
    return document_of((path, handler), **options)["paths"][path][method]


def test_operation_has_what_the_handler_says_of_itself():
    @post(tags=[{"name": "orders"}], unique_id="create", description="Creates an order.")
    async def handler(): ...

    operation = operation_of(handler, method="post")
    assert (operation["description"], operation["tags"], operation["operationId"]) == (
        "Creates an order.",
        ["orders"],
        "create",
    )
    assert operation["summary"] == "Handler"


def test_docstring_is_the_description():
    @get
    async def handler():
        """What it does."""

    assert operation_of(handler)["description"] == "What it does."


def test_parameters_of_handler_and_dependencies_are_there():
    async def dependency(token: Annotated[str, Header("x-token")]): ...

    @get
    async def handler(
        order_id: Annotated[int, Path(description="Which one")],
        size: Annotated[Literal["s", "l"], Query()],
        _: Annotated[None, Depends(dependency)],
        page: Annotated[int, Query()] = 1,
        tags: Annotated[list[str] | None, Query("tag")] = None,
        session: Annotated[str, Cookie()] = "none",
    ): ...

    operation = operation_of(handler, "/orders/{order_id}")
    found = {
        (each["in"], each["name"]): (each["schema"], each["required"])
        for each in operation["parameters"]
    }
    assert found == {
        ("path", "order_id"): ({"type": "integer"}, True),
        ("query", "size"): ({"type": "string", "enum": ["s", "l"]}, True),
        ("header", "x-token"): ({"type": "string"}, True),
        ("query", "page"): ({"type": "integer", "default": 1}, False),
        ("query", "tag"): (
            {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
            False,
        ),
        ("cookie", "session"): ({"type": "string", "default": "none"}, False),
    }
    assert operation["parameters"][0]["description"] == "Which one"


def test_parameters_of_litestars_dependencies_are_there_too():
    async def provide(x_tenant: FromHeader[str]) -> str:
        return x_tenant

    @get
    async def handler(scope, tenant: str, page: Annotated[int, Query()]): ...

    operation = operation_of(handler, dependencies={"tenant": Provide(provide)})
    assert [(each["in"], each["name"]) for each in operation["parameters"]] == [
        ("header", "x_tenant"),
        ("query", "page"),
    ]


def test_body_has_the_schema_that_validates():
    @post
    async def handler(order: Annotated[Order, Body(description="What to make")]): ...

    operation = operation_of(handler, method="post")
    body = operation["requestBody"]
    assert (body["required"], body["description"]) == (True, "What to make")
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["item"]
    assert schema["properties"]["count"]["exclusiveMinimum"] == 0
    item = schema["properties"]["item"]
    assert item["properties"]["name"] == {"title": "Name", "type": "string"}
    assert item["properties"]["parts"]["items"] == {"title": "Item", "type": "object"}
    assert "$ref" not in repr(schema)
    assert {"400", "413", "415", "422"} <= set(operation["responses"])


def test_type_without_a_schema_leaves_it_open():
    class Anything:
        pass

    @get
    async def handler(it: Annotated[Anything, Query()] = Anything()): ...

    assert operation_of(handler)["parameters"][0]["schema"] == {}


def test_responses_are_those_that_the_handler_declares():
    @get(responses={202: {"description": "Accepted it", "model": Item}, 404: {}})
    async def handler(): ...

    responses = operation_of(handler)["responses"]
    assert {status: each["description"] for status, each in responses.items()} == {
        "202": "Accepted it",
        "404": "Not Found",
    }
    schema = responses["202"]["content"]["application/json"]["schema"]
    assert schema["properties"]["name"] == {"title": "Name", "type": "string"}


def test_answer_without_a_declaration_is_200():
    @get
    async def handler(): ...

    assert list(operation_of(handler)["responses"]) == ["200"]


def test_probe_documents_what_it_answers():
    assert list(operation_of(make_ping_asgi(NatsBroker()))["responses"]) == ["204", "500"]


def test_head_is_not_documented():
    @get(unique_id="it")
    async def handler(): ...

    assert list(document_of(("/it", handler))["paths"]["/it"]) == ["get"]


def test_several_methods_have_their_own_operation_ids():
    from faststream_integrations.asgi import HttpHandler

    handler = HttpHandler(lambda: AsgiResponse(), methods=("PUT", "PATCH"), unique_id="it")
    path = document_of(("/it", handler))["paths"]["/it"]
    assert {method: path[method]["operationId"] for method in path} == {
        "put": "it_put",
        "patch": "it_patch",
    }


def test_hidden_handler_is_in_no_document():
    @get(include_in_schema=False)
    async def handler(): ...

    broker = NatsBroker()
    plugin = FastStreamPlugin(broker, asgi_routes=[("/it", handler)])
    assert not Litestar(plugins=[plugin]).openapi_schema.to_schema().get("paths")
    assert "/it" not in plugin.specification.to_specification().to_json()


@pytest.mark.parametrize("given", [True, False])
def test_handlers_are_in_the_asyncapi_document(given):
    @get
    async def handler(page: Annotated[int, Query()]): ...

    broker = NatsBroker()
    specification = AsyncAPI(title="Orders") if given else None
    plugin = FastStreamPlugin(
        broker,
        asgi_routes=[("/orders", handler), ("/health", make_ping_asgi(broker))],
        specification=specification,
    )
    document = plugin.specification.to_specification().to_jsonable()
    assert (plugin.specification is specification) is given
    assert "servers" in document
    assert {"/orders", "/health"} <= {
        channel["address"] for channel in document["channels"].values()
    }


def test_specification_of_a_faststream_application_is_taken():
    from faststream import FastStream

    app = FastStream(NatsBroker(), specification=AsyncAPI(title="Orders"))
    assert FastStreamPlugin(app).specification is app.schema
