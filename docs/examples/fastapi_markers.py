from typing import Annotated

import fastapi
from fastapi import FastAPI, HTTPException
from faststream.nats import NatsBroker

from faststream_integrations import get
from faststream_integrations.fastapi import FastStreamRouter


async def current_user(authorization: Annotated[str, fastapi.Header()]) -> str:
    if authorization != "Bearer secret":
        raise HTTPException(401, "Who are you?")
    return "anna"


async def orders(
    user: Annotated[str, fastapi.Depends(current_user)],
    limit: Annotated[int, fastapi.Query(le=100)] = 10,
) -> dict[str, str | int]:
    return {"user": user, "limit": limit}


broker = NatsBroker()
app = FastAPI()
app.get("/endpoint")(orders)
app.include_router(FastStreamRouter(broker, asgi_routes=[("/handler", get(orders))]))
