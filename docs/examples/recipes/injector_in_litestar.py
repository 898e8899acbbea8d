from litestar import Litestar, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from shop_injector import Prices, broker, container, read_price

from faststream_integrations.litestar import FastStreamPlugin


def provide_prices() -> Prices:
    return container.prices()


@get("/prices/{drink:str}", dependencies={"prices": Provide(provide_prices, sync_to_thread=False)})
async def endpoint(drink: FromPath[str], prices: NamedDependency[Prices]) -> float:
    return prices.of(drink)


app = Litestar(
    [endpoint],
    plugins=[FastStreamPlugin(broker, asgi_routes=[("/price", read_price)])],
)
