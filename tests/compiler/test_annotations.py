"""Annotations mean what they mean in the module of their function."""

import functools
import sys
from typing import Annotated, Any

import pytest
from fastapi import Request  # noqa: F401 - what an adopted handler's annotation must not become
from faststream import Depends
from faststream.exceptions import SetupError
from pydantic import BaseModel

from faststream_integrations.asgi import AsgiResponse, Query, RequestError, get
from faststream_integrations.compiler.annotations import read_signature
from faststream_integrations.environment import DETACHED
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.request import AsgiRequest
from tests.compiler import elsewhere


class Order(BaseModel):
    """Not the one that `elsewhere` means."""

    here: int


Later = Limit = Scope = User = dict


def request_of(query: bytes = b"", body: bytes = b"") -> AsgiRequest:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/path",
        "query_string": query,
        "headers": [(b"content-type", b"application/json")],
    }

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        raise AssertionError

    return AsgiRequest(scope, receive, send)


async def run(function: Any, **options: Any) -> bytes:
    handler = function if isinstance(function, HttpHandler) else get(function)
    response = await handler.bind(DETACHED).handle(request_of(**options))
    return response.body


CALLABLES = {
    "function": elsewhere.validated,
    "refers to what follows": elsewhere.validated_later,
    "class": elsewhere.OfClass,
    "dataclass": elsewhere.OfFields,
    "derived": type("Derived", (elsewhere.OfClass,), {}),
    "instance": elsewhere.OfInstance(),
    "method": elsewhere.OfInstance().method,
    "partial": functools.partial(elsewhere.two, "prefix"),
    "partial of a class": functools.partial(elsewhere.OfClass),
    "decorated": elsewhere.decorated(elsewhere.validated_later),
    "decorated twice": elsewhere.decorated(elsewhere.decorated(elsewhere.validated_later)),
    "partial of a decorated one": functools.partial(elsewhere.decorated(elsewhere.two), "prefix"),
}


@pytest.mark.parametrize("dependency", CALLABLES.values(), ids=CALLABLES)
async def test_annotations_of_a_dependency_are_those_of_its_module(dependency):
    async def handler(order=Depends(dependency, cast=False)):
        return AsgiResponse(b"valid")

    assert await run(handler, body=b'{"elsewhere": 1}') == b"valid"
    with pytest.raises(RequestError) as raised:
        await run(handler, body=b'{"here": 1}')
    assert raised.value.detail[0]["loc"] == ("body", "elsewhere")


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_annotations_of_a_handler_are_those_of_its_module(function):
    [field] = HttpHandler(function).fields

    assert issubclass(field.annotation, elsewhere.Order)


def test_a_dataclass_inherits_the_annotations_of_another_module():
    import dataclasses

    @dataclasses.dataclass
    class Derived(elsewhere.OfFields):
        limit: Annotated[int, Query()] = 1

    assert [field.annotation for field in HttpHandler(Derived).fields] == [elsewhere.Order, int]


async def test_an_adopted_handler_gets_what_its_own_module_means():
    handler = HttpHandler.adopt(elsewhere.adopted)

    assert handler.call.arguments[0].annotation is elsewhere.Request


@pytest.mark.parametrize("function", [elsewhere.takes_scope, elsewhere.takes_types_scope])
async def test_a_scope_for_type_checkers_only_is_the_scope(function):
    assert await run(function) == b"/path"


@pytest.mark.parametrize(
    "function",
    [
        elsewhere.hides_a_guard,
        elsewhere.hides_a_guard_with_default,
        elsewhere.misspells_a_guard,
        elsewhere.needs_a_type,
    ],
)
def test_an_annotation_that_may_hide_a_marker_has_to_exist(function):
    with pytest.raises(
        SetupError, match="refer to names that do not exist: (RequiredUser|Dpends|User);"
    ):
        HttpHandler(function).bind(DETACHED)


async def test_types_that_nobody_needs_may_be_for_type_checkers_only():
    DETACHED.context.set_global("value", 7)
    try:
        assert await run(elsewhere.needs_no_types) == b"7 nobody"
    finally:
        DETACHED.context.reset_global("value")


async def test_an_alias_may_have_the_marker():
    assert await run(elsewhere.aliased, query=b"limit=3") == b"3"


async def test_a_local_class_is_found_where_the_function_is_defined():
    namespace: dict[str, Any] = {}
    exec(
        """
from __future__ import annotations
from typing import Annotated
from pydantic import BaseModel
from faststream_integrations.asgi import AsgiResponse, Body, post

class Order(BaseModel):
    outside: int

def make():
    class Order(BaseModel):
        local: int

    @post
    async def handler(order: Annotated[Order, Body()]):
        return AsgiResponse(b"%d" % order.local)

    return handler

def caller(decorate, function):
    class Order(BaseModel):
        of_the_caller: int

    return decorate(function)

async def outside(order: Annotated[Order, Body()]):
    return AsgiResponse(b"%d" % order.outside)
""",
        namespace,
    )

    assert await run(namespace["make"](), body=b'{"local": 3}') == b"3"
    handler = namespace["caller"](get, namespace["outside"])
    assert await run(handler, body=b'{"outside": 4}') == b"4"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax of Python 3.12")
def test_type_aliases_and_type_parameters_are_resolved():
    namespace: dict[str, Any] = {"Annotated": Annotated, "Query": Query}
    exec(
        """
type Limit = Annotated[int, Query()]
type Many[T] = Annotated[list[T], Query()]

async def handler[T](limit: Limit, many: Many[str], x: "Limit", of: "Annotated[T, Query()]"): ...
""",
        namespace,
    )

    signature = read_signature(namespace["handler"])

    [t] = namespace["handler"].__type_params__
    assert [p.annotation.__origin__ for p in signature.parameters] == [int, list[str], int, t]


def test_what_is_no_type_at_all_is_nobodys_business():
    namespace: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n"
        "async def handler(scope: the scope of ASGI = None): ...\n".replace(
            "the scope of ASGI", "'the scope of ASGI'"
        ),
        namespace,
    )

    [parameter] = read_signature(namespace["handler"]).parameters

    assert parameter.name == "scope"
    HttpHandler(namespace["handler"]).bind(DETACHED)


def test_a_local_of_the_caller_means_nothing():
    Order = int  # noqa: F841, N806

    [parameter] = read_signature(elsewhere.validated).parameters

    assert parameter.annotation.__origin__ is elsewhere.Order
