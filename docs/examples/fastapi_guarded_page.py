from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from faststream.nats import NatsBroker

from faststream_integrations import get
from faststream_integrations.asgi import JSONResponse
from faststream_integrations.fastapi import FastStreamRouter

broker = NatsBroker("nats://127.0.0.1:4222")


async def admin(x_role: Annotated[str, Header()] = "") -> None:
    if x_role != "admin":
        raise HTTPException(401)


@get
async def prices() -> JSONResponse:
    return JSONResponse({"tea": 3})


prices_router = FastStreamRouter(broker, asgi_routes=[("/prices", prices)])
page_router = FastStreamRouter(
    broker,
    asyncapi_path="/asyncapi",
    specification=prices_router.specification,
    dependencies=[Depends(admin)],
)

app = FastAPI()
app.include_router(prices_router)
app.include_router(page_router)
