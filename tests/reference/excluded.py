from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, get, make_ping_asgi

broker = NatsBroker()


@get(include_in_schema=False)
async def liveness_ping(scope):
    return AsgiResponse(b"", status_code=200)


app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/health", make_ping_asgi(broker, timeout=5.0, include_in_schema=False)),
        ("/liveness", liveness_ping),
    ],
)
