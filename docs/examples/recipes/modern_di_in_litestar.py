from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from modern_di_litestar import FromDI, ModernDIPlugin
from shop_modern_di import Prices, Shop, container, read_price, service

from faststream_integrations.litestar import FastStreamPlugin


@get("/prices/{drink:str}", dependencies={"prices": FromDI(Shop.prices)})
async def endpoint(drink: FromPath[str], prices: NamedDependency[Prices]) -> float:
    return prices.of(drink)


app = Litestar(
    [endpoint],
    plugins=[
        FastStreamPlugin(service, asgi_routes=[("/price", read_price)]),
        ModernDIPlugin(container, manage_lifespan=False),  # `setup_di` does
    ],
)
