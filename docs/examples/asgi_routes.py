from typing import Annotated

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from faststream_integrations import AsgiFastStream, get
from faststream_integrations.asgi import AsgiResponse, JSONResponse, Path, delete


@get
async def read_order(order_id: Annotated[int, Path()]) -> JSONResponse:
    return JSONResponse({"id": order_id})


@delete
async def cancel_order(order_id: Annotated[int, Path()]) -> AsgiResponse:
    return AsgiResponse(status_code=204)


@get
async def newest_order() -> JSONResponse:
    return JSONResponse({"id": 7})


async def version(request: object) -> PlainTextResponse:
    return PlainTextResponse("1.0")


admin = Starlette(routes=[Route("/version", version)])

app = AsgiFastStream(
    asgi_routes=[
        ("/orders/newest", newest_order),
        ("/orders/{order_id}", read_order),
        ("/orders/{order_id}", cancel_order),
        ("/admin", admin),
    ],
)
app.mount("/newest", newest_order)
