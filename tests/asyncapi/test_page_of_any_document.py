"""Documents of any size and shape: what is made of their schemas is bounded, and fits them."""

import json
import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Network
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import pytest
from annotated_types import Len, MultipleOf
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from playwright.sync_api import Page, expect
from pydantic import (
    AnyUrl,
    Base64Bytes,
    BaseModel,
    Field,
    StringConstraints,
    TypeAdapter,
    create_model,
)

from faststream_integrations.asyncapi import make_asyncapi_asgi
from tests.asyncapi.browsing import Document, Watched, open_all, operation, serving

# --- Payloads that their schema accepts ------------------------------------------------------


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    value: int = Field(gt=0)
    children: list["Node"]
    parent: "Node | None" = None


class Leaf(BaseModel):
    kind: Literal["leaf"]
    value: float


class Branch(BaseModel):
    kind: Literal["branch"]
    left: "Annotated[Leaf | Branch, Field(discriminator='kind')]"
    right: "Annotated[Leaf | Branch, Field(discriminator='kind')]"


class Numbers(BaseModel):
    positive: Annotated[int, Field(gt=0)]
    negative: Annotated[int, Field(lt=0)]
    between: Annotated[float, Field(gt=0.1, lt=0.2)]
    tens: Annotated[int, Field(ge=15, multiple_of=10)]
    steps: Annotated[float, MultipleOf(0.25), Field(gt=3)]
    large: Annotated[int, Field(ge=9_007_199_254_740_993)]
    larger: Annotated[int, Field(gt=9_007_199_254_740_993, le=2**63 - 1)]
    price: Annotated[Decimal, Field(max_digits=6, decimal_places=2, gt=0)]


class Texts(BaseModel):
    short: Annotated[str, Field(max_length=3)]
    long: Annotated[str, Field(min_length=50)]
    exact: Annotated[str, Field(min_length=12, max_length=12)]
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}-\d{4}$")]
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", min_length=8)]
    either: Annotated[str, StringConstraints(pattern=r"^(?:EUR|USD) \d+\.\d{2}$")]
    not_digit: Annotated[str, StringConstraints(pattern=r"^[^\d\s]{2,4}$")]
    uuid: UUID
    moment: datetime
    day: date
    hour: time
    span: timedelta
    url: AnyUrl
    address: IPv4Address
    network: IPv6Network
    encoded: Base64Bytes


class Lists(BaseModel):
    three: Annotated[list[int], Len(3, 5)]
    unique: Annotated[set[str], Len(3)]
    colors: Annotated[set[Color], Len(2)]
    flags: frozenset[bool]
    pair: tuple[int, str]
    tail: tuple[int, ...]
    nested: list[list[Literal["a"]]]
    counts: Annotated[dict[str, int], Len(2)]
    by_color: dict[Color, Node]
    empty: Annotated[list[int], Len(0, 0)]


class Choices(BaseModel):
    anything: Any
    nothing: None
    color: Color
    constant: Literal[3]
    optional: int | None
    either: Annotated[int, Field(gt=10)] | Annotated[str, Field(min_length=20)]
    tree: Annotated[Leaf | Branch, Field(discriminator="kind")]
    default: int = 7
    wrong_default: int = Field(default="text", gt=100)
    example: int = Field(examples=["wrong", 12], gt=10)


class Strict(BaseModel, extra="forbid"):
    at: Literal["x"] = "x"


MODELS: dict[str, Any] = {
    "Node": Node,
    "Branch": Branch,
    "Numbers": Numbers,
    "Texts": Texts,
    "Lists": Lists,
    "Choices": Choices,
    "Strict": Strict,
    "list of nodes": list[Node],
    "union": Node | Leaf | None,
    "map": dict[str, list[Branch]],
    "text": str,
    "bool": bool,
}

SCHEMAS: dict[str, Any] = {
    "nothing said": {},
    "anything": True,
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string", "minLength": 9}}, "required": ["b"]},
        ]
    },
    "one of overlapping": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    "not": {"type": "integer", "not": {"const": 1}, "maximum": 0},
    "older tuple": {
        "type": "array",
        "items": [{"type": "integer"}, {"type": "string"}],
        "minItems": 2,
        "$schema": "http://json-schema.org/draft-07/schema#",
    },
    "contains": {"type": "array", "contains": {"const": 5}, "minItems": 1},
    "names": {
        "type": "object",
        "patternProperties": {r"^x-\d+$": {"type": "boolean"}},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "enumerated names": {
        "type": "object",
        "propertyNames": {"enum": ["one", "two"]},
        "additionalProperties": {"type": "integer"},
        "minProperties": 2,
    },
    "required, not described": {"type": "object", "required": ["a", "b"]},
    "several types": {"type": ["null", "string"], "format": "date-time"},
    "unknown format": {"type": "string", "format": "klingon"},
    "no type": {"properties": {"a": {"minimum": 3}}, "required": ["a"]},
    "condition": {
        "type": "object",
        "properties": {"kind": {"const": "a"}, "size": {"type": "integer"}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["size"]},
    },
    "base with choice": {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "anyOf": [{"required": ["a"], "properties": {"a": {"type": "null"}}}, {"required": ["b"]}],
    },
}


