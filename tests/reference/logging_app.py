from faststream import Logger
from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, Request, post


@post
async def log_request_payload(request: Request, logger: Logger):
    payload = await request.json()
    logger.info(payload)
    return AsgiResponse(status_code=200)


broker = NatsBroker()
app = AsgiFastStream(broker, asgi_routes=[("/log-request-payload", log_request_payload)])
