"""What a handler returns: an ASGI application as it is, all else as JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import litestar.exceptions
import pytest
import starlette.exceptions
from faststream import Depends
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import FileResponse, StreamingResponse
from starlette.responses import Response as StarletteResponse
from typing_extensions import TypedDict

from faststream_integrations.asgi import (
    AsgiResponse,
    JSONResponse,
    Query,
    RequestError,
    get,
    post,
)
from faststream_integrations.types import ASGIApp


class Item(BaseModel):
    name: str
    price: float = 1.5
    kind: str = Field(default="chair", serialization_alias="kindOf")


class SecretItem(Item):
    password: str = "secret"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Typed(TypedDict):
    name: str


class Row:
    """What an object-relational mapper would give."""

    name = "row"
    price = 2
    kind = "table"
    password = "secret"


ITEM = {"name": "a", "price": 1.5, "kindOf": "chair"}


def returning(value: Any, annotation: Any = None, **options: Any) -> Any:
    async def handler():
        return value() if isinstance(value, type) and value is Row else value

    if annotation is not None:
        handler.__annotations__["return"] = annotation
    return get(**options)(handler)


async def response_of(host, broker, handler, method="GET", url="/it"):
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        return await client.request(method, url)


RESULTS = [
    (Item(name="a"), Item, ITEM),
    (Item(name="a"), None, ITEM),
    ({"name": "a"}, Item, ITEM),
    (SecretItem(name="a"), Item, ITEM),
    ({"name": "a", "password": "secret"}, Item, ITEM),
    (Row, Item, {"name": "row", "price": 2.0, "kindOf": "table"}),
    ([SecretItem(name="a")], list[Item], [ITEM]),
    ({"k": SecretItem(name="a")}, dict[str, Item], {"k": ITEM}),
    (SecretItem(name="a"), Item | JSONResponse, ITEM),
    (SecretItem(name="a"), Item | None, ITEM),
    (SecretItem(name="a"), Item | StarletteResponse | None, ITEM),
    (SecretItem(name="a"), Annotated[Item, "of the shop"], ITEM),
    (Point(1), Point, {"x": 1, "y": 2}),
    (Point(1), None, {"x": 1, "y": 2}),
    ({"name": "a", "more": 1}, Typed, {"name": "a"}),
    ({"a": [1, None, True]}, None, {"a": [1, None, True]}),
    ({"a": 1}, dict[str, int], {"a": 1}),
    ([1, 2], list[int], [1, 2]),
    ((1, 2), tuple[int, int], [1, 2]),
    ("text", str, "text"),
    ("text", None, "text"),
    ("", str, ""),
    (0, int, 0),
    (False, bool, False),
    ("7", int, 7),
    (float("nan"), float, None),
    ([float("inf")], None, [None]),
    (dt.date(2026, 1, 2), dt.date, "2026-01-02"),
    (uuid.UUID(int=1), None, "00000000-0000-0000-0000-000000000001"),
    (5, Any, 5),
    (5, object, 5),
    (5, AsgiResponse | int, 5),
    (5, Annotated[int, AfterValidator(lambda value: value + 1)], 6),
]


async def test_data_is_json_by_its_annotation(host, broker):
    routes = [
        (f"/{number}", returning(value, annotation))
        for number, (value, annotation, _) in enumerate(RESULTS)
    ]
    async with host.client(broker, asgi_routes=routes) as client:
        for number, (value, annotation, expected) in enumerate(RESULTS):
            response = await client.get(f"/{number}")
            assert response.status_code == 200, (value, annotation)
            assert response.headers["content-type"] == "application/json"
            assert response.json() == expected, (value, annotation)
            assert response.headers["content-length"] == str(len(response.content))


@pytest.mark.parametrize("annotation", [None, type(None), Item | None, AsgiResponse | None])
async def test_none_is_204_without_a_body(host, broker, annotation):
    handler = returning(None, annotation)
    response = await response_of(host, broker, handler)

    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    assert "content-length" not in response.headers


@pytest.mark.parametrize(
    ("value", "body"), [({"a": 1}, b'{"a":1}'), (None, b""), ("made", b'"made"')]
)
async def test_status_code_of_the_decorator(host, broker, value, body):
    @post(status_code=201)
    async def handler():
        return value

    response = await response_of(host, broker, handler, "POST")

    assert (response.status_code, response.content) == (201, body)


async def test_a_response_has_a_status_of_its_own(host, broker):
    @get(status_code=201)
    async def handler() -> Item | JSONResponse:
        return JSONResponse({"free": "of the annotation"}, 202)

    response = await response_of(host, broker, handler)

    assert (response.status_code, response.json()) == (202, {"free": "of the annotation"})


async def test_head_has_the_length_of_the_data(host, broker):
    response = await response_of(host, broker, returning({"a": 1}), "HEAD")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "7"


async def test_streams_and_files_of_starlette_are_sent_as_they_are(host, broker, tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("from a file")

    @get
    async def handler(
        what: Annotated[str, Query()],
    ) -> StreamingResponse | FileResponse | StarletteResponse | ASGIApp:
        async def stream():
            yield b"in "
            yield b"parts"

        return {
            "stream": StreamingResponse(stream(), media_type="text/x-parts"),
            "file": FileResponse(file),
            "plain": StarletteResponse(b"plain", 202),
        }[what]

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        stream = await client.get("/it?what=stream")
        assert (stream.text, stream.headers["content-type"]) == (
            "in parts", "text/x-parts; charset=utf-8",
        )  # fmt: skip
        assert (await client.get("/it?what=file")).text == "from a file"
        plain = await client.get("/it?what=plain")
        assert (plain.status_code, plain.text) == (202, "plain")


WRONG = [
    (object(), None),
    (object(), Item),
    ({"nam": "a"}, Item),
    ("seven", int),
    ([Item(name="a"), None], list[Item]),
]


@pytest.mark.parametrize(("value", "annotation"), WRONG)
async def test_what_cannot_be_written_is_500_that_the_log_explains(
    host, broker, value, annotation, caplog
):
    handler = returning(value, annotation)
    with caplog.at_level(logging.ERROR):
        response = await response_of(host, broker, handler)

    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Item" not in response.text
    if not host.propagates:
        [record] = [r for r in caplog.records if r.exc_info]
        assert "which cannot be written as JSON by its return annotation" in str(record.exc_info[1])
        assert "returning.<locals>.handler returned" in str(record.exc_info[1])


async def test_a_type_for_type_checkers_only_lets_responses_through_and_no_data(host, broker):
    async def handler(data: Annotated[bool, Query()]):
        return {"password": "secret"} if data else AsgiResponse(b"fine")

    handler.__annotations__["return"] = "UserOut"
    async with host.client(broker, asgi_routes=[("/it", get(handler))]) as client:
        assert (await client.get("/it?data=false")).text == "fine"
        response = await client.get("/it?data=true")
    assert response.status_code == 500
    assert "secret" not in response.text


def test_a_type_that_cannot_be_written_is_told_at_declaration():
    from faststream.exceptions import SetupError

    class Connection:
        pass

    async def handler():
        return Connection()

    handler.__annotations__["return"] = Connection
    with pytest.raises(SetupError, match="cannot be written as JSON"):
        get(handler)


async def test_the_result_is_written_after_generators_have_closed(host, broker):
    events = []

    async def transaction():
        yield
        events.append("commit")

    class Late(BaseModel):
        @property
        def seen(self) -> list[str]:
            return events

    @get
    async def handler(_=Depends(transaction)):
        events.append("handler")
        return {"ok": True}

    assert (await response_of(host, broker, handler)).json() == {"ok": True}
    assert events == ["handler", "commit"]


ERRORS: dict[str, Callable[[], Exception]] = {
    "ours": lambda: RequestError(401, "Who are you?", headers={"WWW-Authenticate": "Bearer"}),
    "starlette": lambda: starlette.exceptions.HTTPException(
        401, "Who are you?", headers={"WWW-Authenticate": "Bearer"}
    ),
    "litestar": lambda: litestar.exceptions.HTTPException(
        "Who are you?", status_code=401, headers={"WWW-Authenticate": "Bearer"}
    ),
}


@pytest.mark.parametrize("where", ["handler", "dependency"])
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
async def test_http_exceptions_mean_the_same_everywhere(host, broker, make, where):
    async def dependency():
        if where == "dependency":
            raise make()

    @get
    async def handler(_: Annotated[None, Depends(dependency)]):
        raise make()

    response = await response_of(host, broker, handler)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "Who are you?" in response.text


def test_no_framework_is_loaded_to_know_its_exceptions():
    import subprocess
    import sys

    code = """
import asyncio, sys
from faststream_integrations import AsgiFastStream, get
from faststream_integrations.testing import asgi_client
@get
async def handler():
    raise ValueError
async def main():
    async with asgi_client(AsgiFastStream(asgi_routes=[("/", handler)])) as client:
        print((await client.get("/")).status_code)
asyncio.run(main())
print({"starlette", "litestar", "fastapi"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["500", "set()"]
