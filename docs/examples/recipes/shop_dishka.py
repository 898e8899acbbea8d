from collections.abc import AsyncIterator
from typing import Annotated

from dishka import Provider, Scope, make_async_container
from dishka_faststream import FromDishka, inject, setup_dishka
from faststream import Context, ContextRepo, Depends
from faststream.nats import NatsBroker

from faststream_integrations import FastStream, Query, get


class Prices:
    def of(self, drink: str) -> float:
        return {"tea": 2.8}[drink]


provider = Provider(scope=Scope.REQUEST)
provider.provide(Prices)
container = make_async_container(provider)

broker = NatsBroker("nats://127.0.0.1:4222")
service = FastStream(broker)
setup_dishka(container, service, finalize_container=True)  # a scope for each message


async def open_scope(context: Annotated[ContextRepo, Context("context")]) -> AsyncIterator[None]:
    async with container() as scope:
        with context.scope("dishka", scope):  # where `inject` looks for it
            yield


@broker.subscriber("orders")
@inject
async def on_order(drink: str, prices: FromDishka[Prices]) -> float:
    return prices.of(drink)


@get
@inject
async def read_price(
    drink: Annotated[str, Query()],
    prices: FromDishka[Prices],
    _: Annotated[None, Depends(open_scope)],
) -> float:
    return prices.of(drink)
