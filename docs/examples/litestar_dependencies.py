from collections.abc import AsyncIterator
from typing import Annotated

from faststream import Depends, Logger
from faststream.nats import NatsBroker
from litestar import Litestar
from litestar.di import Provide

from faststream_integrations import get
from faststream_integrations.asgi import Header, JSONResponse, Path
from faststream_integrations.litestar import FastStreamPlugin


class Session:
    async def find(self, order_id: int) -> str:
        return f"order {order_id}"


async def provide_session() -> AsyncIterator[Session]:
    yield Session()


async def current_user(x_user: Annotated[str, Header()], session: Session) -> str:
    return x_user.title()


@get
async def read_order(
    order_id: Annotated[int, Path()],
    session: Session,
    user: Annotated[str, Depends(current_user)],
    logger: Logger,
) -> JSONResponse:
    logger.info("%s reads order %d", user, order_id)
    return JSONResponse([user, await session.find(order_id)])


broker = NatsBroker("nats://127.0.0.1:4222")
app = Litestar(
    plugins=[FastStreamPlugin(broker, asgi_routes=[("/orders/{order_id}", read_order)])],
    dependencies={"session": Provide(provide_session)},
)