def random_schema(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """A schema as a model could have it, with references to the ones around it."""
    kinds = ["integer", "number", "string", "boolean", "null", "enum"]
    if depth < 4:
        kinds += ["object", "object", "array", "anyOf", "map"]
    kind = chance.choice(kinds)
    low = chance.randint(-50, 50)
    if kind == "integer":
        return {"type": kind, "minimum": low, "exclusiveMaximum": low + chance.randint(1, 5)}
    if kind == "number":
        return {"type": kind, "exclusiveMinimum": low / 7, "maximum": low / 7 + chance.random()}
    if kind == "string":
        least = chance.randint(0, 30)
        return {"type": kind, "minLength": least, "maxLength": least + chance.randint(0, 9)}
    if kind == "enum":
        return {"enum": chance.sample([1, "a", None, False, [1], {"b": 2.5}], 3)}
    if kind == "array":
        least = chance.randint(0, 3)
        items = random_schema(chance, depth + 1)
        return {"type": kind, "items": items, "minItems": least, "maxItems": least + 2}
    if kind == "map":
        return {"type": "object", "additionalProperties": random_schema(chance, depth + 1)}
    if kind == "anyOf":
        return {kind: [random_schema(chance, depth + 1) for _ in range(chance.randint(1, 3))]}
    if kind == "object":
        names = chance.sample("abcdefgh", chance.randint(0, 6))
        return {
            "type": kind,
            "properties": {name: random_schema(chance, depth + 1) for name in names},
            "required": names[: chance.randint(0, len(names))],
            "additionalProperties": chance.random() < 0.5,
        }
    return {"type": kind}


def schema_of(annotation: Any) -> dict[str, Any]:
    return TypeAdapter(annotation).json_schema(ref_template="#/components/schemas/{model}")


def document_of(schemas: dict[str, Any]) -> Document:
    """A document with an operation for each schema."""
    components: dict[str, Any] = {}
    channels, operations = {}, {}
    for name, schema in schemas.items():
        payload = schema
        if isinstance(schema, dict):
            components.update(schema.get("$defs", {}))
            payload = {key: value for key, value in schema.items() if key != "$defs"}
        channels[name] = {"address": name, "messages": {"m": {"payload": payload}}}
        channel = name.replace("/", "~1")
        operations[name] = {"action": "receive", "channel": {"$ref": f"#/channels/{channel}"}}
    return Document(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "Schemas", "version": "1"},
            "channels": channels,
            "operations": operations,
            "components": {"schemas": components},
        }
    )


def payloads(page: Page) -> dict[str, str]:
    """What the forms of all operations hold, by the operation."""
    open_all(page, "Try it out")
    pairs: list[list[str]] = page.locator(".operation").evaluate_all(
        "all => all.map(one => [one.id, one.querySelector('.try-payload').value])"
    )
    return {anchor.removeprefix("operation-receive-"): payload for anchor, payload in pairs}


def test_each_form_holds_a_payload_that_its_schema_accepts(watched: Watched) -> None:
    chance = random.Random(12)
    schemas = SCHEMAS | {f"random {number}": random_schema(chance) for number in range(150)}
    docs = make_asyncapi_asgi(document_of(schemas), try_it_out_url="/try")  # type: ignore[arg-type]
    with serving(docs) as url:
        made = payloads(watched.open(url))
    assert made.keys() == schemas.keys()
    wrong = {
        name: (schemas[name], payload)
        for name, payload in made.items()
        if not jsonschema_rs.is_valid(schemas[name], json.loads(payload))
    }
    assert wrong == {}
    watched.assert_quiet()


def test_each_form_holds_a_payload_that_its_model_accepts(watched: Watched) -> None:
    schemas = {name: schema_of(model) for name, model in MODELS.items()}
    docs = make_asyncapi_asgi(document_of(schemas), try_it_out_url="/try")  # type: ignore[arg-type]
    with serving(docs) as url:
        made = payloads(watched.open(url))
    assert made.keys() == MODELS.keys()
    for name, payload in made.items():
        TypeAdapter(MODELS[name]).validate_json(payload)
    watched.assert_quiet()


def test_payload_of_a_handler_is_taken_by_that_handler(watched: Watched) -> None:
    broker = NatsBroker(logger=None)

    @broker.subscriber("numbers")
    async def numbers(body: Numbers) -> None: ...

    @broker.subscriber("texts")
    async def texts(body: Texts) -> None: ...

    @broker.subscriber("several")
    async def several(node: Node, count: int, choice: Branch | None = None) -> None: ...

    with serving(make_asyncapi_asgi(AsyncAPI(broker))) as url:
        page = watched.open(url)
        open_all(page, "Try it out")
        open_all(page, "Send as dry run")
        for address in ("numbers", "texts", "several"):
            form = operation(page, address)
            form.get_by_text("The handler succeeded and returned nothing.").last.wait_for()
        watched.assert_quiet()


