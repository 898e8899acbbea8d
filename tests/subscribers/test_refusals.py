"""Markers of other frameworks in a subscriber, which FastStream would read from the message."""

import functools
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import fastapi
import litestar
import pytest
from fastapi import Body, Cookie, Form, Query, Request, Security
from fastapi.security import SecurityScopes
from faststream import Context, Depends
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker, TestNatsBroker
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import Parameter
from starlette.responses import Response
from starlette.websockets import WebSocket
from typing_extensions import TypeAliasType

from faststream_integrations import AsgiFastStream, make_asyncapi_asgi
from faststream_integrations import fastapi as ours
from faststream_integrations.subscribers import adopt
from faststream_integrations.testing import asgi_client

T = TypeVar("T")


def current_user() -> str:
    raise AssertionError("nobody asks for it")


CurrentUser = Annotated[str, Query()]
Alias = TypeAliasType("Alias", Annotated[str, Query()])
Generic = TypeAliasType("Generic", Annotated[T, Query()], type_params=(T,))
Endless = TypeAliasType("Endless", "list[Endless] | Annotated[str, Query()]")


def limited(dependency: Any) -> Any:
    depends = fastapi.Depends(dependency)
    object.__setattr__(depends, "max_concurrency", 3)  # FastAPI 0.165 has it as an argument
    return depends


MARKED = {
    "query": Annotated[str, Query()],
    "cookie": Annotated[str, Cookie()],
    "form": Annotated[str, Form()],
    "named": CurrentUser,
    "alias": Alias,
    "generic": Generic[str],
    "optional": Annotated[str, Query()] | None,
    "in-a-list": list[Annotated[str, Query()]],
    "endless": Endless,
    "not-alone": Annotated[str, Context("user"), Query()],
    "security": Annotated[str, Security(current_user)],
    "embedded": Annotated[str, Body(embed=True)],
    "limited": Annotated[str, limited(current_user)],
    "deep-depends": list[Annotated[str, fastapi.Depends(current_user)]],
    "scopes": SecurityScopes,
    "response": Response,
    "websocket": WebSocket,
    "optional-websocket": WebSocket | None,
    "litestar-parameter": Annotated[str, Parameter(ge=1)],
    "litestar-request": litestar.Request[Any, Any, Any],
    "litestar-socket": litestar.WebSocket,
}


with suppress(TypeError):  # fastapi 0.121's `Depends` has no hash, which a union asks for
    MARKED["optional-depends"] = Annotated[str, fastapi.Depends(current_user)] | None


def subscribe(broker: NatsBroker, annotation: Any, default: Any = ...) -> None:
    async def handle(order: int, user: str) -> None:
        raise AssertionError("the message chose the user")

    handle.__annotations__["user"] = annotation
    if default is not ...:
        handle.__defaults__ = (default,)
    broker.subscriber("orders")(handle)


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


@pytest.mark.parametrize("annotation", MARKED.values(), ids=MARKED)
async def test_annotation_of_a_subscriber(broker, annotation):
    subscribe(broker, annotation)

    with pytest.raises(SetupError, match=r"'user' of .*handle"):
        adopt([broker])


@pytest.mark.parametrize("annotation", [NamedDependency[str], State])
async def test_what_litestar_fills_where_litestar_does_not_run(broker, annotation):
    subscribe(broker, annotation)

    with pytest.raises(SetupError, match=r"'user' of .*handle is Litestar's to fill"):
        async with asgi_client(AsgiFastStream(broker), broker):
            pass


@pytest.mark.parametrize("default", [Query(), Cookie(), Form()])
async def test_default_of_a_subscriber(broker, default):
    subscribe(broker, str, default)

    with pytest.raises(SetupError, match=r"'user' of .*handle"):
        adopt([broker])


class Guard:
    def __init__(self, token: "Annotated[str, Query()]") -> None: ...


class Instance:
    def __call__(self, token: "Annotated[str, Query()]") -> None: ...


def function(token: "Annotated[str, Query()]") -> None: ...


async def generator(token: "Annotated[str, Query()]") -> Any:
    yield


def nested(user: Annotated[str, Depends(function)]) -> None: ...


GUARDS = {
    "function": function,
    "generator": generator,
    "class": Guard,
    "instance": Instance(),
    "method": Instance().__call__,
    "partial": functools.partial(function),
    "nested": nested,
    "partial-of-a-class": functools.partial(Guard),
}


@pytest.mark.parametrize("where", ["default", "annotation", "subscriber", "call", "broker"])
@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
async def test_dependency(guard, where):
    depends = [Depends(guard)]
    broker = NatsBroker(dependencies=depends if where == "broker" else [])
    subscriber = broker.subscriber("orders", dependencies=depends if where == "subscriber" else [])

    async def handle(order: int, user: Any = 1) -> None: ...

    if where == "default":
        handle.__defaults__ = (Depends(guard),)
    if where == "annotation":
        handle.__annotations__["user"] = Annotated[str, Depends(guard)]
    subscriber(handle, dependencies=depends if where == "call" else [])

    with pytest.raises(SetupError, match=r"The subscriber .*handle: .*'token' of "):
        adopt([broker])


async def test_document_does_not_show_it(broker):
    from faststream.specification import AsyncAPI

    subscribe(broker, CurrentUser)

    with pytest.raises(SetupError, match="'user'"):
        make_asyncapi_asgi(AsyncAPI(broker))


async def test_test_broker_does_not_run_it(broker):
    adopt([broker])
    subscribe(broker, CurrentUser)

    with pytest.raises(SetupError, match="'user'"):
        async with TestNatsBroker(broker):
            raise AssertionError("it started")


async def test_what_two_frameworks_share_is_understood(broker):
    seen = []

    @broker.subscriber("orders")
    async def handle(
        order: int,
        user: Annotated[str, ours.Depends(lambda: "me")],
        price: Annotated[int, ours.Context("price")],
        logger: ours.Logger,
        request: Annotated[Request | None, Context("request", default=None)],
    ) -> None:
        seen.append((order, user, price, request))

    adopt([broker])
    broker.context.set_global("price", 3)
    async with TestNatsBroker(broker) as client:
        await client.publish(1, "orders")

    assert seen == [(1, "me", 3, None)]


async def test_name_that_exists_for_type_checkers_only_hides_nothing(broker):
    def dependency(first: "Missing", second: "Annotated[str, Query()]") -> None: ...  # noqa: F821

    @broker.subscriber("orders")
    async def handle(order: int, user: Annotated[str, Depends(dependency)]) -> None: ...

    with pytest.raises(SetupError, match="The subscriber .*handle: .*'second' of .*dependency"):
        adopt([broker])
