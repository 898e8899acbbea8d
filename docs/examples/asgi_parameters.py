from typing import Annotated, Literal

from pydantic import BaseModel, Field

from faststream_integrations import AsgiFastStream, get, post
from faststream_integrations.asgi import Body, Cookie, Header, JSONResponse, Path, Query


class Order(BaseModel):
    drink: Literal["espresso", "tea"]
    quantity: Annotated[int, Field(ge=1)] = 1


@post
async def place_order(
    shop: Annotated[str, Path()],
    order: Annotated[Order, Body()],
    x_request_id: Annotated[str | None, Header()] = None,
    session: Annotated[str | None, Cookie()] = None,
) -> JSONResponse:
    return JSONResponse([shop, order, x_request_id, session])


@get
async def search(
    text: Annotated[str, Query("q")],
    tag: Annotated[list[str], Query()] = [],
    limit: Annotated[int, Field(le=100), Query()] = 10,
) -> JSONResponse:
    return JSONResponse([text, tag, limit])


app = AsgiFastStream(
    asgi_routes=[("/shops/{shop}/orders", place_order), ("/search", search)],
)
