from typing import Annotated

from fastapi import FastAPI
from faststream.nats import NatsBroker
from modern_di import Container
from modern_di_fastapi import FromDI, setup_di
from shop_modern_di import Prices, Shop

from faststream_integrations import Query, get
from faststream_integrations.fastapi import FastStreamRouter

broker = NatsBroker("nats://127.0.0.1:4222")

AnyPrices = Annotated[Prices, FromDI(Shop.prices)]


@broker.subscriber("orders")
async def on_order(drink: str, prices: AnyPrices) -> float:
    return prices.of(drink)


@get
async def read_price(drink: Annotated[str, Query()], prices: AnyPrices) -> float:
    return prices.of(drink)


app = FastAPI()
setup_di(app, Container(groups=[Shop]))
app.include_router(FastStreamRouter(broker, asgi_routes=[("/price", read_price)]))


@app.get("/prices/{drink}")
async def endpoint(drink: str, prices: AnyPrices) -> float:
    return prices.of(drink)
