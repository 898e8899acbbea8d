"""Functions of another module, with postponed annotations and names that the tests have too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from faststream import Context, Depends
from faststream.asgi import get as upstream_get
from pydantic import BaseModel

from faststream_integrations.asgi import AsgiResponse, Body, Query

if TYPE_CHECKING:
    from somewhere import RequiredUser, Scope, User, types


class Order(BaseModel):
    """What the tests call by this name is another class."""

    elsewhere: int


class Request:
    """In the module of a test, this is FastAPI's."""


Limit = Annotated[int, Query()]


def validated(order: Annotated[Order, Body()]) -> Order:
    return order


async def validated_later(order: Annotated[Later, Body()]) -> Later:
    return order


class Later(Order):
    """Defined below the function that refers to it."""


class OfClass:
    def __init__(self, order: Annotated[Order, Body()]) -> None:
        self.order = order


@dataclass
class OfFields:
    order: Annotated[Order, Body()]


class OfInstance:
    async def __call__(self, order: Annotated[Order, Body()]) -> Order:
        return order

    async def method(self, order: Annotated[Order, Body()]) -> Order:
        return order


async def two(prefix: str, order: Annotated[Order, Body()]) -> Order:
    return order


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


@upstream_get
async def adopted(request: Request) -> AsgiResponse:
    return AsgiResponse(type(request).__name__.encode())


async def takes_scope(_scope: Scope) -> AsgiResponse:
    return AsgiResponse(_scope["path"].encode())


async def takes_types_scope(here: types.Scope | None) -> AsgiResponse:
    return AsgiResponse(here["path"].encode())


async def hides_a_guard(user: RequiredUser) -> AsgiResponse:
    return AsgiResponse(b"secret")


async def hides_a_guard_with_default(user: RequiredUser = None) -> AsgiResponse:
    return AsgiResponse(b"secret")


async def misspells_a_guard(user: Annotated[dict | None, Dpends(validated)] = None) -> AsgiResponse:  # noqa: F821
    return AsgiResponse(b"secret")


def nobody() -> User:
    return "nobody"


async def needs_no_types(
    value: Annotated[User, Context("value")], user: Annotated[User, Depends(nobody, cast=False)]
) -> AsgiResponse:
    return AsgiResponse(f"{value} {user}".encode())


async def needs_a_type(user: Annotated[User, Query()]) -> AsgiResponse:
    return AsgiResponse()


async def aliased(limit: Limit, values: list[Order] | None = Query(default=None)) -> AsgiResponse:
    return AsgiResponse(b"%d" % limit)
