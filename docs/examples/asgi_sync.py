from typing import Annotated

from faststream import Depends

from faststream_integrations import AsgiFastStream, get
from faststream_integrations.asgi import JSONResponse, Query


def page(page: Annotated[int, Query()] = 1) -> slice:
    return slice((page - 1) * 10, page * 10)


@get(sync_to_thread=False)
def numbers(page: Annotated[slice, Depends(page)]) -> JSONResponse:
    return JSONResponse(list(range(100)[page]))


app = AsgiFastStream(asgi_routes=[("/numbers", numbers)])
