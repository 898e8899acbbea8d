"""The applications that run brokers, and whose dependency injection their subscribers use."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextlib import suppress as ignore
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio

from faststream_integrations.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faststream_integrations.subscribers.signature import HostRules

__all__ = ("Host", "loaded_frameworks", "rules_of_frameworks")

_NOTHING: Mapping[Any, Any] = MappingProxyType({})

FRAMEWORKS = {
    "fastapi": "faststream_integrations.fastapi.subscribers",
    "litestar": "faststream_integrations.litestar.subscribers",
}
"""The modules that know a framework's dependency injection, each with its ``RULES``."""


def loaded_frameworks() -> list[str]:
    """Return the frameworks that are loaded: only of these can a marker be."""
    return [framework for framework in FRAMEWORKS if framework in sys.modules]


def rules_of_frameworks() -> list[HostRules]:
    """Return the rules of the frameworks that are loaded."""
    found: list[HostRules] = []
    for framework in loaded_frameworks():
        with ignore(ImportError):  # too old a version, whose markers are refused
            found.append(import_module(FRAMEWORKS[framework]).RULES())
    return found


class Host:
    """What runs brokers for the length of its lifespan.

    Args:
        environment: What subscribers find around them.
        app: The application; `None` where none runs the brokers.

    Attributes:
        state: The lifespan state of the application (ASGI specification, "Lifespan State").
    """

    def __init__(self, environment: Environment, app: Any = None) -> None:
        self.environment = environment
        self.app = app
        self._has_overrides = hasattr(app, "dependency_overrides")
        self._messages = 0
        self._is_idle = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> Mapping[str, Any]:
        return self.environment.lifespan_state

    @property
    def overrides(self) -> Mapping[Any, Any]:
        """What replaces dependencies in the tests of the application, as it is now."""
        if not self._has_overrides:
            return _NOTHING
        found: Mapping[Any, Any] = self.app.dependency_overrides
        return found

    @contextmanager
    def message(self) -> Iterator[None]:
        """Handle a message that uses what the application has opened."""
        self._messages += 1
        try:
            yield
        finally:
            self._messages -= 1
            if not self._messages:
                self._is_idle.set()

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run what a message leaves to be done after the reply."""
        task = asyncio.create_task(self._run(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            if (logger := self.environment.logger) is not None:
                logger.log(logging.ERROR, "A background task of a message failed.", exc_info=True)

    async def finish(self, seconds: float) -> None:
        """Wait for the messages and for the work after them; cancel what takes longer."""
        deadline = asyncio.get_running_loop().time() + seconds
        with anyio.move_on_after(seconds):
            while self._messages:
                self._is_idle.clear()
                await self._is_idle.wait()
        while self._work and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._work), timeout=left)
        if self._work:
            for task in self._work:
                task.cancel()
            await asyncio.wait(set(self._work), timeout=1.0)


@asynccontextmanager
async def in_each(
    hosts: Iterable[list[Host]], host: Host | None, seconds: float
) -> AsyncIterator[None]:
    """Let a host be the last in each of some lists, for the length of a block.

    Args:
        hosts: The lists.
        host: The host; `None` is nothing.
        seconds: How long the end of the block waits for its messages.
    """
    lists = list(hosts) if host is not None else []
    for each in lists:
        each.append(host)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for each in lists:
            each.remove(host)  # type: ignore[arg-type]
        if host is not None:
            await host.finish(seconds)
