from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream, AsyncAPIRoute

broker = NatsBroker()

app = AsgiFastStream(
    broker,
    asyncapi_path=AsyncAPIRoute(
        "/docs/asyncapi", try_it_out_url="https://api.example.com/asyncapi/try"
    ),
)
