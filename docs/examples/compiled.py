from typing import Annotated

from faststream import Depends, Logger

from faststream_integrations.asgi import Header, JSONResponse, Query, get


async def current_user(x_token: Annotated[str, Header()]) -> str:
    return x_token.partition(":")[0]


@get
async def search(
    user: Annotated[str, Depends(current_user)],
    logger: Logger,
    q: Annotated[str, Query()],
    limit: Annotated[int, Query()] = 10,
) -> JSONResponse:
    logger.info("%s searches", user)
    return JSONResponse([q, limit])
