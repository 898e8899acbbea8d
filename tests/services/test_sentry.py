"""Sentry as its users switch it on, `sentry_sdk.init(...)`, which patches the frameworks it finds.

It reads the body of a request before the route does, in each framework's own way. A process of its
own runs it, since what it has patched stays so.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import sentry_sdk
from fastapi import FastAPI
from faststream.asgi import Request
from faststream.nats import NatsBroker
from litestar import Litestar
from pydantic import BaseModel
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from faststream_integrations import AsgiFastStream, AsgiResponse, Body, post
from faststream_integrations.asyncapi import AsyncAPIRoute
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.http.request import AsgiRequest
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from faststream_integrations.types import Receive, Scope, Send

ROOT = Path(__file__).parents[2]


class Order(BaseModel):
    number: int


@post
async def double(order: Annotated[Order, Body()]) -> int:
    return order.number * 2


@post
async def count(request: Request) -> AsgiResponse:
    return AsgiResponse(str(len(await request.body())).encode())


@post
async def failing(order: Annotated[Order, Body()]) -> int:
    raise LookupError(order.number)


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    body = await AsgiRequest(scope, receive, send).body()
    await AsgiResponse(str(len(body)).encode())(scope, receive, send)


def options() -> dict[str, Any]:
    return {
        "asgi_routes": [
            ("/double", double),
            ("/count", count),
            ("/failing", failing),
            ("/mounted", mounted),
        ],
        "asyncapi_path": AsyncAPIRoute("/docs"),
    }


def asgi(broker: NatsBroker) -> Any:
    return AsgiFastStream(broker, **options())


def fastapi(broker: NatsBroker) -> Any:
    app = FastAPI(docs_url=None)
    app.include_router(FastStreamRouter(broker, **options()))
    return app


def litestar(broker: NatsBroker) -> Any:
    return Litestar(plugins=[FastStreamPlugin(broker, **options())])


HOSTS: dict[str, Callable[[NatsBroker], Any]] = {
    "asgi": asgi,
    "fastapi": fastapi,
    "litestar": litestar,
}


class Kept(Transport):
    """What would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [item.payload.json for item in envelope.items]


async def run(host: str) -> None:
    transport = Kept()
    sentry_sdk.init("http://key@localhost/1", transport=transport, traces_sample_rate=1.0)
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def order(number: int) -> int:
        return number * 2

    body = {"number": 2}
    async with asgi_client(HOSTS[host](broker), broker, raise_app_exceptions=False) as client:
        assert (await client.post("/double", json=body)).json() == 4
        assert (await client.post("/count", json=body)).text == "12"
        assert (await client.post("/mounted", json=body)).text == "12"
        form = {"channelName": "orders", "message": {"message": 2}}
        assert (await client.post("/docs/try", json=form)).json() == 4
        assert (await client.post("/failing", json=body)).status_code == 500
    events = [item for item in transport.items if item.get("exception")]
    if host != "asgi":  # that is for `SentryAsgiMiddleware`, see tests/asgi/test_middleware.py
        assert [event["exception"]["values"][-1]["type"] for event in events] == ["LookupError"]


@pytest.mark.parametrize("host", HOSTS)
def test_what_sentry_has_read_is_there_for_the_route(host: str) -> None:
    subprocess.run([sys.executable, "-m", __name__, host], cwd=ROOT, check=True, timeout=60)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(run(sys.argv[1]), 30))
