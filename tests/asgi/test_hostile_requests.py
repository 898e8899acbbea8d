"""Whatever a client sends: an answer of 2xx or 4xx, never an exception out of the application."""

import asyncio
import json
from typing import Annotated, Any

from faststream import Depends
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from faststream_integrations.asgi import (
    AsgiFastStream,
    Body,
    Cookie,
    Header,
    JSONResponse,
    Path,
    Query,
    Request,
    get,
    post,
)


class Item(BaseModel):
    name: str
    tags: dict[str, list[float]] = {}
    parent: "Item | None" = None


async def dependency(limit: Annotated[int, Query()] = 3, cookies: Annotated[str, Cookie("c")] = ""):
    return f"{limit}{cookies}"


@get
async def read(
    request: Request,
    item_id: Annotated[int | str, Path()],
    d: Annotated[str, Depends(dependency)],
    q: Annotated[str, Query()] = "",
    n: Annotated[list[int], Query()] = [],  # noqa: B006
    x: Annotated[list[str], Header()] = [],  # noqa: B006
    y: Annotated[float | None, Header()] = None,
    z: Annotated[str, Query("ключ"), Field(max_length=3)] = "",
):
    return JSONResponse([item_id, d, q, n, x, y, z, request.query_params, request.cookies])


@post
async def write(item: Annotated[Item, Body()], n: Annotated[int, Query()] = 0):
    return JSONResponse([item, n])


@post
async def read_json(request: Request):
    return JSONResponse(await request.json())


app = AsgiFastStream(
    asgi_routes=[("/items/{item_id}", read), ("/items", write), ("/json", read_json)], logger=None
)

names = st.sampled_from([b"x", b"y", b"cookie", b"content-length", b"content-type", b"", b"\xff"])
headers = st.lists(st.tuples(names, st.binary(max_size=30)), max_size=6)
queries = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.tuples(
            st.sampled_from([b"q", b"n", b"limit", b"%71", b"", b"%"]), st.binary(max_size=9)
        ),
        max_size=5,
    ).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs)),
)


async def answer(method: str, path: str, query: bytes, headers: Any, body: list[bytes]) -> int:
    chunks = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in body]
    chunks.append({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def receive():
        return chunks.pop(0)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "root_path": "",
        "query_string": query, "headers": headers,
    }  # fmt: skip
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    lengths = [v for k, v in sent[0]["headers"] if k == b"content-length"]
    assert lengths == [b"%d" % len(sent[1]["body"])]
    return sent[0]["status"]


@given(path=st.text(max_size=20), query=queries, headers=headers)
@example(path="1", query=b"n=%zz&q=\xff%ff", headers=[(b"y", b"nan"), (b"cookie", b'a="; =;;c')])
@settings(max_examples=300, deadline=None)
def test_any_path_query_and_headers_are_answered(path, query, headers):
    status = asyncio.run(answer("GET", f"/items/{path}", query, headers, []))
    assert status == 200 or 400 <= status < 500


json_text = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "tags", "parent", "x"]), children, max_size=3)
    ),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())


@given(
    path=st.sampled_from(["/items", "/json"]),
    body=st.lists(st.binary(max_size=20) | json_text, max_size=3),
    headers=headers,
    is_json=st.booleans(),
)
@example(path="/items", body=[b"[" * 100_000], headers=[], is_json=True)
@example(path="/items", body=[b'{"name": "\\ud800"}'], headers=[], is_json=True)
@example(path="/json", body=[b"[NaN, 1e999, 9" + b"9" * 5000 + b"]"], headers=[], is_json=True)
@example(path="/json", body=[b'"\xed\xa0\x80"'], headers=[], is_json=True)
@settings(max_examples=300, deadline=None)
def test_any_body_is_answered(path, body, headers, is_json):
    headers = [*headers, (b"content-type", b"application/json")] if is_json else headers
    status = asyncio.run(answer("POST", path, b"", headers, body))
    assert status == 200 or 400 <= status < 500


async def test_many_parameters_and_headers_are_read_in_linear_time():
    query = b"&".join(b"n=%d" % n for n in range(20_000))
    headers = [(b"x", b"%d" % n) for n in range(20_000)]
    assert await answer("GET", "/items/1", query, headers, []) == 200


async def test_client_that_goes_away_ends_the_request_quietly():
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/json", "root_path": "",
        "query_string": b"", "headers": [],
    }  # fmt: skip
    await app(scope, receive, send)
    assert sent == []
