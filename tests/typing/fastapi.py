"""Types of the FastAPI adapter's public names; mypy checks this file, nothing runs it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, WebSocket
from fastapi import Depends as FastAPIDepends
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.rabbit import RabbitBroker
from faststream.specification import AsyncAPI
from typing_extensions import assert_type

from faststream_integrations import AsyncAPIRoute, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, get
from faststream_integrations.fastapi import Context, Depends, FastStreamRouter, Logger

broker = NatsBroker()
app = FastAPI()


@get
async def handler() -> AsgiResponse:
    return AsgiResponse()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
    yield {}


router = FastStreamRouter(
    broker,
    RabbitBroker(),
    FastStream(),
    asgi_routes=[("/handler", handler), ("/health", make_ping_asgi(broker))],
    asyncapi_path="/asyncapi",
    specification=AsyncAPI(),
    startup_timeout=5.0,
    lifespan=lifespan,
    prefix="/v1",
    tags=["v1"],
)
assert_type(router, FastStreamRouter)
as_router: APIRouter = router
FastStreamRouter(broker, asyncapi_path=AsyncAPIRoute("/asyncapi"))
router.add_asgi_route("/later", handler)
FastStreamRouter(broker, prefx="/v1")  # type: ignore[call-arg]
FastStreamRouter(broker, prefix=1)  # type: ignore[arg-type]
FastStreamRouter(broker, startup_timeout="5")  # type: ignore[arg-type]
app.include_router(router)


async def dependency(
    broker: Annotated[NatsBroker, Context("broker")],
    limit: Annotated[int, Context("limit", default=10)],
    cache: Annotated[list[int], Context("cache", initial=list)],
    logger: Logger,
) -> str:
    assert_type(broker, NatsBroker)
    assert_type(limit, int)
    assert_type(cache, list[int])
    assert_type(logger, logging.Logger)
    return ""


@app.get("/app")
@router.get("/router")
async def endpoint(
    value: Annotated[str, Depends(dependency)],
    same: Annotated[str, FastAPIDepends(dependency)],
    logger: Logger,
    by_default: str = Depends(dependency),
    broker: NatsBroker = Context("broker"),
) -> int:
    assert_type(value, str)
    assert_type(by_default, str)
    assert_type(logger, logging.Logger)
    return len(value)


@router.websocket("/websocket")
async def websocket(websocket: WebSocket, broker: Annotated[NatsBroker, Context("broker")]) -> None:
    assert_type(broker, NatsBroker)


app.dependency_overrides[Context("limit")] = lambda: 5
