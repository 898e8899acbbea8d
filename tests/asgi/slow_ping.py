"""An application whose broker takes its time to answer a ping, and counts the pings."""

import asyncio
import os
from typing import Any

from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream, JSONResponse, get, make_ping_asgi
from faststream_integrations.asgi.types import Scope


class SlowPing(NatsBroker):
    pings = in_flight = most_in_flight = 0

    async def ping(self, timeout: float | None) -> bool:
        self.pings += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.2)
            return await super().ping(timeout)
        finally:
            self.in_flight -= 1


broker: Any = SlowPing(os.environ["NATS_URL"])


@get
async def pings(scope: Scope) -> JSONResponse:
    return JSONResponse([broker.pings, broker.most_in_flight])


app = AsgiFastStream(
    broker, asgi_routes=[("/health", make_ping_asgi(broker, timeout=30.0)), ("/pings", pings)]
)