def test_payload_that_would_have_to_be_huge_is_not_made(watched: Watched) -> None:
    schemas: dict[str, Any] = {f"M{n}": two_of(f"M{n + 1}") for n in range(30)}
    schemas["M30"] = {"type": "integer"}
    endless = {"type": "object", "required": ["it"], "properties": {"it": "self"}}
    endless["properties"] = {"it": {"$ref": "#/components/schemas/Endless"}}
    loop = {"anyOf": [{"$ref": "#/components/schemas/Loop"}]}
    document = document_of(
        {
            "doubling": {"$ref": "#/components/schemas/M0", "$defs": schemas},
            "endless": {"$ref": "#/components/schemas/Endless", "$defs": {"Endless": endless}},
            "loop": {"$ref": "#/components/schemas/Loop", "$defs": {"Loop": loop}},
            "many": {"type": "array", "minItems": 10**9, "items": {"type": "integer"}},
        }
    )
    docs = make_asyncapi_asgi(document, try_it_out_url="/try")  # type: ignore[arg-type]
    with serving(docs) as url:
        page = watched.open(url)
        assert set(payloads(page).values()) == {"null"}
        for each in page.locator(".operation").all():
            assert "too large to be made" in (each.locator(".examples-note").text_content() or "")
        watched.assert_quiet()


def two_of(name: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {
        "type": "object",
        "properties": {"a": reference, "b": reference},
        "required": ["a", "b"],
    }


# --- Models that refer to each other ---------------------------------------------------------


def models_that_refer_to_each_other(count: int, lists: int = 1) -> list[type[BaseModel]]:
    names = [f"Model{number}" for number in range(count)]
    fields = {
        f"to_{name}_{number}".lower(): (f"list[{name}]", ...)
        for name in names
        for number in range(lists)
    }
    namespace: dict[str, Any] = {}
    for name in names:
        namespace[name] = create_model(name, id=(int, ...), **fields)  # type: ignore[call-overload]
    for name in names:
        namespace[name].model_rebuild(_types_namespace=namespace)
    return [namespace[name] for name in names]


@pytest.mark.parametrize(("count", "lists"), [(8, 1), (10, 4)])
def test_models_that_refer_to_each_other_are_shown_and_cut(
    count: int, lists: int, watched: Watched
) -> None:
    broker = NatsBroker(logger=None)
    for number, model in enumerate(models_that_refer_to_each_other(count, lists)):

        @broker.subscriber(f"models.{number}")
        async def handle(body: model) -> None: ...  # type: ignore[valid-type]

    with serving(make_asyncapi_asgi(AsyncAPI(broker))) as url:
        page = watched.open(url)
        assert page.locator(".operation").count() == count
        assert page.evaluate("document.querySelectorAll('*').length") < 15_000
        first = page.locator(".operation").first
        assert "and cut" in (first.locator(".examples-note").text_content() or "")
        schema = page.locator("#schemas .schema").first
        schema.get_by_role("button", name="Expand all").click()
        schema.get_by_text("Cut: this schema is larger").wait_for()
        assert schema.locator(".field-head").count() < 200
        watched.assert_quiet()


def test_recursive_schema_is_opened_step_by_step(watched: Watched) -> None:
    document = document_of({"tree": schema_of(Branch)})
    with serving(make_asyncapi_asgi(document)) as url:  # type: ignore[arg-type]
        page = watched.open(url)
        schema = page.locator(".operation .schema").first
        fold = schema.get_by_role("button", name="left")
        assert fold.get_attribute("aria-expanded") == "false"
        fold.click()
        assert schema.get_by_text("circular: as above").count() == 1
        watched.assert_quiet()


def test_many_channels_are_all_there(watched: Watched) -> None:
    broker = NatsBroker(logger=None)
    for number in range(300):

        @broker.subscriber(f"channel.{number}", title=f"channel-{number}")
        async def handle(order: Leaf) -> None:
            """Handles one of many."""

    with serving(make_asyncapi_asgi(AsyncAPI(broker))) as url:
        page = watched.open(url)
        assert page.locator(".operation").count() == 300
        assert page.locator(".try-toggle").count() == 300
        watched.assert_quiet()


def test_long_example_is_shown_in_part_at_first(watched: Watched) -> None:
    schema = {"type": "array", "examples": [[f"item {number}" for number in range(3000)]]}
    with serving(make_asyncapi_asgi(document_of({"long": schema}))) as url:  # type: ignore[arg-type]
        page = watched.open(url)
        shown = page.locator(".examples pre")
        assert "item 2999" not in (shown.text_content() or "")
        page.get_by_role("button", name="Show all").click()
        expect(shown).to_contain_text("item 2999")
        watched.assert_quiet()


def test_numbers_of_the_document_are_shown_as_they_are_written(watched: Watched) -> None:
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "maximum": 9223372036854775807, "default": 9007199254740993},
            "rate": {"type": "number", "default": 1.0},
        },
    }
    with serving(make_asyncapi_asgi(document_of({"numbers": schema}))) as url:  # type: ignore[arg-type]
        page = watched.open(url)
        text = page.locator(".operation").text_content() or ""
        for shown in ("≤ 9223372036854775807", '"id": 9007199254740993', '"rate": 1.0'):
            assert shown in text
        watched.assert_quiet()
