from collections.abc import AsyncIterator
from typing import Annotated

from faststream import Depends
from faststream.nats import NatsBroker
from modern_di import Container, Group, Scope, providers
from modern_di_faststream import FromDI, setup_di

from faststream_integrations import FastStream, Query, get


class Prices:
    def of(self, drink: str) -> float:
        return {"tea": 2.8}[drink]


class Shop(Group):
    prices = providers.Factory(scope=Scope.REQUEST, creator=Prices)


container = Container(groups=[Shop])
broker = NatsBroker("nats://127.0.0.1:4222")
service = FastStream(broker)
setup_di(service, container)  # a scope for each message; opens and closes the container


async def open_scope() -> AsyncIterator[Container]:
    async with container.build_child_container(scope=Scope.REQUEST) as scope:
        yield scope


async def find_prices(scope: Annotated[Container, Depends(open_scope)]) -> Prices:
    return scope.resolve(Prices)


@broker.subscriber("orders")
async def on_order(drink: str, prices: Annotated[Prices, FromDI(Shop.prices)]) -> float:
    return prices.of(drink)


@get
async def read_price(
    drink: Annotated[str, Query()], prices: Annotated[Prices, Depends(find_prices)]
) -> float:
    return prices.of(drink)
