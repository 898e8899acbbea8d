"""A broker whose start a test has replaced, as FastStream's TestBroker does: there is no server."""

from __future__ import annotations

from typing import Any

from faststream_integrations.brokers.kinds.base import UP, Kind, Verdict

__all__ = ("InMemoryKind",)


class InMemoryKind(Kind):
    """See `Kind`."""

    def runs(self) -> bool:
        return True

    def consuming(self, subscriber: Any) -> Verdict:
        return UP

    async def round_trip(self) -> None:
        pass

    async def drain(self, subscriber: Any) -> None:
        pass

    async def reset(self) -> None:
        pass
