"""The document says of each message what its handler accepts, and of each model its own."""

import enum
import json
import logging
import types
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import jsonschema_rs
import msgspec
import pytest
from fast_depends.msgspec import MsgSpecSerializer
from faststream import Context, Depends
from faststream.nats import NatsBroker, TestNatsBroker
from faststream.redis import RedisBroker, TestRedisBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from faststream_integrations.asyncapi.document import Document
from faststream_integrations.asyncapi.status import Status
from faststream_integrations.dry_run.run import DryRun

VERSIONS = ("3.0.0", "2.6.0")


async def document_of(*brokers: Any, version: str = "3.0.0") -> dict[str, Any]:
    with warnings.catch_warnings():
        # FastStream's generator warns of what it overwrites.
        warnings.simplefilter("error")
        answer = await Document(AsyncAPI(*brokers, schema_version=version)).json()
    document: dict[str, Any] = json.loads(answer.body)
    assert "x-python-class" not in answer.body.decode()
    return document


def payload_of(document: dict[str, Any], channel: str) -> Any:
    """The schema of a channel's only message, with all references resolved."""
    found = document["channels"][channel]
    if document["asyncapi"] == "3.0.0":
        (message,) = found["messages"].values()
    else:
        message = (found.get("subscribe") or found["publish"])["message"]
    return resolved(document, message)["payload"]


def resolved(document: dict[str, Any], value: Any, depth: int = 12) -> Any:
    if isinstance(value, list):
        return [resolved(document, each, depth) for each in value]
    if not isinstance(value, dict):
        return value
    if depth and (pointer := value.get("$ref")):
        target: Any = document
        for part in pointer.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return resolved(document, target, depth - 1)
    return {key: resolved(document, each, depth) for key, each in value.items()}


def module(name: str, **fields: Any) -> Any:
    """A module with a model `Line`, an `Order` of them, and a dataclass `Address`."""
    made = types.ModuleType(name)
    namespace = {"__module__": name, "__annotations__": fields}
    made.Line = type("Line", (BaseModel,), dict(namespace))  # type: ignore[attr-defined]
    order = {"__module__": name, "__annotations__": {"lines": list[made.Line]}}
    made.Order = type("Order", (BaseModel,), order)  # type: ignore[attr-defined]
    return made


SHOP = module("shop.models", article=int)
STOCK = module("stock.models", weight=float)


def subscribe(broker: NatsBroker, subject: str, annotation: Any) -> None:
    async def handle(body: Any) -> None: ...

    handle.__annotations__["body"] = annotation
    handle.__name__ = f"handle_{subject}"
    broker.subscriber(subject)(handle)


@pytest.mark.parametrize("version", VERSIONS)
async def test_models_of_one_name_have_names_of_their_own(version: str) -> None:
    broker = NatsBroker()
    for subject, annotation in {
        "a": SHOP.Order,
        "b": STOCK.Order,
        "c": list[SHOP.Order],
        "d": dict[str, STOCK.Line],
        "e": SHOP.Line | None,
    }.items():
        subscribe(broker, subject, annotation)
    broker.publisher("f", schema=STOCK.Order)

    document = await document_of(broker, version=version)

    schemas = document["components"]["schemas"]
    assert {name for name in schemas if ":" not in name} == {
        f"{name}.models.{model}" for name in ("shop", "stock") for model in ("Order", "Line")
    }
    assert "article" in str(payload_of(document, "a:HandleA"))
    assert "weight" in str(payload_of(document, "b:HandleB"))
    assert "article" in str(payload_of(document, "c:HandleC"))
    assert "weight" in str(payload_of(document, "d:HandleD"))
    assert "article" in str(payload_of(document, "e:HandleE"))
    assert "weight" in str(payload_of(document, "f:Publisher"))


