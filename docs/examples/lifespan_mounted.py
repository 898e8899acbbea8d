from fastapi import FastAPI
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, broker_lifespan, get, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse

broker = NatsBroker("nats://127.0.0.1:4222")


@get
async def version() -> AsgiResponse:
    return AsgiResponse(b"2.1.0")


service = AsgiFastStream(
    broker,
    asgi_routes=[("/version", version), ("/health", make_ping_asgi(broker))],
)

app = FastAPI(lifespan=broker_lifespan(service))
app.mount("/service", service)
