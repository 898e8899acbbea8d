"""A broker whose subscriber ends the process, in an application of HOST, by the way of HOW."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations import broker_lifespan, make_readiness_asgi
from faststream_integrations.asgi import AsgiFastStream

broker = NatsBroker(os.environ["NATS_URL"])


@broker.subscriber(os.environ["SUBJECT"])
async def end(message: str) -> None:
    print("ending", flush=True)
    if os.environ["HOW"] == "exit":
        application.exit()
    else:
        raise SystemExit


@broker.subscriber(f"{os.environ['SUBJECT']}.other")
async def handle(message: str) -> None: ...


@asynccontextmanager
async def lifespan(*_: Any) -> AsyncIterator[None]:
    print("begun", flush=True)
    yield
    print("ended", flush=True)


application: Any
app: Any
if os.environ["HOST"] == "asgi":
    application = app = AsgiFastStream(
        broker, asgi_routes=[("/ready", make_readiness_asgi(broker))], lifespan=lifespan
    )
else:
    application = broker if os.environ["HOW"] == "SystemExit" else FastStream(broker)
    app = FastAPI(lifespan=broker_lifespan(application, lifespan=lifespan))
    app.mount("/ready", make_readiness_asgi(broker))
