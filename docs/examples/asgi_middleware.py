from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from faststream_integrations import AsgiFastStream, JSONResponse, get


@get
async def prices() -> JSONResponse:
    return JSONResponse({"tea": 2.8, "coffee": 3.1})


app = AsgiFastStream(
    asgi_routes=[("/prices", prices)],
    asgi_middlewares=[
        partial(CORSMiddleware, allow_origins=["https://example.com"]),
        GZipMiddleware,
    ],
)
