"""Models as parameters, and several values of one body."""

import dataclasses
from typing import Annotated, Any

import pytest
from faststream import Depends
from faststream.exceptions import SetupError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import NotRequired, TypedDict

from faststream_integrations.asgi import Body, Cookie, Header, JSONResponse, Query, get, post


class Filter(BaseModel):
    limit: int = Field(10, le=100)
    tag: list[str] = []
    user_name: str | None = None
    order_by: str = Field("name", alias="orderBy")
    since: int | None = Field(None, validation_alias="since-day")


class Strict(Filter):
    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    limit: int


@dataclasses.dataclass
class Page:
    number: int
    size: int = 20


class Sorted(TypedDict):
    by: str
    reverse: NotRequired[bool]


class Traced(BaseModel):
    user_agent: str
    x_tag: list[int] = []


def reading(annotation: Any, marker: Any, default: Any = ...) -> Any:
    async def handler(value):
        return value

    handler.__annotations__["value"] = Annotated[annotation, marker]
    if default is not ...:
        handler.__defaults__ = (default,)
    return get(handler)


async def answer_of(host, broker, handler, query="", **options):
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        response = await client.request(options.pop("method", "GET"), f"/it?{query}", **options)
    return response.status_code, response.json() if response.content else None


DEFAULTS = {"limit": 10, "tag": [], "user_name": None, "order_by": "name", "since": None}


VALID = [
    (Filter, "", DEFAULTS),
    (Filter, "limit=5&tag=a&tag=b&user_name=ann", DEFAULTS | {
        "limit": 5, "tag": ["a", "b"], "user_name": "ann",
    }),
    (Filter, "orderBy=age&since-day=3&more=1", DEFAULTS | {"order_by": "age", "since": 3}),
    (Filter, "order_by=age", DEFAULTS),
    (Filter | None, "limit=5", DEFAULTS | {"limit": 5}),
    (Strict, "limit=5", DEFAULTS | {"limit": 5}),
    (Open, "limit=5&more=1", {"limit": 5, "more": "1"}),
    (Page, "number=3", {"number": 3, "size": 20}),
    (Sorted, "by=age&reverse=true", {"by": "age", "reverse": True}),
    (Sorted, "by=age", {"by": "age"}),
]  # fmt: skip

INVALID = [
    (Filter, "limit=1000", [("less_than_equal", ["query", "limit"])]),
    (Filter, "limit=x&since-day=y", [
        ("int_parsing", ["query", "limit"]), ("int_parsing", ["query", "since-day"]),
    ]),
    (Strict, "more=1", [("extra_forbidden", ["query", "more"])]),
    (Page, "", [("missing", ["query", "number"])]),
    (Sorted, "reverse=1", [("missing", ["query", "by"])]),
]  # fmt: skip


async def answers_to(host, broker, rows):
    routes = [(f"/{number}", reading(row[0], Query())) for number, row in enumerate(rows)]
    async with host.client(broker, asgi_routes=routes) as client:
        return [await client.get(f"/{number}?{row[1]}") for number, row in enumerate(rows)]


async def test_a_model_is_the_set_of_its_fields(host, broker):
    for row, response in zip(VALID, await answers_to(host, broker, VALID), strict=True):
        answer = response.json()
        by_name = {"order_by": answer.pop("orderBy")} if "orderBy" in answer else {}
        assert (response.status_code, answer | by_name) == (200, row[2]), row


async def test_errors_of_a_model_name_the_field(host, broker):
    for row, response in zip(INVALID, await answers_to(host, broker, INVALID), strict=True):
        assert response.status_code == 422
        errors = [(error["type"], error["loc"]) for error in response.json()["detail"]]
        assert errors == row[2], row


async def test_a_model_that_nothing_is_read_for_may_have_a_default(host, broker):
    handler = reading(Page, Query(), Page(7))

    assert await answer_of(host, broker, handler) == (200, {"number": 7, "size": 20})
    status, _ = await answer_of(host, broker, handler, "size=3")
    assert status == 422


async def test_a_model_of_headers_and_of_cookies(host, broker):
    @get
    async def handler(
        traced: Annotated[Traced, Header()],
        session: Annotated[Page, Cookie()],
        q: int = Query(default=1),
    ):
        return JSONResponse([traced, session, q])

    status, answer = await answer_of(
        host, broker, handler, "q=2",
        headers=[
            ("user-agent", "me"), ("x-tag", "1"), ("x-tag", "2"), ("cookie", "number=3; size=4"),
        ],
    )  # fmt: skip

    assert status == 200
    assert answer == [{"user_agent": "me", "x_tag": [1, 2]}, {"number": 3, "size": 4}, 2]


@pytest.mark.parametrize("annotation", [dict, dict[str, int], dict | None])
@pytest.mark.parametrize("marker", [Query(), Header(), Cookie()])
def test_what_no_text_can_be_is_told_at_declaration(annotation, marker):
    with pytest.raises(SetupError, match="take a model with its fields"):
        reading(annotation, marker)


async def test_text_may_be_turned_into_anything(host, broker):
    import json

    handler = reading(Annotated[dict, BeforeValidator(json.loads)], Query())

    assert await answer_of(host, broker, handler, 'value={"a":1}') == (200, {"a": 1})


# Bodies


class Item(BaseModel):
    name: str


async def owner_of(owner: Annotated[str, Body()]) -> str:
    return owner.upper()


@post
async def several(
    item: Annotated[Item, Body()],
    count: Annotated[int, Body()] = 1,
    owner: Annotated[str, Depends(owner_of)] = "",
):
    return [item.name, count, owner]


BODIES = [
    ({"item": {"name": "a"}, "count": 2, "owner": "ann"}, 200, ["a", 2, "ANN"]),
    ({"item": {"name": "a"}, "owner": "ann", "more": 1}, 200, ["a", 1, "ANN"]),
    ({"item": {}, "count": "x", "owner": 1}, 422, [
        ["body", "owner"], ["body", "item", "name"], ["body", "count"],
    ]),
    ({}, 422, [["body", "owner"], ["body", "item"]]),
    (None, 422, [["body", "owner"], ["body", "item"]]),
    ([], 422, [["body"]]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "expected"), BODIES)
async def test_several_bodies_are_the_fields_of_one(host, broker, body, status, expected):
    options = {"json": body} if body is not None else {}
    found, answer = await answer_of(host, broker, several, method="POST", **options)

    assert found == status
    if status == 200:
        assert answer == expected
    else:
        assert sorted(error["loc"] for error in answer["detail"]) == sorted(expected)


async def test_one_body_may_be_a_field(host, broker):
    @post
    async def handler(item: Annotated[Item, Body(embed=True)]):
        return item

    found = await answer_of(host, broker, handler, method="POST", json={"item": {"name": "a"}})
    assert found == (200, {"name": "a"})


async def test_a_body_of_one_name_is_read_twice_as_a_whole(host, broker):
    async def name_of(item: Annotated[Item, Body()]) -> str:
        return item.name

    @post
    async def handler(item: Annotated[dict[str, str], Body()], name: str = Depends(name_of)):
        return [item, name]

    found = await answer_of(host, broker, handler, method="POST", json={"name": "a"})
    assert found == (200, [{"name": "a"}, "a"])
