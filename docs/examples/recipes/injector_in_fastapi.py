from typing import Annotated

from dependency_injector.wiring import Provide, inject
from fastapi import Depends, FastAPI
from shop_injector import Prices, Shop, broker, container, read_price

from faststream_integrations.fastapi import FastStreamRouter

app = FastAPI()
app.include_router(FastStreamRouter(broker, asgi_routes=[("/price", read_price)]))


@app.get("/prices/{drink}")
@inject
async def endpoint(drink: str, prices: Annotated[Prices, Depends(Provide[Shop.prices])]) -> float:
    return prices.of(drink)


container.wire(modules=[__name__])
