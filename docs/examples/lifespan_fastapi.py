from typing import Annotated

from fastapi import FastAPI, Request
from faststream import Context
from faststream.nats import NatsBroker
from starlette.routing import Route

from faststream_integrations import broker_lifespan, get, make_ping_asgi
from faststream_integrations.asgi import JSONResponse

broker = NatsBroker("nats://127.0.0.1:4222")
app = FastAPI(lifespan=broker_lifespan(broker))


@app.post("/orders/{order_id}", status_code=202)
async def place_order(order_id: int, request: Request) -> None:
    await request.state.broker.publish(order_id, "orders")


@get
async def address(broker: Annotated[NatsBroker, Context()]) -> JSONResponse:
    return JSONResponse(broker.specification.url)


app.router.routes += [
    Route("/health", make_ping_asgi(broker, timeout=5.0)),
    Route("/address", address),
]
