from collections.abc import AsyncIterator
from datetime import date

from starlette.responses import StreamingResponse

from faststream_integrations import AsgiFastStream, get
from faststream_integrations.asgi import AsgiResponse, JSONResponse


@get
async def text() -> AsgiResponse:
    return AsgiResponse(b"It is tea time.", 200, {"Cache-Control": "no-store"})


@get
async def login() -> JSONResponse:
    cookies = [("Set-Cookie", "session=abc; HttpOnly"), ("Set-Cookie", "theme=dark")]
    return JSONResponse({"since": date(2026, 1, 2)}, 201, cookies)


@get
async def numbers() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


app = AsgiFastStream(asgi_routes=[("/text", text), ("/login", login), ("/numbers", numbers)])