async def test_model_that_is_alone_keeps_its_short_name() -> None:
    broker = NatsBroker()
    subscribe(broker, "a", SHOP.Order)
    subscribe(broker, "b", list[SHOP.Order])

    schemas = (await document_of(broker))["components"]["schemas"]

    assert schemas.keys() == {"Order", "Line", "HandleB:Message:Payload"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_handlers_of_one_name_have_payloads_of_their_own(version: str) -> None:
    broker = NatsBroker()

    def add(subject: str, annotation: Any) -> None:
        async def handle(body: Any) -> None: ...

        handle.__annotations__["body"] = annotation
        broker.subscriber(subject)(handle)

    add("a", int)
    add("b", str)
    add("c", int)

    document = await document_of(broker, version=version)

    assert payload_of(document, "a:Handle")["type"] == "integer"
    assert payload_of(document, "b:Handle")["type"] == "string"
    assert payload_of(document, "c:Handle")["type"] == "integer"


def shop_of_namesakes() -> tuple[NatsBroker, RedisBroker]:
    """Handlers and titles of one name at one address: on one broker, and on two."""
    nats, redis = NatsBroker(), RedisBroker()
    letters = iter("abcd")
    for broker in (nats, redis):
        for _ in range(2):

            async def handle(letter: Any) -> None: ...

            handle.__annotations__["letter"] = Literal[next(letters)]
            broker.subscriber("orders")(handle)

    for answer in (int, str, int):

        async def make(number: int) -> Any: ...

        make.__annotations__["return"] = answer
        nats.subscriber(f"made.of.{answer.__name__}", title="Made")(nats.publisher("out")(make))
    return nats, redis


@pytest.mark.parametrize("version", VERSIONS)
async def test_channels_of_one_name_are_all_in_the_document(version: str) -> None:
    document = await document_of(*shop_of_namesakes(), version=version)

    payloads = {name: payload_of(document, name) for name in document["channels"]}
    assert {
        name: payload.get("const") or payload["type"]
        for name, payload in payloads.items()
        if not name.startswith("Made")
    } == {
        "orders:Handle": "a",
        "orders:Handle-2": "b",
        "orders:Handle-3": "c",
        "orders:Handle-4": "d",
        # Two publishers that publish the same are one channel.
        "out:Publisher": "integer",
        "out:Publisher-2": "string",
    }
    assert {"Made", "Made-2", "Made-3"} < document["channels"].keys()
    if version == "3.0.0":
        channels = [each["channel"]["$ref"] for each in document["operations"].values()]
        assert len(set(channels)) == len(document["channels"]) == len(channels)


async def test_forms_and_status_find_channels_of_one_name() -> None:
    nats, redis = shop_of_namesakes()
    runs = DryRun((nats, redis))
    document = await document_of(nats, redis)

    for channel in (name for name in document["channels"] if "Handle" in name):
        for letter in "abcd":
            report = await runs.run(channel, letter)
            accepted = report.error is None
            assert accepted is (payload_of(document, channel)["const"] == letter)

    async with TestNatsBroker(nats), TestRedisBroker(redis):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(Status(AsyncAPI(nats, redis))))
        status = (await client.get("http://testserver/")).json()
    received = {
        name for name, each in document["operations"].items() if each["action"] == "receive"
    }
    assert status["operations"].keys() == received


async def test_every_worker_gives_the_same_names() -> None:
    def models(number: int) -> Any:
        class Order(BaseModel):
            id: Annotated[int, Field(ge=number)]

        return Order

    made = [models(number) for number in range(6)]
    documents = []
    for order in (made, made[::-1]):
        broker = NatsBroker()
        for model in order:
            subscribe(broker, f"s{made.index(model)}", model)
        documents.append(await document_of(broker))

    assert documents[0] == documents[1]
    minima = [
        payload_of(documents[0], f"s{number}:HandleS{number}")["properties"]["id"]["minimum"]
        for number in range(6)
    ]
    assert minima == list(range(6))


class Thing(msgspec.Struct):
    id: int


