"""Functions of subscribers, in all shapes that FastStream knows, and the messages that they get.

Each is run by FastStream itself and by this package; `CALLS` has what ran, in order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Annotated, Any, Literal, Optional, Union

from faststream import Context, Depends, Header, Logger, Path
from faststream.annotations import ContextRepo
from faststream.exceptions import NackMessage
from faststream.nats.annotations import NatsBroker, NatsMessage
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

CALLS: list[Any] = []

Function = Callable[..., Any]

LEFT_TO_FASTSTREAM: list[Function] = []
"""What the compiler does not understand."""

SIGNATURES: dict[str, tuple[Function, tuple[Function, ...]]] = {}
"""The functions by their names, with what runs before each of them."""

BODIES: dict[str, bytes] = {
    "number": b"1",
    "text": b'"hi"',
    "numeral": b'"7"',
    "true": b"true",
    "null": b"null",
    "nothing": b"",
    "not-json": b"{no json",
    "bytes": b"\x00\xff",
    "object": b'{"id": 1, "name": "tea"}',
    "wrong": b'{"id": "x", "name": []}',
    "empty": b"{}",
    "both": b'{"a": 1, "b": "2", "order": {"id": 1}, "extra": null}',
    "half": b'{"a": "x"}',
    "dotted": b'{"key": {"id": 1}, "args": [1], "kwargs": {"a": 1}, "context__": 3}',
    "list": b"[1, 2]",
    "texts": b'["x", "y", "z"]',
    "orders": b'[{"id": 1}, {"id": 2}]',
}


def signature(*dependencies: Function, name: str = "") -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        SIGNATURES[name or function.__name__] = (function, dependencies)
        return function

    return add


def left(function: Function) -> Function:
    LEFT_TO_FASTSTREAM.append(function)
    return function


class Order(BaseModel):
    id: int
    name: str = "coffee"


@dataclass
class Point:
    id: int


class Typed(TypedDict):
    id: int


# Dependencies


async def a_dependency() -> int:
    CALLS.append("a_dependency")
    return 5


def in_thread() -> str:
    CALLS.append("in_thread")
    return "6"


async def with_payload(a: int) -> int:
    CALLS.append(("with_payload", a))
    return a + 1


async def with_default(a: int = 3) -> int:
    CALLS.append(("with_default", a))
    return a


async def with_header(x_number: Annotated[int, Header("x-number")]) -> int:
    CALLS.append(("with_header", x_number))
    return x_number


async def nested(
    first: Annotated[int, Depends(a_dependency)], second: int = Depends(a_dependency)
) -> tuple[int, int]:
    CALLS.append(("nested", first, second))
    return first, second


async def returns_text() -> int:
    CALLS.append("returns_text")
    return "8"  # type: ignore[return-value]


async def fails() -> int:
    CALLS.append("fails")
    raise ValueError("it failed")


async def refuses() -> int:
    CALLS.append("refuses")
    raise NackMessage


async def generator() -> Any:
    CALLS.append("open")
    try:
        yield 1
    except BaseException as error:
        CALLS.append(type(error).__name__)
        raise
    finally:
        CALLS.append("close")


async def outer_generator(inner: Annotated[int, Depends(generator)]) -> Any:
    CALLS.append("open outer")
    yield inner + 1
    CALLS.append("close outer")


def generator_in_thread() -> Any:
    CALLS.append("open in thread")
    yield 2
    CALLS.append("close in thread")


async def fails_at_close() -> Any:
    yield 1
    CALLS.append("fails at close")
    raise OSError("commit")


async def swallows() -> Any:
    with contextlib.suppress(ValueError):
        yield 1


class Made:
    def __init__(self, a: int = 1) -> None:
        CALLS.append(("Made", a))
        self.a = a

    def __repr__(self) -> str:
        return f"Made({self.a})"


class Instance:
    async def __call__(self) -> str:
        CALLS.append("Instance")
        return "instance"

    async def method(self) -> str:
        CALLS.append("method")
        return "method"


# The body


@signature()
async def nothing() -> str:
    return "ran"


@signature()
async def untyped(body):  # type: ignore[no-untyped-def]
    return body


@signature()
async def anything(body: Any) -> Any:
    return body


@signature()
async def number(body: int) -> int:
    return body


@signature()
async def text(body: str) -> str:
    return body


@signature()
async def raw(body: bytes) -> bytes:
    return body


@signature()
async def optional(body: Optional[int]) -> Any:  # noqa: UP045
    return body


@signature()
async def union(body: Union[int, Order, None]) -> Any:  # noqa: UP007
    return repr(body)


@signature()
async def with_a_default(body: int = 4) -> int:
    return body


@signature()
async def model(order: Order) -> str:
    return repr(order)


@signature()
async def optional_model(order: Order | None = None) -> str:
    return repr(order)


@signature()
async def a_dataclass(point: Point) -> str:
    return repr(point)


@signature()
async def typed(point: Typed) -> str:
    return repr(point)


@signature()
async def mapping(body: dict[str, Any]) -> str:
    return repr(body)


@signature()
async def sequence(body: list[int]) -> str:
    return repr(body)


@signature()
async def orders(body: list[Order]) -> str:
    return repr(body)


@signature()
async def literal(body: Literal["hi", 1]) -> Any:
    return body


@signature()
async def constrained(body: Annotated[int, Field(gt=3)]) -> int:
    return body


@signature()
async def field_default(body: int = Field(default=9, gt=3)) -> int:
    return body


@signature()
async def alias(body: Annotated[int, Field(alias="a")]) -> int:
    return body


@signature()
async def aliases(
    first: Annotated[int, Field(alias="a")], second: Annotated[int, Field(alias="b")]
) -> Any:
    return first, second


@signature()
async def alias_default(body: int = Field(default=9, alias="a")) -> int:
    return body


@signature()
async def default_factory(a: Annotated[list[int], Field(default_factory=list)], b: int = 1) -> Any:
    return a, b


@signature()
async def several(a: int, b: int) -> Any:
    return a, b


@signature()
async def several_with_defaults(a: int, b: int = 7, c: str = "c") -> Any:
    return a, b, c


@signature()
async def by_keyword(a: int, *, b: int) -> Any:
    return a, b


@signature()
async def by_position(a: int, b: int, /) -> Any:
    return a, b


@signature()
async def one_by_position(body: int, /) -> Any:
    return body


@signature()
async def one_by_keyword(*, body: int) -> Any:
    return body


@signature()
async def underscore(_body: str) -> Any:
    return _body


@signature()
async def underscores(_a: str, b: Any) -> Any:
    return _a, b


@left
@signature()
async def arguments(*args: int) -> Any:
    return args


@left
@signature()
async def keywords(**kwargs: Any) -> Any:
    return sorted(kwargs)


@left
@signature()
async def all_arguments(a: int, *args: int, **kwargs: Any) -> Any:
    return a, args, sorted(kwargs)


@signature()
def synchronous(body: int) -> int:
    return body


@signature()
async def batch(messages: list[Order]) -> int:
    return len(messages)


# The result


@signature()
async def wrong_result(body: Any) -> int:
    return "x"  # type: ignore[return-value]


@signature()
async def cast_result(body: Any) -> int:
    return "8"  # type: ignore[return-value]


@signature()
async def result_for_nothing(body: Any) -> None:
    return 3  # type: ignore[return-value]


@signature()
async def unmarked_result(body: Any):  # type: ignore[no-untyped-def]
    return "8"


@signature()
async def raises(body: Any) -> None:
    CALLS.append("raises")
    raise ValueError("the handler's own")


# The context


@signature()
async def context(body: Any, price: Annotated[int, Context()]) -> Any:
    return price


@signature()
async def three_contexts(
    body: Any,
    price: Annotated[int, Context()],
    logger: Logger,
    message: NatsMessage,
) -> Any:
    return price, logger is None, message.correlation_id != ""


@signature()
async def context_default(body: Any, price: int = Context()) -> Any:
    return price


@signature()
async def renamed(body: Any, a: Annotated[int, Context("price")]) -> Any:
    return a


@signature()
async def dotted(body: Any, a: Annotated[int, Context("nested.deep.0")] = 3) -> Any:
    return a


@signature()
async def dotted_item(body: Any, a: Annotated[int, Context("nested.item")]) -> Any:
    return a


@signature()
async def missing(body: Any, absent: Annotated[int, Context()]) -> Any:
    return absent


@signature()
async def missing_twice(
    order: Order, absent: Annotated[int, Context()], gone: Annotated[int, Context("no.where")]
) -> Any:
    return order, absent, gone


@signature()
async def missing_with_a_default(
    body: int, absent: Annotated[int, Context()] = 3, second: int = Context(default=4)
) -> Any:
    return absent, second


@signature()
async def missing_with_none(body: int, absent: Annotated[int | None, Context()] = None) -> Any:
    return absent


@signature()
async def initial(body: Any, made: Annotated[list[int], Context("made", initial=list)]) -> Any:
    made.append(1)
    return len(made)


@signature()
async def cast(body: Any, a: Annotated[int, Context("numeral", cast=True)]) -> Any:
    return a


@signature()
async def not_cast(body: Any, a: Annotated[int, Context("numeral")]) -> Any:
    return a


@signature()
async def cast_fails(body: int, a: Annotated[int, Context("words", cast=True)]) -> Any:
    return a


@signature()
async def only_context(price: Annotated[int, Context()]) -> Any:
    return price


@signature()
async def repository(body: Any, repo: ContextRepo, broker: NatsBroker) -> Any:
    return repo.get("price"), type(broker).__name__


@signature()
async def a_broker(body: Any, broker: Annotated[Any, Context("broker", default=None)]) -> Any:
    return broker is None


# Headers and paths


@signature()
async def header(body: Any, number: Annotated[int, Header("x-number")]) -> Any:
    return number


@signature()
async def header_by_name(body: Any, trace: Annotated[str, Header()]) -> Any:
    return trace


@signature()
async def header_wrong(body: int, trace: Annotated[int, Header()]) -> Any:
    return trace


@signature()
async def header_missing(body: int, absent: Annotated[str, Header()]) -> Any:
    return absent


@signature()
async def header_default(body: Any, absent: str = Header(default="d")) -> Any:
    return absent


@signature()
async def path(body: Any, name: Annotated[str, Path()]) -> Any:
    return name


@signature()
async def path_cast(body: Any, number: Annotated[int, Path("name")]) -> Any:
    return number


# Dependencies of the function


@signature()
async def depends(body: Any, value: Annotated[int, Depends(a_dependency)]) -> Any:
    return value


@signature()
async def depends_by_default(body: int, value: int = Depends(a_dependency)) -> Any:
    return body, value


@signature()
async def depends_only(value: Annotated[int, Depends(a_dependency)]) -> Any:
    return value


@signature()
async def depends_in_thread(body: Any, value: Annotated[int, Depends(in_thread)]) -> Any:
    return value


@signature()
async def depends_not_cast(body: Any, value: Annotated[int, Depends(in_thread, cast=False)]) -> Any:
    return value


@signature()
async def depends_twice(
    body: Any,
    first: Annotated[int, Depends(a_dependency)],
    second: Annotated[int, Depends(a_dependency)],
) -> Any:
    return first, second


@signature()
async def depends_uncached(
    body: Any,
    first: Annotated[int, Depends(a_dependency, use_cache=False)],
    second: Annotated[int, Depends(a_dependency, use_cache=False)],
) -> Any:
    return first, second


@signature()
async def depends_nested(body: Any, value: Annotated[Any, Depends(nested)]) -> Any:
    return value


@signature()
async def depends_on_payload(b: str, value: Annotated[int, Depends(with_payload)]) -> Any:
    return b, value


@signature()
async def depends_on_the_same_payload(a: int, value: Annotated[int, Depends(with_payload)]) -> Any:
    return a, value


@signature()
async def depends_on_payload_only(value: Annotated[int, Depends(with_payload)]) -> Any:
    return value


@signature()
async def depends_on_default(b: int, value: Annotated[int, Depends(with_default)]) -> Any:
    return b, value


@signature()
async def depends_on_header(body: Any, value: Annotated[int, Depends(with_header)]) -> Any:
    return value


@signature()
async def depends_casts_result(
    body: Any, value: Annotated[Any, Depends(returns_text, cast_result=True)]
) -> Any:
    return value


@signature()
async def depends_wrong(body: int, value: Annotated[list[int], Depends(a_dependency)]) -> Any:
    return value


@signature()
async def depends_fails(body: int, value: Annotated[int, Depends(fails)]) -> Any:
    return value


@signature()
async def depends_refuses(body: int, value: Annotated[int, Depends(refuses)]) -> Any:
    return value


@signature()
async def depends_on_class(body: Any, made: Annotated[Made, Depends(Made)]) -> Any:
    return repr(made)


@signature()
async def depends_on_instance(body: Any, value: Annotated[str, Depends(Instance())]) -> Any:
    return value


@signature()
async def depends_on_method(body: Any, value: Annotated[str, Depends(Instance().method)]) -> Any:
    return value


@signature()
async def depends_on_lambda(body: Any, value: Annotated[int, Depends(lambda: 3)]) -> Any:
    return value


@signature()
async def depends_on_generator(body: int, value: Annotated[int, Depends(generator)]) -> Any:
    CALLS.append("handler")
    return body, value


@signature()
async def depends_on_generators(
    body: int,
    value: Annotated[int, Depends(outer_generator)],
    third: Annotated[int, Depends(generator_in_thread)],
) -> Any:
    CALLS.append("handler")
    return body, value, third


@signature()
async def fails_in_generator(body: Any, value: Annotated[int, Depends(generator)]) -> Any:
    raise ValueError("the handler's own")


@signature()
async def generator_fails(body: Any, value: Annotated[int, Depends(fails_at_close)]) -> Any:
    return value


@signature()
async def generator_and_failure(
    body: Any,
    value: Annotated[int, Depends(generator)],
    failure: Annotated[int, Depends(fails)],
) -> Any:
    return value


@signature()
async def generator_swallows(body: Any, value: Annotated[int, Depends(swallows)]) -> Any:
    raise ValueError("the handler's own")


@signature()
async def everything(
    a: int,
    price: Annotated[int, Context()],
    value: Annotated[int, Depends(a_dependency)],
    trace: Annotated[str, Header()],
    opened: Annotated[int, Depends(generator)],
    b: str = "b",
) -> Any:
    return a, b, price, value, trace, opened


# What the message must not choose


async def current_user(b: Annotated[int, Depends(a_dependency)]) -> str:
    CALLS.append(("current_user", b))
    return f"user {b}"


@signature()
async def owned_by_a_dependency(
    id: int, a: Annotated[int, Depends(a_dependency)], name: str = ""
) -> Any:
    return id, a, name


@signature()
async def owned_deep_down(
    id: int, user: Annotated[str, Depends(current_user)], name: str = ""
) -> Any:
    return id, user, name


@signature()
async def owned_with_a_default(id: int, b: int = Depends(with_default), name: str = "") -> Any:
    return id, b, name


@signature()
async def owned_by_the_context(
    id: int, a: Annotated[int, Context("price")], b: int = Context("absent", default=4)
) -> Any:
    return id, a, b


async def named_like_its_sibling(value: Any) -> Any:
    CALLS.append(("sibling", value))
    return value


@signature()
async def dependency_sees_its_sibling(
    a: int,
    value: Annotated[int, Depends(a_dependency)],
    second: Annotated[Any, Depends(named_like_its_sibling)],
) -> Any:
    return a, value, second


@signature()
async def payload_beside_context(
    price: Annotated[int, Context()], value: Annotated[int, Depends(with_payload)]
) -> Any:
    return price, value


@signature()
async def payload_behind_context(a: Any, price: Annotated[int, Context()], *, b: Any) -> Any:
    return a, price, b


async def three(a: Any, b: Any, c: Any = 0) -> Any:
    CALLS.append(("three", a, b, c))
    return a


@signature()
async def parts_by_position(
    x: Any,
    first: Annotated[Any, Depends(with_payload)],
    second: Annotated[Any, Depends(three)],
) -> Any:
    return x, first, second


# Names that ours must not meet


@signature()
async def names(message: Any, body: Any = 1, plan: Any = 2, handler: Any = 3) -> Any:
    return message, body, plan, handler


@signature()
async def builtin_names(type: Any, list: Any = 1, Exception: Any = 2) -> Any:
    return type, list, Exception


# What runs before


signature(a_dependency, name="before")(anything)
signature(a_dependency, a_dependency, name="before_twice")(number)
signature(with_payload, name="before_with_payload")(anything)
signature(with_payload, name="before_with_the_same_payload")(several)
signature(generator, name="before_generator")(number)
signature(fails, name="before_fails")(number)
signature(in_thread, name="before_in_thread")(anything)
signature(a_dependency, name="before_and_inside")(depends)
signature(generator, outer_generator, name="before_generators")(depends_on_generator)


# Decorated and other callables


def doubled(function: Function) -> Function:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        CALLS.append(("wrapper", len(args), sorted(kwargs)))
        return await function(*args, **kwargs)

    return wrapper


signature(name="decorated")(doubled(several))
signature(name="partial")(partial(several, b=3))
signature(name="method")(Instance().method)
