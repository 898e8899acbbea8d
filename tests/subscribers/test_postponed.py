"""Postponed annotations of subscribers and handlers that name what is local to a function."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import fastapi
import pytest
from fastapi import FastAPI
from faststream import Context, Depends, FastStream, Header
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from litestar import Litestar
from pydantic import BaseModel, PydanticUserError

from faststream_integrations import post
from faststream_integrations.asgi import Body, as_asgi
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.subscribers.compiled import is_compiled
from tests.subscribers.hosts import FASTSTREAM, ask, every_host, running

if TYPE_CHECKING:
    from nowhere import Missing

# An application that is made by a function


def serve_fastapi(service: FastStream, routes: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(FastStreamRouter(service, asgi_routes=routes))
    return app


MAKERS: dict[str, Callable[[FastStream, Any], Any]] = {
    "asgi": as_asgi,
    "fastapi": serve_fastapi,
    "litestar": lambda service, routes: Litestar(
        plugins=[FastStreamPlugin(service, asgi_routes=routes)]
    ),
}


async def user() -> str:
    return "ada"


def create_app(host: str) -> Any:
    class Order(BaseModel):
        id: int

    class Price(BaseModel):
        of: int
        by: str

    User = Annotated[str, Depends(user)]  # noqa: N806

    class Buyer:
        def __init__(self, name: User) -> None:
            self.name = name

    async def find_price(order: Order, buyer: Annotated[Any, Depends(Buyer)]) -> Price:
        return Price(of=order.id, by=buyer.name)

    async def read_price(
        order: Annotated[Order, Body()], buyer: Annotated[Any, Depends(Buyer)]
    ) -> Price:
        return Price(of=order.id, by=buyer.name)

    broker = NatsBroker()

    @broker.subscriber("orders")
    async def handle(
        order: Order,
        price: Annotated[Price, Depends(find_price)],
        user: User,
        more: Order | None = None,
    ) -> Price:
        return price

    @post
    async def answer(price: Annotated[Price, Depends(read_price)], user: User) -> Price:
        return price

    return MAKERS[host](FastStream(broker), [("/price", answer)]), broker


@pytest.mark.parametrize("host", MAKERS)
async def test_application_that_a_function_makes(host):
    app, broker = create_app(host)
    assert create_app(host)[0] is not app  # another one does not matter to it
    async with asgi_client(app, broker) as client:
        for name in ("ada", "eve"):
            if name == "eve":
                broker.provider.override(user, lambda: "eve")
            priced = {"of": 5, "by": name}
            try:
                assert (await client.post("/price", json={"id": 5})).json() == priced
                assert await ask(broker, {"order": {"id": 5}}) == priced
            finally:
                broker.provider.clear()
        assert is_compiled(next(iter(broker.subscribers)))


def test_names_that_are_kept_live_no_longer_than_their_function():
    def alive() -> weakref.ref[Any]:
        return weakref.ref(create_app("asgi")[1])

    reference = alive()
    gc.collect()
    assert reference() is None


# What is known nowhere when the application starts


def of_a_body(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    @broker.subscriber("orders")
    async def handle(order: Order) -> None: ...


def of_a_part(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    @broker.subscriber("orders")
    async def handle(id: int, order: list[Order] | None = None) -> None: ...


def of_a_dependency(broker: NatsBroker) -> None:
    async def local() -> int:
        return 5

    @broker.subscriber("orders")
    async def handle(order: Any, value: Annotated[int, Depends(local)]) -> None: ...


def of_an_alias(broker: NatsBroker) -> None:
    async def local() -> int:
        return 5

    Local = Annotated[int, Depends(local)]  # noqa: N806

    @broker.subscriber("orders")
    async def handle(order: Any, value: Local) -> None: ...


def below_a_dependency(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    async def local(order: Order) -> int:
        return order.id

    @broker.subscriber("orders")
    async def handle(order: Any, value: Any = Depends(local)) -> None: ...


def of_what_runs_before(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    async def local() -> Order: ...

    @broker.subscriber("orders", dependencies=[Depends(local)])
    async def handle(order: Any) -> None: ...


def of_the_result(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    @broker.subscriber("orders")
    async def handle(order: Any) -> Order: ...


def for_type_checkers(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handle(order: Any, number: Annotated[Missing, Header("n")]) -> None: ...


UNKNOWN = {
    of_a_body: "annotations of order of .*handle refer to names that do not exist: Order;",
    of_a_part: "annotations of order of .*: Order;",
    of_a_dependency: "annotations of value of .*: local;",
    of_an_alias: "annotations of value of .*: Local;",
    below_a_dependency: "The subscriber .*handle: annotations of order of .*local .*: Order;",
    of_what_runs_before: "The subscriber .*handle: annotations of return of .*local .*: Order;",
    of_the_result: "annotations of return of .*: Order;",
    for_type_checkers: "annotations of number of .*: Missing;",
}


@every_host
@pytest.mark.parametrize("declare", UNKNOWN, ids=lambda each: each.__name__)
async def test_name_that_is_known_nowhere_fails_the_start(host, declare):
    """FastStream alone starts, and each of its messages fails."""
    broker = NatsBroker()
    declare(broker)
    if host == FASTSTREAM:
        async with running(host, FastStream(broker)):
            with pytest.raises(PydanticUserError, match="is not fully defined"):
                await ask(broker, {"id": 5}, headers={"n": "1"})
        return
    with pytest.raises(SetupError, match=UNKNOWN[declare]):
        async with running(host, FastStream(broker)):
            raise AssertionError("it started")


# What is known, or nobody needs


def used_in_the_function(broker: NatsBroker) -> None:
    class Order(BaseModel):
        id: int

    @broker.subscriber("orders")
    async def handle(order: Order) -> int:
        assert type(order) is Order
        return order.id


def type_that_nobody_reads(broker: NatsBroker) -> None:
    @broker.subscriber("orders")
    async def handle(
        order: dict[str, int],
        number: Annotated[Missing, Context()],
        value: Missing = Depends(user, cast=False),
    ) -> int:
        return order["id"]


def result_that_nobody_checks(broker: NatsBroker) -> None:
    async def local(order: dict[str, int]) -> Missing:
        return order["id"]

    @broker.subscriber("orders")
    async def handle(order: dict[str, int], value: Any = Depends(local)) -> int:
        return value


@pytest.mark.parametrize("host", ["asgi", "fastapi", "litestar", "starlette"])
@pytest.mark.parametrize(
    "declare", [used_in_the_function, type_that_nobody_reads, result_that_nobody_checks]
)
async def test_names_that_are_known_or_that_nobody_needs(host, declare):
    broker = NatsBroker()
    declare(broker)
    async with running(host, FastStream(broker)):
        broker.context.set_global("number", 1)
        assert await ask(broker, {"id": 5}) == 5


async def test_dependency_of_fastapi_that_is_local():
    def create() -> Any:
        async def local(request: fastapi.Request) -> str:
            return request.app.title

        broker = NatsBroker()

        @broker.subscriber("orders")
        async def handle(order: Any, title: Annotated[str, fastapi.Depends(local)]) -> str:
            return title

        app = FastAPI(title="Shop")
        app.include_router(FastStreamRouter(broker))
        return app, broker

    app, broker = create()
    async with asgi_client(app, broker):
        assert await ask(broker, 1) == "Shop"
