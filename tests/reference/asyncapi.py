from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations.asgi import AsgiFastStream

broker = NatsBroker()

app = AsgiFastStream(
    broker,
    specification=AsyncAPI(),
    asyncapi_path="/docs/asyncapi",
)
