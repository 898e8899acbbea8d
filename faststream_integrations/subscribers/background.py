"""Work that a message leaves to be done after its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from faststream import BaseMiddleware

from faststream_integrations.subscribers.hosts import Host

__all__ = ("BackgroundMiddleware", "run_after_reply")

Work = Callable[[], Awaitable[None]]

_work: ContextVar[list[tuple[Host, Work]] | None] = ContextVar("work", default=None)


class BackgroundMiddleware(BaseMiddleware):
    """Starts the work of a message when it was processed, and its reply is out.

    The acknowledgement does not wait for it: a server would deliver the message again. After an
    error nothing is started.
    """

    __slots__ = ("_found",)

    async def consume_scope(self, call_next: Any, msg: Any) -> Any:
        self._found: list[tuple[Host, Work]] = []
        token = _work.set(self._found)
        try:
            return await call_next(msg)
        finally:
            _work.reset(token)

    async def after_processed(
        self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None
    ) -> bool | None:
        if exc_type is None:
            for host, work in getattr(self, "_found", ()):
                host.run_later(work)
        return await super().after_processed(exc_type, exc_val, exc_tb)


def run_after_reply(host: Host, work: Work) -> None:
    """Leave work to the middleware of the message that is being handled."""
    found = _work.get()
    if found is None:  # a subscriber that was built before the middleware was added
        host.run_later(work)
    else:
        found.append((host, work))
