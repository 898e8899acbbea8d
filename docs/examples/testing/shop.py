from typing import Annotated

from faststream import Depends
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, post
from faststream_integrations.asgi import Header, JSONResponse, Path

broker = NatsBroker("nats://127.0.0.1:4222")
stored: list[int] = []


@broker.subscriber("orders")
async def store_order(order_id: int) -> None:
    stored.append(order_id)


async def current_user(x_token: Annotated[str, Header()]) -> str:
    raise NotImplementedError("asks another service")


@post
async def place_order(
    order_id: Annotated[int, Path()],
    user: Annotated[str, Depends(current_user)],
) -> JSONResponse:
    await broker.publish(order_id, "orders")
    return JSONResponse({"order": order_id, "user": user}, 202)


app = AsgiFastStream(broker, asgi_routes=[("/orders/{order_id}", place_order)])
