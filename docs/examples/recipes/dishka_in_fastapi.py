from dishka.integrations.fastapi import FromDishka, inject, setup_dishka
from fastapi import FastAPI
from shop_dishka import Prices, container, read_price, service

from faststream_integrations.fastapi import FastStreamRouter

app = FastAPI()
app.include_router(FastStreamRouter(service, asgi_routes=[("/price", read_price)]))
setup_dishka(container, app)


@app.get("/prices/{drink}")
@inject
async def endpoint(drink: str, prices: FromDishka[Prices]) -> float:
    return prices.of(drink)
