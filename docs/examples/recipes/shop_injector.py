from typing import Annotated

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject
from faststream import Depends
from faststream.nats import NatsBroker

from faststream_integrations import Query, get


class Prices:
    def of(self, drink: str) -> float:
        return {"tea": 2.8}[drink]


class Shop(containers.DeclarativeContainer):
    prices = providers.Factory(Prices)


container = Shop()
broker = NatsBroker("nats://127.0.0.1:4222")

AnyPrices = Annotated[Prices, Depends(Provide[Shop.prices], cast=False)]


@broker.subscriber("orders")
@inject
async def on_order(drink: str, prices: AnyPrices) -> float:
    return prices.of(drink)


@get
@inject
async def read_price(drink: Annotated[str, Query()], prices: AnyPrices) -> float:
    return prices.of(drink)


container.wire(modules=[__name__])
