from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations import FastStream, make_ping_asgi

broker = NatsBroker()
service = FastStream(broker, specification=AsyncAPI(title="Orders", version="2.1.0"))


@service.after_startup
async def announce() -> None:
    await broker.publish("ready", "services")


app = service.as_asgi(
    asgi_routes=[("/health", make_ping_asgi(service, timeout=5.0))],
    asyncapi_path="/asyncapi",
)
