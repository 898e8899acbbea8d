from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from faststream import Context, ContextRepo, Logger
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, get
from faststream_integrations.asgi import JSONResponse, Request


@asynccontextmanager
async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
    context.set_global("prices", {"tea": 2.8})  # a connection pool, a client, ...
    yield


@get
async def price_of_tea(
    request: Request,
    logger: Logger,
    broker: Annotated[NatsBroker, Context()],
    prices: Annotated[dict[str, float], Context()],
    tea: Annotated[float, Context("prices.tea")],
    currency: Annotated[str, Context(default="EUR")],
) -> JSONResponse:
    logger.info("%s asks for %s", request.client, request.path)
    await broker.publish(request.path, "visits")
    return JSONResponse({"prices": prices, "tea": tea, "currency": currency})


app = AsgiFastStream(NatsBroker(), lifespan=lifespan, asgi_routes=[("/tea", price_of_tea)])
