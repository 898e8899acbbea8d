"""Health probes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from faststream_integrations.brokers.sharing import InFlight, SharedRun, settle
from faststream_integrations.environment import (
    AnyBroker,
    BrokerOrApp,
    brokers_of,
    check_brokers,
)
from faststream_integrations.health.deadlines import deadline_in
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.response import AsgiResponse
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
    seconds = 5.0 if timeout is None else timeout
    pings: WeakKeyDictionary[AnyBroker, InFlight[bool]] = WeakKeyDictionary()
    healthy, unhealthy = AsgiResponse(b"", 204), AsgiResponse(b"", 500)

    async def ping_all(deadline: float) -> AsgiResponse:
        brokers = brokers_of(*brokers_or_app)
        for broker in brokers:
            if broker not in pings:
                pings[broker] = InFlight(partial(_ping, ref(broker), seconds))
        asked = [pings[broker].ask() for broker in brokers]
        await settle(asked, deadline)
        for late in asked:
            late.cancel()
        answered = asked and all(each.done() and not each.cancelled() for each in asked)
        well = answered and all(not each.exception() and each.result() is True for each in asked)
        return healthy if well else unhealthy

    shared = SharedRun(ping_all)

    async def ping(scope: Scope) -> AsgiResponse:
        return await shared(deadline_in(seconds))

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


async def _ping(broker: ref[AnyBroker], timeout: float) -> bool:
    found = broker()
    return found is not None and await found.ping(timeout)
