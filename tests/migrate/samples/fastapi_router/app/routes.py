from __future__ import annotations

from typing import Annotated, Any

from fastapi import BackgroundTasks, Body, Depends, Header, Path, Query, Request, Security
from faststream.nats.fastapi import (
    Context,  # change: import `Context` from faststream_integrations.fastapi
    Logger,  # change: import `Logger` from faststream_integrations.fastapi
    NatsBroker,  # change: `NatsBroker`: in a subscriber that of faststream.nats.annotations
    NatsMessage,  # change: import `NatsMessage` from faststream.nats.annotations
    NatsRouter,  # change: `NatsRouter` is a broker and a router here
)
from pydantic import BaseModel

from app.dependencies import CurrentUser, set_cookie
from app.settings import settings

router = NatsRouter(  # change: write `broker = NatsBroker(settings.nats, connect_timeout=3, tags=['x'])` and `FastStreamRouter(broker, prefix='/orders', dependencies=[Depends(set_cookie)], asyncapi_path='/asyncapi')` | check: `dependencies` of the router
    settings.nats,
    prefix="/orders",
    connect_timeout=3,
    specification_tags=["x"],
    dependencies=[Depends(set_cookie)],
    setup_state=False,
)
orders = NatsRouter(settings.nats, schema_url=None)  # change: and `FastStreamRouter(broker)`
router.include_router(orders)  # change: `broker.include_router(...)` with a NatsRouter of faststream


class Order(BaseModel):
    id: int


@router.subscriber("orders.new", queue="workers")  # change: is `@broker.subscriber`
@router.publisher("orders.priced")  # change: is `@broker.publisher`
async def on_order(
    order: Order,
    user: CurrentUser,
    message: NatsMessage,
    logger: Logger,
    request: Request,
    tasks: BackgroundTasks,
    x_trace: Annotated[str, Header()],
    pool: Annotated[Any, Context("pool")],
) -> Order:
    logger.info("%s", request.headers["x-trace"])
    return order


@router.subscriber("cancelled.{shop}.{order}", response_model=Order)  # change: is `@broker.subscriber` | there is no `response_model`
async def on_cancelled(
    shop: str,  # change: `shop` is of the address: write `Annotated[str, Path()]`
    order: Annotated[int, Path()],
    reason: str,  # check: `reason` alone is the whole body here
    _: None = Depends(set_cookie),
) -> None: ...


@router.subscriber("many")  # change: is `@broker.subscriber`
async def on_many(
    order: Order,  # check: `order` is a key of the body here, beside the other parameters
    count: int,
    amount: int = Query(3),  # change: `Query` means nothing in a subscriber: leave the marker out
    user: str = Security(set_cookie),  # change: `Security` means nothing in a subscriber
    note: Annotated[str, Body()] = "",  # change: `Body` means nothing
) -> None: ...


@orders.subscriber("several")  # change: is `@broker.subscriber`
async def on_several(first: int, second: int) -> None: ...


@router.after_startup  # change: `@application.after_startup` of `application = FastStream(broker)`
async def announce(app: Any) -> None:
    await router.broker.publish("hello", "started")  # change: `router.broker` is the broker that you made


@router.get("/{order_id}")
async def read_order(order_id: int, broker: NatsBroker, user: CurrentUser) -> Order:
    return Order(id=order_id)
