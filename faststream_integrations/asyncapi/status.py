"""What subscribers and servers do at present, for the page that asks every few seconds."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from faststream.specification.base import SpecificationFactory

from faststream_integrations._faststream import server_names
from faststream_integrations.asyncapi.payloads import operation_ids
from faststream_integrations.asyncapi.response import READS
from faststream_integrations.brokers.names import channel_names, named_subscribers
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.http.protocol import method_not_allowed, refuse, without_body
from faststream_integrations.http.response import JSONResponse
from faststream_integrations.types import Receive, Scope, Send

__all__ = ("Status",)


class Status:
    """An ASGI application that tells what is known, and asks no broker anything.

    What is known was found by the watch of `broker_lifespan` and the hosts, every two seconds; it
    is what readiness answers from.

        {
            "operations": {"<id of an operation>": {"consumption": "up", "reason": ""}},
            "servers": {"<name of a server>": {"connected": true, "reason": ""}},
            "at": "2026-01-01T00:00:00+00:00"
        }

    `consumption` is `up`, `down`, `dead`, `idle` or `unknown`, as in the probes.

    Args:
        specification: FastStream's factory; brokers that it gets later are seen.
    """

    def __init__(self, specification: SpecificationFactory) -> None:
        self._specification = specification

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
        elif scope["method"] not in READS:
            await method_not_allowed(READS)(scope, receive, send)
        else:
            response = JSONResponse(self._known(), headers={"cache-control": "no-store"})
            head = scope["method"] == "HEAD"
            await response(scope, receive, without_body(send) if head else send)

    def _known(self) -> dict[str, Any]:
        brokers = list(getattr(self._specification, "brokers", ()))
        names, channels = server_names(brokers), channel_names(brokers)
        operations, servers = {}, {}
        for broker in brokers:
            report = Supervisor.of(broker).glance()
            for name in names.get(broker, ()):
                reason = "" if report.connected else report.reason
                servers[name] = {"connected": report.connected, "reason": reason}
            verdicts = {each.name: each.verdict for each in report.consumers}
            for name, subscriber in named_subscribers(broker):
                documented = channels.get(subscriber, {})
                if verdict := verdicts.get(name):
                    for operation in operation_ids(subscriber, documented):
                        operations[operation] = {
                            "consumption": verdict.consumption.value,
                            "reason": verdict.reason,
                        }
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return {"operations": operations, "servers": servers, "at": at}
