from hashlib import sha256

from faststream_integrations import AsgiFastStream, post
from faststream_integrations.asgi import JSONResponse, Request


@post(request_max_body_size=10 * 1024 * 1024)
async def upload(request: Request) -> JSONResponse:
    digest = sha256()
    async for chunk in request.stream():
        digest.update(chunk)
    return JSONResponse({"sha256": digest.hexdigest()})


app = AsgiFastStream(asgi_routes=[("/files", upload)])
