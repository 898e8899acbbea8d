from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations.asgi import AsgiResponse, get, make_ping_asgi

broker = NatsBroker()


@get
async def liveness_ping(scope):
    return AsgiResponse(b"", status_code=200)


app = FastStream(broker, specification=AsyncAPI()).as_asgi(
    asgi_routes=[
        ("/liveness", liveness_ping),
        ("/readiness", make_ping_asgi(broker, timeout=5.0)),
    ],
    asyncapi_path="/docs/asyncapi",
)
