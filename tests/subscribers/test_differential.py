"""A subscriber does under this package what it does under FastStream."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from fast_depends.msgspec import MsgSpecSerializer
from fast_depends.pydantic import PydanticSerializer
from faststream import Depends
from faststream.nats import NatsBroker, TestNatsBroker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nats.aio.msg import Msg

from faststream_integrations._faststream import EMPTY
from faststream_integrations.subscribers import adopt
from faststream_integrations.subscribers.signature import read_subscriber
from tests.subscribers import signatures
from tests.subscribers.compiled import is_compiled
from tests.subscribers.signatures import BODIES, CALLS, LEFT_TO_FASTSTREAM, SIGNATURES

BY_POSITION = "a parameter that is passed by position only works"
OWNED = "no value of a message fills what a dependency or the context owns"
SEEN = "the body is not lost to a parameter of the context"

READABLE = {*BODIES} - {"not-json"}

ON_PURPOSE: dict[str, tuple[str, set[str]]] = {
    "missing": ("a context value that is missing is named", READABLE),
    "missing_twice": ("a context value that is missing is named", READABLE),
    "generator_swallows": ("the subscriber is named", READABLE),
    "by_position": (BY_POSITION, {"bytes", "both", "list"}),
    "one_by_position": (BY_POSITION, {"number", "numeral", "true"}),
    "everything": (OWNED, {"dotted"}),
    "owned_by_a_dependency": (OWNED, {"both", "half"}),
    "owned_deep_down": (OWNED, {"both"}),
    "owned_with_a_default": (OWNED, {"both"}),
    "payload_beside_context": (SEEN, READABLE),
    "payload_behind_context": (SEEN, {"list", "orders", "texts", "text", "bytes", "dotted"}),
}
"""Where the two differ by design: why, and for which bodies."""


async def outcomes(
    function: Callable[..., Any],
    before: Sequence[Callable[..., Any]],
    *,
    ours: bool,
    bodies: Mapping[str, bytes] = BODIES,
    serializer: Any = EMPTY,
) -> dict[str, Any]:
    """Tell for each body what a subscriber returns or raises, and what it calls."""
    options = {} if serializer is EMPTY else {"serializer": serializer}
    broker = NatsBroker(logger=None, **options)
    context = {"price": 3, "nested": {"deep": [1], "item": "i"}, "numeral": "7", "words": "words"}
    for key, value in context.items():
        broker.context.set_global(key, value)
    subscriber = broker.subscriber("orders.{name}", dependencies=[Depends(f) for f in before])
    subscriber(function)
    if ours:
        adopt([broker])
    found = {}
    async with TestNatsBroker(broker):
        assert is_compiled(subscriber) is (ours and function not in LEFT_TO_FASTSTREAM)
        for name, body in bodies.items():
            CALLS.clear()
            headers = {"x-number": "12", "trace": "abc", "price": "99"}
            if name not in ("bytes", "nothing"):
                headers["content-type"] = "application/json"
            message = Msg(_client=None, subject="orders.7", data=body, headers=headers)
            found[name] = (await _outcome(subscriber, message), list(CALLS))
    return found


async def _outcome(subscriber: Any, message: Msg) -> Any:
    try:
        response = await subscriber.process_message(message)
    except Exception as error:
        return type(error).__name__, _errors_of(error)
    return type(response.body).__name__, repr(response.body)


def _errors_of(error: Any) -> Any:
    if hasattr(error, "errors"):
        return sorted((each["loc"], each["type"]) for each in error.errors())
    return str(error) if type(error) is ValueError else None


@pytest.mark.parametrize("name", SIGNATURES)
async def test_signature(name):
    function, before = SIGNATURES[name]

    theirs = await outcomes(function, before, ours=False)
    ours = await outcomes(function, before, ours=True)

    _, expected = ON_PURPOSE.get(name, ("", set()))
    differing = {body: (theirs[body], ours[body]) for body in BODIES if theirs[body] != ours[body]}
    assert {body: both for body, both in differing.items() if body not in expected} == {}
    assert set(differing) == expected


async def test_there_are_enough_of_them():
    """And they run: a table of equal failures would prove nothing."""
    assert len(SIGNATURES) >= 44
    assert len(BODIES) >= 10
    succeed = 0
    for function, before in SIGNATURES.values():
        found = await outcomes(function, before, ours=True)
        succeed += any(isinstance(result[1], str) for result, _ in found.values())
    assert succeed > 0.9 * len(SIGNATURES)


# Signatures that nobody thought of

PARAMETERS = {
    "payload": ("{n}: int", "{n}: Any", "{n}: str | None", "{n}: Order", "{n}: list[int]"),
    "optional": ("{n}: int = 3", "{n}: Any = None", "{n}: list[Any] = []"),
    "context": (
        '{n}: Annotated[int, Context("price")]',
        '{n}: Annotated[int, Context("numeral", cast=True)]',
        '{n}: Annotated[int, Context("absent", default="x")]',
        '{n}: Annotated[Any, Header("trace")]',
        '{n}: Annotated[int, Header("x-number")]',
        '{n}: Annotated[int, Path("name")]',
    ),
    "dependency": (
        "{n}: Annotated[int, Depends(a_dependency)]",
        "{n}: Annotated[Any, Depends(in_thread)]",
        "{n}: Annotated[Any, Depends(generator)]",
        "{n}: Annotated[Any, Depends(nested)]",
        "{n}: Annotated[list[int], Depends(a_dependency)]",
    ),
    "reading dependency": (
        "{n}: Annotated[int, Depends(with_payload)]",
        "{n}: Annotated[Any, Depends(with_default)]",
        "{n}: Annotated[Any, Depends(three)]",
    ),
}


@st.composite
def functions(draw: Any) -> tuple[Callable[..., Any], frozenset[str]]:
    """A function with parameters of all kinds, and the kinds that it has."""
    kinds = draw(st.lists(st.sampled_from(list(PARAMETERS)), max_size=5))
    names = draw(st.permutations(["a", "b", "c", "x", "y"]))
    owned = iter(["d1", "d2", "d3", "d4", "d5"])  # a body has no such keys
    parameters = []
    for kind, name in zip(kinds, names, strict=False):
        name_of_it = name if kind in ("payload", "optional") else next(owned)
        parameters.append(draw(st.sampled_from(PARAMETERS[kind])).format(n=name_of_it))
    parameters.sort(key=lambda parameter: "] = " in parameter or " = " in parameter)
    if parameters and draw(st.booleans()):
        parameters.insert(draw(st.integers(0, len(parameters) - 1)), "*")
        kinds.append("by keyword")
    returns = draw(st.sampled_from(["", " -> Any", " -> str"]))
    source = f"async def f({', '.join(parameters)}){returns}: return repr(sorted(locals().items()))"
    namespace = dict(vars(signatures))
    exec(source, namespace)
    return namespace["f"], frozenset(kinds)


PARTS = st.one_of(
    st.integers(-2, 9), st.text("17a", max_size=2), st.none(), st.just({"id": 1}), st.just([1])
)
DOCUMENTS = st.one_of(
    PARTS,
    st.lists(PARTS, max_size=5),
    st.dictionaries(st.sampled_from(["a", "b", "c", "x", "y", "z"]), PARTS, max_size=6),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(functions(), st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_any_signature(anyio_backend, drawn, documents):
    function, kinds = drawn
    if "context" in kinds and kinds & {"reading dependency", "by keyword"}:
        # FastStream gives a part of the body that has no name to the context's parameter.
        if len(read_subscriber(function).body_values) < 2:
            return
        documents = [document for document in documents if isinstance(document, dict)]
    bodies = {str(i): json.dumps(document).encode() for i, document in enumerate(documents)}

    async def compare() -> None:
        theirs = await outcomes(function, (), ours=False, bodies=bodies)
        assert await outcomes(function, (), ours=True, bodies=bodies) == theirs

    asyncio.run(compare())


WITH_ANY_SERIALIZER = [
    *("nothing", "number", "optional", "with_a_default", "mapping", "sequence", "several"),
    *("several_with_defaults", "by_keyword", "synchronous", "cast_result", "context", "header"),
    *("missing_with_a_default", "header_default", "depends", "depends_on_payload"),
    *("depends_on_generators", "everything", "before_with_payload"),
]


@pytest.mark.parametrize(
    "serializer",
    [
        None,
        MsgSpecSerializer(),
        PydanticSerializer({"str_strip_whitespace": True}),
        PydanticSerializer(use_fastdepends_errors=True),
    ],
    ids=["none", "msgspec", "configured", "fast_depends"],
)
@pytest.mark.parametrize("name", WITH_ANY_SERIALIZER)
async def test_serializer(name, serializer):
    function, before = SIGNATURES[name]
    bodies = {name: body for name, body in BODIES.items() if name != "dotted"}

    theirs = await outcomes(function, before, ours=False, serializer=serializer, bodies=bodies)
    ours = await outcomes(function, before, ours=True, serializer=serializer, bodies=bodies)

    assert ours == theirs


@pytest.fixture(autouse=True)
def quiet():
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
