from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations import AsgiFastStream, get, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse

broker = NatsBroker()


@get(description="The version that runs", tags=[{"name": "operations"}], unique_id="version")
async def version() -> AsgiResponse:
    return AsgiResponse(b"2.1.0")


app = AsgiFastStream(
    broker,
    specification=AsyncAPI(title="Orders", version="2.1.0"),
    asgi_routes=[
        ("/version", version),
        ("/health", make_ping_asgi(broker, include_in_schema=False)),
    ],
    asyncapi_path="/asyncapi",
)
