"""An application of one broker with its probes, and a client that asks them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from faststream_integrations import (
    AsgiFastStream,
    broker_lifespan,
    make_liveness_asgi,
    make_readiness_asgi,
)
from faststream_integrations.testing import asgi_client

TIMEOUT = 0.5
"""Seconds that a probe gives the server."""

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""


def running(*brokers_or_app: Any, **limits: Any) -> AbstractAsyncContextManager[Any]:
    """Run brokers or an application for the length of a block."""
    return broker_lifespan(*brokers_or_app, **limits)()


class Service:
    """An application that runs."""

    def __init__(self, broker: Any, client: httpx.AsyncClient) -> None:
        self.broker, self.client = broker, client

    async def get(self, path: str) -> int:
        began = time.monotonic()
        response = await self.client.get(path)
        assert time.monotonic() - began < TIMEOUT + 2.0, "the probe hung"
        return response.status_code

    async def until(self, path: str, status: int) -> None:
        """Wait until a probe answers with a status."""
        began = time.monotonic()
        while await self.get(path) != status:
            response = await self.client.get(path)
            assert time.monotonic() - began < PATIENCE, json.dumps(response.json(), indent=1)
            await asyncio.sleep(0.05)

    async def checks(self, path: str) -> dict[str, Any]:
        return (await self.client.get(path)).json()["checks"]


@asynccontextmanager
async def serving(*brokers: Any, checks: Any = None, **options: Any) -> AsyncIterator[Service]:
    app = AsgiFastStream(
        *brokers,
        asgi_routes=[
            ("/live", make_liveness_asgi(*brokers)),
            ("/ready", make_readiness_asgi(*brokers, checks=checks, timeout=TIMEOUT)),
        ],
        **options,
    )
    async with asgi_client(app) as client:
        yield Service(brokers[0], client)
