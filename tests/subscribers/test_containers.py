"""Containers of dependencies in subscribers: what they fill, and what nobody would."""

from typing import Annotated, Any

import fastapi
import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as wire
from dishka import Provider, Scope, make_async_container
from dishka_faststream import FromDishka, inject, setup_dishka
from faststream import Depends
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker, TestNatsBroker

from faststream_integrations import AsgiFastStream
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client
from tests.subscribers.compiled import is_compiled


class Prices:
    def __init__(self) -> None:
        self.is_open = True

    def of(self, drink: str) -> float:
        assert self.is_open
        return {"tea": 2.8}[drink]


class Shop(containers.DeclarativeContainer):
    prices = providers.Factory(Prices)


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


@pytest.fixture
def opened() -> list[Prices]:
    return []


@pytest.fixture
async def container(opened):
    async def open_prices():
        prices = Prices()
        opened.append(prices)
        yield prices
        prices.is_open = False

    provider = Provider(scope=Scope.REQUEST)
    provider.provide(open_prices, provides=Prices)
    container = make_async_container(provider)
    yield container
    await container.close()


async def ask(broker: NatsBroker, body: Any) -> Any:
    return await (await broker.request(body, "orders")).decode()


async def test_dishka_fills_what_it_provides(broker, container, opened):
    setup_dishka(container, broker=broker)
    subscriber = broker.subscriber("orders")

    @subscriber
    @inject
    async def handle(drink: str, prices: FromDishka[Prices]) -> float:
        return prices.of(drink)

    async with asgi_client(AsgiFastStream(broker), broker):
        assert await ask(broker, "tea") == 2.8
        assert await ask(broker, "tea") == 2.8
        assert is_compiled(subscriber)
    assert [prices.is_open for prices in opened] == [False, False]


async def title_of(request: fastapi.Request) -> str:
    return request.app.title


@pytest.mark.parametrize("when", ["before the router", "after the router"])
async def test_dishka_decorates_all_beside_dependencies_of_the_host(broker, container, when):
    app = fastapi.FastAPI(title="Shop")
    subscriber = broker.subscriber("orders")

    @subscriber
    async def handle(
        drink: str,
        prices: FromDishka[Prices],
        title: Annotated[str, fastapi.Depends(title_of)],
    ) -> str:
        return f"{title} {prices.of(drink)}"

    if when == "before the router":
        setup_dishka(container, broker=broker, auto_inject=True)
    app.include_router(FastStreamRouter(broker))
    if when == "after the router":
        setup_dishka(container, broker=broker, auto_inject=True)

    async with asgi_client(app, broker):
        assert await ask(broker, "tea") == "Shop 2.8"
        assert is_compiled(subscriber)


def unfilled_by_dishka(subscribe):
    @subscribe
    async def handle(drink: str, prices: FromDishka[Prices]) -> None: ...


def unfilled_by_dishka_where_it_may_be_none(subscribe):
    @subscribe
    async def handle(drink: str, prices: FromDishka[Prices] | None = None) -> None: ...


def unfilled_in_a_dependency(subscribe):
    async def depending(prices: FromDishka[Prices]) -> None: ...

    @subscribe
    async def handle(drink: str, value: Annotated[None, Depends(depending)]) -> None: ...


def filled_by_the_message_before_dependency_injector(subscribe):
    @subscribe
    @wire
    async def handle(drink: str, prices: Prices = Provide[Shop.prices]) -> None: ...


UNFILLED = {
    unfilled_by_dishka: "marked for dishka.*Write `@inject`",
    unfilled_by_dishka_where_it_may_be_none: "marked for dishka",
    unfilled_in_a_dependency: "'prices' of .*depending is marked for dishka",
    filled_by_the_message_before_dependency_injector: r"Depends\(Provide\[...\], cast=False\)",
}


@pytest.mark.parametrize("subscribe", UNFILLED, ids=lambda each: each.__name__)
async def test_what_the_message_would_fill_fails_the_start(broker, subscribe):
    app = AsgiFastStream(broker)
    subscribe(broker.subscriber("orders"))
    with pytest.raises(SetupError, match=UNFILLED[subscribe]):
        async with asgi_client(app, broker):
            raise AssertionError("it started")


async def test_what_the_message_would_fill_is_refused_without_an_application(broker):
    AsgiFastStream(broker)
    unfilled_by_dishka(broker.subscriber("orders"))
    with pytest.raises(SetupError, match="marked for dishka"):
        async with TestNatsBroker(broker):
            raise AssertionError("it started")
