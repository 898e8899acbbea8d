"""What a header, a parameter of the address or a part of the body is where a message has none."""

from importlib.metadata import version
from typing import Annotated, Any

import fastapi
import faststream
import pytest
from fast_depends.pydantic import PydanticSerializer
from fastapi import FastAPI
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from pydantic import ValidationError

from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client
from tests.subscribers.hosts import ask, every_host, running

OF_FASTAPI: dict[str, tuple[Any, Any]] = {
    "default": (Annotated[int, fastapi.Header()], 7),
    "in the marker": (Annotated[int, fastapi.Header(ge=1)], fastapi.Header(7, ge=1)),
    "none": (Annotated[int | None, fastapi.Header()], None),
    "list": (Annotated[list[int], fastapi.Header()], [7]),
    "factory": (Annotated[list[int], fastapi.Header(default_factory=lambda: [7])], ...),
    "factory of another type": (Annotated[str, fastapi.Header(default_factory=lambda: 7)], ...),
    "factory and alias": (
        Annotated[int, fastapi.Header(alias="X-N", default_factory=lambda: 7)],
        ...,
    ),
    "default that is not valid": (Annotated[int, fastapi.Header(ge=10)], 7),
    "default of another type": (Annotated[int, fastapi.Header()], "seven"),
}
"""Annotations, and defaults where there are some."""


def reading(annotation: Any, default: Any) -> Any:
    async def read(number: Any) -> Any:
        return [number, number]

    read.__annotations__["number"] = annotation
    if default is not ...:
        read.__defaults__ = (default,)
    return read


@pytest.mark.parametrize("sent", [{}, {"number": "12", "x-n": "12"}], ids=["absent", "present"])
@pytest.mark.parametrize(("annotation", "default"), OF_FASTAPI.values(), ids=OF_FASTAPI)
async def test_header_of_fastapi_is_the_same_in_a_message_as_in_a_request(
    annotation, default, sent
):
    if isinstance(default, fastapi.params.Header):
        annotation = int
    broker = NatsBroker()
    function = reading(annotation, default)
    app = FastAPI()

    @app.get("/")
    async def endpoint(read: Annotated[Any, fastapi.Depends(function)]) -> Any:
        return read

    @broker.subscriber("dependency")
    async def handle(body: int, read: Annotated[Any, fastapi.Depends(function)]) -> Any:
        return read

    @broker.subscriber("below")
    async def below(body: int, read: Annotated[Any, faststream.Depends(function)]) -> Any:
        return read

    broker.subscriber("itself")(function)
    app.include_router(FastStreamRouter(broker))
    async with asgi_client(app, broker) as client:
        response = await client.get("/", headers=sent)
        if response.status_code == 422 and version("fastapi") == "0.121.0":
            pytest.skip("FastAPI 0.121 validates defaults.")
        expected = response.json()
        assert expected == [expected[0]] * 2
        for subject in ("dependency", "below", "itself"):
            assert await ask(broker, 1, subject, headers=sent) == expected


@pytest.mark.parametrize("required", [False, True], ids=["alone", "beside what is required"])
async def test_what_a_factory_makes_is_new_for_each_message(required):
    broker = NatsBroker()
    numbers = iter(range(1, 9))

    @broker.subscriber("orders")
    async def handle(
        body: int,
        header: Annotated[list[int], fastapi.Header(default_factory=list)],
        again: Annotated[list[int], fastapi.Header(default_factory=list)],
        number: Annotated[int, fastapi.Path(default_factory=numbers.__next__)],
        user: str = fastapi.Header(... if required else "nobody"),
    ) -> list[Any]:
        header.append(body)
        return [header, again, number]

    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    async with asgi_client(app, broker):
        headers = {"user": "ada"}
        assert await ask(broker, 5, headers=headers) == [[5], [], 1]
        assert await ask(broker, 6, headers=headers) == [[6], [], 2]
        with pytest.raises(ValidationError) as raised:
            await ask(broker, "five", headers={**headers, "again": "x"})
        errors = [each["loc"][0] for each in raised.value.errors()]
        assert errors == ["body", "again"]
        if required:
            with pytest.raises(ValidationError, match="user\n  Field required"):
                await ask(broker, 7)


@pytest.mark.parametrize("serializer", [None, PydanticSerializer({"strict": True})])
async def test_factory_under_a_serializer_of_the_user(serializer):
    broker = NatsBroker(serializer=serializer)

    @broker.subscriber("orders")
    async def handle(
        body: int, header: Annotated[list[int], fastapi.Header(default_factory=list)]
    ) -> list[Any]:
        header.append(body)
        return header

    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    async with asgi_client(app, broker):
        assert [await ask(broker, 5), await ask(broker, 6)] == [[5], [6]]


async def test_factory_of_a_body_is_in_the_model_of_the_message():
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def handle(
        number: int, drinks: Annotated[list[str], fastapi.Body(default_factory=list)]
    ) -> Any:
        drinks.append(number)
        return drinks

    app = FastAPI()
    app.include_router(FastStreamRouter(broker))
    async with asgi_client(app, broker):
        for _ in range(2):
            assert await ask(broker, {"number": 1}) == [1]
        assert await ask(broker, {"number": 1, "drinks": ["tea"]}) == ["tea", 1]
    document = AsyncAPI(broker).to_specification().to_jsonable()
    assert document["components"]["schemas"]["Handle:Message:Payload"]["required"] == ["number"]


# FastStream's own

OF_FASTSTREAM: dict[str, tuple[Any, Any, Any]] = {
    "header": (faststream.Header(default=7), int, 7),
    "header of a name": (faststream.Header("x-n", default=7), int, 7),
    "header that is none": (faststream.Header(default=None), int, None),
    "header of another type": (faststream.Header(default="7"), int, 7),
    "path": (faststream.Path(default="nobody"), str, "nobody"),
    "path of a name": (faststream.Path("user", default=None), str, None),
    "context": (faststream.Context("message.headers.absent", default=7), int, 7),
}


@every_host
@pytest.mark.parametrize(
    ("marker", "annotation", "expected"), OF_FASTSTREAM.values(), ids=OF_FASTSTREAM
)
async def test_default_of_faststream_s_marker(host, marker, annotation, expected):
    broker = NatsBroker()

    async def below(value: Annotated[annotation, marker]) -> Any:
        return value

    @broker.subscriber("orders")
    async def handle(
        body: int,
        value: Annotated[annotation, marker],
        below: Annotated[Any, faststream.Depends(below)],
        after: annotation = marker,
    ) -> Any:
        return [value, below, after]

    async with running(host, FastStream(broker)):
        assert await ask(broker, 1) == [expected] * 3
