"""Health probes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asgi.response import AsgiResponse
from faststream_integrations.environment import (
    AnyBroker,
    BrokerOrApp,
    brokers_of,
    check_brokers,
)
from faststream_integrations.sharing import QUESTION_SHARE, SharedRun
from faststream_integrations.types import Scope

if TYPE_CHECKING:
    from faststream.specification.schema import Tag, TagDict

__all__ = ("make_ping_asgi",)


def make_ping_asgi(
    *brokers_or_app: BrokerOrApp,
    timeout: float | None = 5.0,
    include_in_schema: bool = True,
    description: str | None = None,
    tags: Sequence[Tag | TagDict | dict[str, Any]] | None = None,
    unique_id: str | None = None,
) -> HttpHandler:
    """Make a probe that pings brokers: 204 when every one answers, else 500.

    A ping that hangs, raises, or ignores its cancellation is a 500 within the timeout. However
    many probes come at once, each broker has one ping in flight, whose result they share.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application with its brokers.
        timeout: How many seconds the probe may take; `None` means 5 seconds, since a probe
            that never answers is of no use.
        include_in_schema: Whether the route is in the AsyncAPI (and the host's OpenAPI) document.
        description: For the documents.
        tags: For the documents.
        unique_id: The operation id in the documents.

    Returns:
        A handler of GET and HEAD, for `asgi_routes` and for ``app.mount()`` of any framework.

    Raises:
        TypeError: No broker was given, or something that is none.
    """
    check_brokers("make_ping_asgi", brokers_or_app)
    seconds = QUESTION_SHARE * (5.0 if timeout is None else timeout)
    pings: dict[AnyBroker, SharedPing] = {}
    healthy, unhealthy = AsgiResponse(b"", 204), AsgiResponse(b"", 500)

    async def ping_all() -> AsgiResponse:
        brokers = brokers_of(*brokers_or_app)
        for broker in brokers:
            if broker not in pings:
                pings[broker] = SharedPing(broker)
        results = await asyncio.gather(*(pings[broker](seconds) for broker in brokers))
        return healthy if results and all(results) else unhealthy

    shared = SharedRun(ping_all)

    async def ping(scope: Scope) -> AsgiResponse:
        return await shared()

    return HttpHandler(
        ping,
        methods=("GET",),
        include_in_schema=include_in_schema,
        description=description or "Whether the message brokers answer a ping.",
        tags=tags,
        unique_id=unique_id,
        responses={
            204: {"description": "Every broker answers."},
            500: {"description": "A broker does not answer."},
        },
    )


class SharedPing:
    """Pings of a broker, of which one is in flight, for all who ask meanwhile."""

    __slots__ = ("_broker", "_task")

    def __init__(self, broker: AnyBroker) -> None:
        self._broker = broker
        self._task: asyncio.Task[bool] | None = None

    async def __call__(self, timeout: float) -> bool:
        """Tell whether the broker answers within `timeout` seconds."""
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._task = asyncio.create_task(self._broker.ping(timeout))
        # `asyncio.wait` neither cancels the task nor waits for one that ignores cancellation.
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            task.cancel()
            return False
        return not task.cancelled() and task.exception() is None and task.result() is True
