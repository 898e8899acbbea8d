from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from faststream import Logger
from faststream.nats import NatsBroker
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from faststream_integrations import get, make_ping_asgi, post
from faststream_integrations.asgi import Body, JSONResponse, Path, Query
from faststream_integrations.fastapi import FastStreamRouter

broker = NatsBroker("nats://127.0.0.1:4222")


class Order(BaseModel):
    drink: str


orders = {7: Order(drink="tea")}


@get(responses={200: {"model": Order}, 404: {"description": "There is no such order."}})
async def read_order(
    order_id: Annotated[int, Path()],
    logger: Logger,
    loud: Annotated[bool, Query(description="In capital letters")] = False,
) -> JSONResponse:
    """Answer with an order."""
    if order_id not in orders:
        raise HTTPException(404, "No such order")
    logger.info("Order %d was read", order_id)
    drink = orders[order_id].drink
    return JSONResponse(Order(drink=drink.upper() if loud else drink))


@post(tags=[{"name": "orders"}], responses={202: {"description": "The order is on its way."}})
async def place_order(order: Annotated[Order, Body()]) -> JSONResponse:
    """Publish an order."""
    await broker.publish(order, "orders")
    return JSONResponse(None, 202)


async def authenticate(authorization: Annotated[str | None, Header()] = None) -> None:
    if authorization != "Bearer secret":
        raise HTTPException(401)


router = FastStreamRouter(
    broker,
    asgi_routes=[
        ("/orders", place_order),
        ("/orders/{order_id}", read_order),
    ],
    prefix="/api",
    tags=["api"],
    dependencies=[Depends(authenticate)],
)
router.add_asgi_route("/version", PlainTextResponse("1.0"))  # any ASGI application

probes = FastStreamRouter(broker, asgi_routes=[("/health", make_ping_asgi(broker))])

app = FastAPI()
app.include_router(router)
app.include_router(probes)
