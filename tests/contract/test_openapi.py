"""The host's OpenAPI document has what a request can change, and nothing else."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import pytest
from faststream import Depends
from faststream.nats import NatsBroker
from pydantic import BaseModel, Field

from faststream_integrations.asgi import Body, Cookie, Header, JSONResponse, Path, Query, get, post
from faststream_integrations.testing import asgi_client
from tests.contract.hosts import build_fastapi, build_litestar


class Filter(BaseModel):
    limit: int = 10
    tags: list[int] = []
    order_by: int = Field(0, alias="orderBy")


class Traced(BaseModel):
    request_id: int = 0
    x_tags: list[int] = []


class Item(BaseModel):
    price: int


class Shown(BaseModel):
    seen: list[Any]


async def nested(limit: Annotated[int, Query()] = 1, trace: Annotated[int, Header("X-Trace")] = 0):
    return [limit, trace]


async def owner_of(owner: Annotated[int, Body()] = 0):
    return owner


@post
async def in_full(
    number: Annotated[int, Path()],
    q: Annotated[int, Query()],
    many: Annotated[list[int], Query()] = [],  # noqa: B006
    named: Annotated[int, Query("na-med")] = 0,
    x_user: Annotated[int, Header()] = 0,
    session: Annotated[int, Cookie()] = 0,
    dependency: Any = Depends(nested),
) -> Shown:
    return Shown(seen=[number, q, many, named, x_user, session, dependency])


@post
async def of_models(
    f: Annotated[Filter, Query()], t: Annotated[Traced, Header()], number: Annotated[int, Path()]
):
    return [f, t, number]


@post
async def whole_body(item: Annotated[Item, Body()], number: Annotated[int, Path()]):
    return [item, number]


@post
async def several_bodies(
    item: Annotated[Item, Body()],
    number: Annotated[int, Path()],
    count: Annotated[int, Body()] = 1,
    owner: int = Depends(owner_of),
):
    return [item, number, count, owner]


@post
async def embedded(item: Annotated[Item, Body(embed=True)], number: Annotated[int, Path()]):
    return [item, number]


@get
async def nothing(number: Annotated[int, Path()]) -> None:
    return None


BUILDS = {
    "fastapi": (build_fastapi, "/openapi.json"),
    "litestar": (build_litestar, "/schema/openapi.json"),
}
HANDLERS = {
    "in full": (in_full, [
        ("cookie", "session"), ("header", "x-trace"), ("header", "x-user"), ("path", "number"),
        ("query", "limit"), ("query", "many"), ("query", "na-med"), ("query", "q"),
    ], None),
    "models": (of_models, [
        ("header", "request-id"), ("header", "x-tags"), ("path", "number"),
        ("query", "limit"), ("query", "orderBy"), ("query", "tags"),
    ], None),
    "body": (whole_body, [("path", "number")], {"price": 5}),
    "bodies": (several_bodies, [("path", "number")], {
        "item": {"price": 5}, "count": 2, "owner": 3,
    }),
    "embedded": (embedded, [("path", "number")], {"item": {"price": 5}}),
}  # fmt: skip


def resolved(node: Any, document: Any) -> Any:
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def request_for(given: dict[tuple[str, str], int], body: Any) -> dict[str, Any]:
    cookies = "; ".join(
        f"{name}={value}" for (kind, name), value in given.items() if kind == "cookie"
    )
    headers = [(name, str(value)) for (kind, name), value in given.items() if kind == "header"]
    return {
        "method": "POST",
        "url": f"/it/{given['path', 'number']}",
        "params": {name: value for (kind, name), value in given.items() if kind == "query"},
        "headers": [*headers, *([("cookie", cookies)] if cookies else [])],
        **({"json": body} if body is not None else {}),
    }


@pytest.mark.parametrize(("build", "document_path"), BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize(("handler", "expected", "body"), HANDLERS.values(), ids=HANDLERS)
async def test_each_documented_parameter_changes_the_answer(
    build, document_path, handler, expected, body
):
    broker = NatsBroker()
    app = build(broker, asgi_routes=[("/it/{number}", handler)])
    async with asgi_client(app, broker) as client:
        document = (await client.get(document_path)).json()
        operation = document["paths"]["/it/{number}"]["post"]
        documented = sorted(
            (p["in"], p["name"].lower() if p["in"] == "header" else p["name"])
            for p in operation.get("parameters", [])
        )
        assert documented == expected

        given = dict.fromkeys(documented, 1)
        first = await client.request(**request_for(given, body))
        assert first.status_code == 200, first.text
        for parameter in documented:
            changed = await client.request(**request_for(given | {parameter: 2}, body))
            assert changed.json() != first.json(), parameter

        assert ("requestBody" in operation) == (body is not None)
        if body is not None:
            schema = resolved(
                operation["requestBody"]["content"]["application/json"]["schema"], document
            )
            assert sorted(schema["properties"]) == sorted(body)
            for name in schema["properties"]:
                other = copy.deepcopy(body)
                other[name] = {"price": 7} if isinstance(other[name], dict) else 7
                changed = await client.request(**request_for(given, other))
                assert changed.json() != first.json(), name


@pytest.mark.parametrize(("build", "document_path"), BUILDS.values(), ids=BUILDS)
async def test_required_ones_are_those_that_a_request_cannot_lack(build, document_path):
    broker = NatsBroker()
    app = build(broker, asgi_routes=[("/it/{number}", in_full)])
    async with asgi_client(app, broker) as client:
        document = (await client.get(document_path)).json()
        parameters = document["paths"]["/it/{number}"]["post"]["parameters"]
        given = {(p["in"], p["name"]): 1 for p in parameters}
        for parameter in parameters:
            if parameter["in"] == "path":
                continue
            key = (parameter["in"], parameter["name"])
            without = {k: v for k, v in given.items() if k != key}
            response = await client.request(**request_for(without, None))
            assert (response.status_code == 422) == bool(parameter.get("required")), key


@pytest.mark.parametrize(("build", "document_path"), BUILDS.values(), ids=BUILDS)
async def test_the_return_annotation_is_the_schema_of_the_answer(build, document_path):
    broker = NatsBroker()

    @post(status_code=201)
    async def create(item: Annotated[Item, Body()]) -> Item | JSONResponse:
        return item

    routes = [("/it/{number}", in_full), ("/nothing/{number}", nothing), ("/create", create)]
    app = build(broker, asgi_routes=routes)
    async with asgi_client(app, broker) as client:
        document = (await client.get(document_path)).json()
        paths = document["paths"]
        answers = paths["/it/{number}"]["post"]["responses"]
        schema = resolved(answers["200"]["content"]["application/json"]["schema"], document)
        assert list(schema["properties"]) == ["seen"]
        created = paths["/create"]["post"]["responses"]
        schema = resolved(created["201"]["content"]["application/json"]["schema"], document)
        assert list(schema["properties"]) == ["price"]
        assert "200" not in created
        assert "content" not in paths["/nothing/{number}"]["get"]["responses"]["204"]
        assert (await client.post("/create", json={"price": 3})).status_code == 201
        assert (await client.get("/nothing/1")).status_code == 204
