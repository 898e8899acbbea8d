import logging

from faststream import FastStream, Logger  # change: import `FastStream` from faststream_integrations
from faststream.asgi import AsgiResponse, Header, get, make_ping_asgi  # change: import `AsgiResponse` | import `Header` | import `get` | import `make_ping_asgi`
from faststream.asgi.types import Scope  # change: from faststream_integrations.asgi.types
from faststream.nats import NatsBroker

broker = NatsBroker()
seen: list[str] = []


@broker.subscriber("greetings")
async def on_greeting(text: str) -> None:
    seen.append(text)


@get
async def liveness(scope: Scope) -> AsgiResponse:
    return AsgiResponse(b"alive", status_code=200)


@get(include_in_schema=False)
async def greet(
    logger: Logger,
    x_token: str = Header(),  # check: `Header()` reads `x-token` here
    agent: str = Header("user-agent"),
) -> AsgiResponse:
    await broker.publish(agent, "greetings")
    return AsgiResponse(x_token.encode(), status_code=200)


app = FastStream(broker).as_asgi(
    asgi_routes=[
        ("/liveness", liveness),
        ("/greet", greet),
        ("/readiness", make_ping_asgi(broker, timeout=5.0)),
    ],
    asyncapi_path="/docs/asyncapi",
)
