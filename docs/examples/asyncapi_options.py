from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations import AsgiFastStream, AsyncAPIRoute

app = AsgiFastStream(
    NatsBroker(),
    specification=AsyncAPI(title="Orders", version="1.4.0"),
    asyncapi_path=AsyncAPIRoute(
        "/docs/asyncapi",
        sidebar=False,
        expand_message_examples=False,
        try_it_out=False,
    ),
)
