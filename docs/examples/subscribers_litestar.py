from faststream.nats import NatsBroker
from litestar import Litestar
from litestar.di import NamedDependency
from pydantic import BaseModel

from faststream_integrations.litestar import FastStreamPlugin


class Order(BaseModel):
    drink: str


class Prices:
    def price(self, drink: str) -> int:
        return len(drink)


async def provide_prices() -> Prices:
    return Prices()


async def provide_currency() -> str:
    return "EUR"


broker = NatsBroker("nats://127.0.0.1:4222")


@broker.subscriber("orders")
async def price_order(order: Order, prices: NamedDependency[Prices], currency: str) -> str:
    return f"{prices.price(order.drink)} {currency}"


app = Litestar(
    dependencies={"prices": provide_prices},  # taken by NamedDependency
    plugins=[FastStreamPlugin(broker, dependencies={"currency": provide_currency})],  # by its name
)
