from collections.abc import AsyncIterator
from typing import Annotated

from faststream import Depends

from faststream_integrations import AsgiFastStream, get
from faststream_integrations.asgi import Header, JSONResponse, Path, RequestError

TOKENS = {"secret": "ada"}


async def current_user(x_token: Annotated[str, Header()]) -> str:
    if x_token not in TOKENS:
        raise RequestError(401, "Unknown token")
    return TOKENS[x_token]


async def transaction() -> AsyncIterator[list[str]]:
    statements: list[str] = []
    yield statements
    statements.append("COMMIT")  # runs before the response is sent


@get
async def read_order(
    user: Annotated[str, Depends(current_user)],
    statements: Annotated[list[str], Depends(transaction)],
    order_id: Annotated[int, Path()],
) -> JSONResponse:
    statements.append("SELECT")
    return JSONResponse({"user": user, "order": order_id})


app = AsgiFastStream(asgi_routes=[("/orders/{order_id}", read_order)])
