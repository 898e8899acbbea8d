from typing import Annotated

from fastapi import Depends, FastAPI, Header
from faststream.nats import NatsBroker

from faststream_integrations.fastapi import FastStreamRouter

broker = NatsBroker("nats://127.0.0.1:4222")


async def current_user(x_user: Annotated[str, Header()] = "nobody") -> str:
    return x_user


User = Annotated[str, Depends(current_user)]


@broker.subscriber("orders.paid")
async def on_paid(drink: str, user: User) -> str:
    return f"{user} paid for {drink}"


app = FastAPI()
app.include_router(FastStreamRouter(broker, asyncapi_path="/asyncapi"))


@app.get("/me")
async def me(user: User) -> str:
    return user
