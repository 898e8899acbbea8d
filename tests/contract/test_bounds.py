"""What a client sends has bounds, and so has what it costs."""

import json
import time
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from faststream_integrations.asgi import Body, Header, JSONResponse, Query, get, post
from faststream_integrations.environment import DETACHED
from faststream_integrations.http.request import AsgiRequest


class Node(BaseModel):
    name: int
    children: list["Node"] = []


@post
async def take(body: Annotated[Node, Body()]):
    return JSONResponse(body.name)


@post
async def take_many(body: Annotated[list[Node], Body()]):
    return JSONResponse(len(body))


@post
async def take_names(body: Annotated[dict[str, Node], Body()]):
    return JSONResponse(len(body))


@get
async def listed(q: Annotated[list[int], Query()], x: Annotated[list[int], Header()] = ()):
    return JSONResponse([q, x])


def nested(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {"name": "x" * 4000}
    for _ in range(depth):
        node = {"name": "x" * 4000, "children": [node]}
    return node


LARGE = {
    "deep": (take, nested(90)),
    "wide": (take, {"name": "x", "children": [{"name": "x" * 100}] * 5000}),
    "few but large": (take, {"name": "x" * 900_000}),
    "many": (take_many, [{}] * 90_000),
    "many items within": (take_many, [{"children": list(range(60_000))}] * 2),
    "long keys": (take_names, {f"{'k' * 9000}{number}": {} for number in range(100)}),
}


@pytest.mark.parametrize(("handler", "body"), LARGE.values(), ids=LARGE)
async def test_errors_of_a_request_have_a_bound(host, broker, handler, body):
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        response = await client.post("/it", json=body)

    assert response.status_code == 422
    assert len(response.content) < 64 * 1024
    detail = response.json()["detail"]
    assert 0 < len(detail) <= 101


async def test_errors_that_are_left_out_are_counted(host, broker):
    async with host.client(broker, asgi_routes=[("/it", listed)]) as client:
        response = await client.get("/it", params=[("q", "x")] * 130)
        detail = response.json()["detail"]
        assert len(detail) == 101
        assert detail[0]["loc"] == ["query", "q", 0]
        assert detail[-1]["msg"] == "30 more errors are not listed"
        few = (await client.get("/it", params=[("q", "x")] * 3)).json()["detail"]
        assert [error["input"] for error in few] == ["x", "x", "x"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("form", ["{}", '{{"a": {}}}', '{{"a": [{{"b": {}}}]}}'])
async def test_numbers_that_json_does_not_have_are_no_json(host, broker, number, form):
    @post
    async def handler(body: Annotated[Any, Body()], q: Annotated[int, Query()] = 0):
        return JSONResponse(body)

    body = form.format(number)
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        for url in ("/it", "/it?q=wrong"):
            response = await client.post(
                url, content=body, headers={"content-type": "application/json"}
            )
            assert response.status_code == host.invalid_json
            assert response.json()["detail"][0]["type"] == "json_invalid"
        text = json.dumps({"NaN": "Infinity"})
        response = await client.post(
            "/it", content=text, headers={"content-type": "application/json"}
        )
        assert response.json() == {"NaN": "Infinity"}


def cpu_time_of(lines: int) -> float:
    """Measure how long one value of so many lines of a header takes."""

    @get
    async def handler(x: Annotated[str, Header()]):
        return JSONResponse(len(x))

    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"",
        "headers": [(b"x", b"y" * 20)] * lines,
    }  # fmt: skip

    async def receive():
        raise AssertionError

    bound = handler.bind(DETACHED)
    best = float("inf")
    for _ in range(3):
        coroutine = bound.handle(AsgiRequest(scope, receive, receive))
        start = time.process_time()
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(None)
        best = min(best, time.process_time() - start)
        assert int(stopped.value.value.body) == lines * 22 - 2
    return best


def test_a_header_that_repeats_costs_as_much_for_each_line():
    """Ten times the lines, about ten times the time; it was a hundred times."""
    assert cpu_time_of(200_000) < 30 * cpu_time_of(20_000)
