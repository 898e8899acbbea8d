from typing import Annotated

from faststream import Context, Depends, Logger
from faststream.nats import NatsBroker
from faststream.nats.annotations import NatsBroker as Nats
from litestar import Controller, Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from faststream_integrations.asgi import Header
from faststream_integrations.litestar import FastStreamPlugin, inject

broker = NatsBroker("nats://127.0.0.1:4222")
broker.context.set_global("prices", {"tea": 2.8})


class Order(BaseModel):
    drink: str


@post("/orders", status_code=202)
async def place_order(data: JSONBody[Order], broker: Nats) -> None:
    await broker.publish(data, "orders")


async def current_user(x_user: Annotated[str, Header()], greeting: str) -> str:
    return f"{greeting} {x_user}"


class Prices(Controller):
    path = "/prices"

    @get("/{drink:str}")
    @inject
    async def read(
        self,
        drink: FromPath[str],
        greeting: NamedDependency[str],
        logger: Logger,
        prices: Annotated[dict[str, float], Context()],
        user: Annotated[str, Depends(current_user)],
    ) -> list[str | float]:
        logger.info("%s, %s asks for %s", greeting, user, drink)
        return [user, prices[drink]]


app = Litestar(
    [place_order, Prices],
    plugins=[FastStreamPlugin(broker)],
    dependencies={"greeting": Provide(lambda: "Hello", sync_to_thread=False)},
)