@pytest.mark.parametrize("version", VERSIONS)
async def test_message_that_cannot_be_described_has_a_note(
    version: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("faststream"), "propagate", True)
    odd = NatsBroker(serializer=MsgSpecSerializer())
    broker = NatsBroker()
    subscribe(odd, "odd", Thing)
    odd.publisher("also-odd", schema=Thing)
    subscribe(broker, "good", SHOP.Order)

    document = await document_of(odd, broker, version=version)

    for channel in ("odd:HandleOdd", "also-odd:Publisher"):
        assert "not described" in payload_of(document, channel)["description"]
    assert "lines" in payload_of(document, "good:HandleGood")["properties"]
    assert "no schema for handle_odd: " in caplog.text
    assert "no schema for also-odd:Publisher: " in caplog.text
    assert "Thing" not in json.dumps(document)


async def test_publishers_add_no_channel_in_memory() -> None:
    broker = NatsBroker()

    @broker.subscriber("orders")
    @broker.publisher("invoices")
    async def order(body: int) -> int:
        return body

    before = await document_of(broker)
    async with TestNatsBroker(broker):
        during = await document_of(broker)

    assert during == before


# What the schema accepts, the handler accepts.


class Colour(str, enum.Enum):
    RED = "red"


@dataclass
class Zebra:
    """Its name comes after that of what is inside: FastStream takes the first."""

    address: SHOP.Line
    colour: Colour


class Shape(TypedDict):
    kind: Literal["round"]
    zebra: Zebra


class Leaf(BaseModel):
    kind: Literal["leaf"]


class Node(BaseModel):
    kind: Literal["node"]
    children: "list[Annotated[Node | Leaf, Field(discriminator='kind')]]" = []


def number() -> int:
    return 1


def dependency(extra: int) -> int:
    return extra


ACCEPTED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "model": ({"body": SHOP.Order}, {"lines": [{"article": 1}]}, {"lines": 1}),
    "dataclass": ({"body": Zebra}, {"address": {"article": 1}, "colour": "red"}, {"article": 1}),
    "typed dict": (
        {"body": Shape},
        {"kind": "round", "zebra": {"address": {"article": 1}, "colour": "red"}},
        {"kind": "square"},
    ),
    "enum": ({"body": Colour}, "red", "blue"),
    "annotated": ({"body": Annotated[SHOP.Order, Field(description="d")]}, {"lines": []}, {}),
    "optional": ({"body": SHOP.Order | None}, {"lines": []}, 3),
    "list": ({"body": list[SHOP.Line]}, [{"article": 1}], [{}]),
    "recursive": ({"body": Node}, {"kind": "node", "children": [{"kind": "leaf"}]}, {"kind": "x"}),
    "union": ({"body": int | list[str]}, ["a"], "x"),
    "date": ({"body": datetime}, "2026-01-01T00:00:00Z", "never"),
    "two": ({"first": int, "second": UUID}, {"first": 1, "second": str(UUID(int=1))}, {"first": 1}),
    "context": ({"body": int, "log": Annotated[Any, Context("logger")]}, 5, "x"),
    "dependency": ({"body": int, "d": Annotated[int, Depends(number)]}, 5, "x"),
    "field of a dependency": (
        {"body": int, "d": Annotated[int, Depends(dependency)]},
        {"body": 1, "extra": 2},
        {"body": 1, "extra": "x"},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_schema_is_what_the_handler_accepts(name: str) -> None:
    annotations, good, bad = ACCEPTED[name]
    broker = NatsBroker(logger=None)

    namespace: dict[str, Any] = {}
    exec(f"async def handle({', '.join(annotations)}): return 'handled'", namespace)
    handle = namespace["handle"]
    handle.__annotations__ = annotations
    handle.__module__ = __name__
    broker.subscriber("orders")(handle)
    document = await document_of(broker)
    # References go on as they are where the models are recursive.
    schema = {**payload_of(document, "orders:Handle"), "components": document["components"]}
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    reports = [await DryRun([broker]).run("orders", payload) for payload in (good, bad)]

    assert [report.result for report in reports] == ["handled", None]
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
