from dishka.integrations.litestar import FromDishka, inject, setup_dishka
from litestar import Litestar, get
from litestar.params import FromPath
from shop_dishka import Prices, container, read_price, service

from faststream_integrations.litestar import FastStreamPlugin


@get("/prices/{drink:str}")
@inject
async def endpoint(drink: FromPath[str], prices: FromDishka[Prices]) -> float:
    return prices.of(drink)


app = Litestar(
    [endpoint],
    plugins=[FastStreamPlugin(service, asgi_routes=[("/price", read_price)])],
)
setup_dishka(container, app)
