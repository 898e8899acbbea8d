"""Where the values of a handler's parameters come from."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from faststream import Depends
from faststream.asgi import Header as UpstreamHeader
from faststream.asgi import Query as UpstreamQuery
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Cookie,
    Header,
    JSONResponse,
    Path,
    Query,
    get,
    post,
)


class Size(Enum):
    SMALL = "s"


async def answer_of(host, broker, handler, url="/it", path="/it", method="GET", **request) -> Any:
    async with host.client(broker, asgi_routes=[(path, handler)]) as client:
        response = await client.request(method, url, **request)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (int, "q=5", 5),
        (bool, "q=true", True),
        (str, "q=5", "5"),
        (str, "q=", ""),
        (str, "q", ""),
        (str, "q=a&q=b", "b"),
        (str, "q=%D0%B9", "й"),
        (str, "q=a+b%2Bc%26d%3D", "a b+c&d="),
        (str, "%71=encoded+name", "encoded name"),
        (list[str], "q=a&q=b", ["a", "b"]),
        (list[str], "q=", [""]),
        (list[int], "q=1&q=2", [1, 2]),
        (set[int], "q=1&q=1", [1]),
        (tuple[int, str], "q=1&q=x", [1, "x"]),
        (list[int] | None, "q=1", [1]),
        (int | None, "q=1", 1),
        (Decimal, "q=1.50", "1.50"),
        (Size, "q=s", "s"),
        (Literal["a", "b"], "q=b", "b"),
        (Annotated[int, Field(gt=3)], "q=4", 4),
        (Any, "q=a&q=b", ["a", "b"]),
    ],
)
async def test_annotation_of_query_decides(host, broker, annotation, query, value):
    @get
    async def handler(q: Annotated[annotation, Query()]):
        return JSONResponse(q)

    assert value == await answer_of(host, broker, handler, f"/it?{query}")


async def test_query_without_annotation_is_the_list_of_strings(host, broker):
    @get
    async def handler(q=Query()):
        return JSONResponse(q)

    assert await answer_of(host, broker, handler, "/it?q=a&q=") == ["a", ""]


async def test_defaults_stand_in_for_what_the_request_lacks(host, broker):
    @get
    async def handler(
        a: Annotated[int, Query()] = 1,
        b: int = Query(default=2),
        c: Annotated[str | None, Header()] = None,
        d: Annotated[str, Cookie()] = "d",
        e: Annotated[list[str], Query()] = ["e"],  # noqa: B006
        f: Annotated[dict[str, int] | None, Body()] = None,
    ):
        return JSONResponse([a, b, c, d, e, f])

    assert await answer_of(host, broker, handler) == [1, 2, None, "d", ["e"], None]


async def test_query_and_header_take_another_name(host, broker):
    @get
    async def handler(
        kind: Annotated[str, Query("type")],
        token: Annotated[str, Header("X-Auth-Token")],
        session: Annotated[str, Cookie("session-id")],
    ):
        return JSONResponse([kind, token, session])

    headers = {"x-auth-token": "t", "cookie": "other=1; session-id=abc"}
    assert await answer_of(host, broker, handler, "/it?type=k", headers=headers) == [
        "k",
        "t",
        "abc",
    ]


async def test_unnamed_header_maps_underscores_to_hyphens(host, broker):
    @get
    async def handler(x_request_id: Annotated[int, Header()]):
        return JSONResponse(x_request_id)

    assert await answer_of(host, broker, handler, headers={"X-REQUEST-ID": "7"}) == 7


async def test_repeated_headers_are_all_there(host, broker):
    @get
    async def handler(
        x_tag: Annotated[list[str], Header()],
        joined: Annotated[str, Header("x-tag")],
    ):
        return JSONResponse([x_tag, joined])

    headers = [("x-tag", "a"), ("X-Tag", "b")]
    assert await answer_of(host, broker, handler, headers=headers) == [["a", "b"], "a, b"]


async def test_path_parameters_are_validated_and_decoded(host, broker):
    @get
    async def handler(name: Annotated[str, Path()], number: Annotated[int, Path("id")]):
        return JSONResponse([name, number])

    path, url = "/items/{name}/parts/{id}", "/items/%D0%B9%20x/parts/5"
    assert await answer_of(host, broker, handler, url, path) == ["й x", 5]


class Model(BaseModel):
    name: str
    count: int = 1


@dataclass
class Data:
    name: str
    count: int = 1


class Typed(TypedDict):
    name: str


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Model, {"name": "n", "count": 1}),
        (Data, {"name": "n", "count": 1}),
        (Typed, {"name": "n"}),
        (dict[str, Any], {"name": "n"}),
        (Any, {"name": "n"}),
    ],
)
async def test_body_is_read_into_its_annotation(host, broker, annotation, expected):
    @post
    async def handler(body: Annotated[annotation, Body()]):
        return JSONResponse(body)

    body = await answer_of(host, broker, handler, method="POST", json={"name": "n"})
    assert expected == body


async def test_body_takes_json_content_types_with_parameters_and_suffixes(host, broker):
    @post
    async def handler(body: Annotated[list[int], Body()]):
        return JSONResponse(body)

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        for content_type in ("application/json; charset=utf-8", "application/vnd.orders+json"):
            headers = {"content-type": content_type}
            response = await client.post("/it", content=b"[1]", headers=headers)
            assert response.json() == [1]


async def test_upstream_markers_read_the_same(host, broker):
    @get
    async def handler(
        token: str = UpstreamHeader("X-Token"), page: int = UpstreamQuery(), tags=UpstreamQuery()
    ):
        return JSONResponse([token, page, tags])

    answer = await answer_of(
        host, broker, handler, "/it?page=3&tags=a", headers={"x-token": "secret"}
    )
    assert answer == ["secret", 3, ["a"]]


async def test_first_unmarked_parameter_is_the_asgi_scope(host, broker):
    @get
    async def handler(scope, q: Annotated[int, Query()] = 1, other: int = 2):
        return JSONResponse([scope["type"], scope["method"], q, other])

    assert await answer_of(host, broker, handler) == ["http", "GET", 1, 2]


async def test_positional_and_keyword_only_parameters_are_filled(host, broker):
    @get
    async def handler(scope, /, a: Annotated[int, Query()], b=3, *, c: Annotated[int, Query()]):
        return JSONResponse([scope["type"], a, b, c])

    assert await answer_of(host, broker, handler, "/it?a=1&c=2") == ["http", 1, 3, 2]


async def test_parameters_may_have_the_names_that_the_compiler_uses(host, broker):
    @get
    async def handler(
        name: Annotated[int, Query()],
        value: Annotated[int, Header()],
        context: Annotated[int, Query()],
        request: Annotated[int, Query()],
        handler: Annotated[int, Query()],
        type: Annotated[int, Depends(lambda: 6)],
        callable: Annotated[int, Query()] = 8,
        EMPTY: Annotated[int, Query()] = 9,
    ):
        return JSONResponse([name, value, context, request, handler, type, callable, EMPTY])

    answer = await answer_of(
        host, broker, handler, "/it?name=1&context=3&request=4&handler=5", headers={"value": "2"}
    )
    assert answer == [1, 2, 3, 4, 5, 6, 8, 9]


async def test_sync_handler_gets_the_same_values(host, broker):
    @get
    def handler(q: Annotated[int, Query()], *, x_id: Annotated[str, Header()]):
        return AsgiResponse(f"[{q}, {x_id}]".encode())

    assert await answer_of(host, broker, handler, "/it?q=1", headers={"x-id": "2"}) == [1, 2]
