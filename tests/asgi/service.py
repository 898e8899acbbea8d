"""The application that the servers of `test_servers` run."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

from faststream import Context
from faststream.nats import NatsBroker
from starlette.middleware.cors import CORSMiddleware

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, Query, get, make_ping_asgi
from faststream_integrations.asgi.types import Scope

broker = NatsBroker(os.environ["NATS_URL"])
stopped = Path(os.environ["STOPPED"])


@broker.subscriber("service.echo")
async def echo(message: str) -> str:
    return message


@get
async def ask(
    text: Annotated[str, Query()], broker: Annotated[NatsBroker, Context()], scope: Scope
) -> AsgiResponse:
    reply = await broker.request(text, "service.echo", timeout=30)
    return AsgiResponse(reply.body)


app = AsgiFastStream(
    broker,
    asgi_routes=[("/ask", ask), ("/health", make_ping_asgi(broker, timeout=30))],
    startup_timeout=float(os.environ.get("STARTUP_TIMEOUT", "30")),
    asgi_middlewares=[partial(CORSMiddleware, allow_origins=["https://example.com"])],
)


@app.after_shutdown
def note() -> None:
    with stopped.open("a") as file:
        file.write("stopped\n")
