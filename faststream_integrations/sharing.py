"""Work that many ask for at a time and that is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from faststream_integrations.drivers import Unreachable

__all__ = ("QUESTION_SHARE", "InFlight", "SharedRun", "ignore_result")

QUESTION_SHARE = 0.9
"""The share of a probe's timeout that its questions get; the rest is for the answer."""

T = TypeVar("T")


class InFlight(Generic[T]):
    """Runs of a function, of which one at a time is in flight, for all who wait meanwhile."""

    __slots__ = ("_function", "_task")

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._task: asyncio.Task[T] | None = None

    async def __call__(self, timeout: float) -> T:
        """Return the result of the run that is in flight, or of a new one.

        A run that takes longer goes on, and is the one that the next caller waits for.

        Raises:
            Unreachable: There was no result within `timeout` seconds.
        """
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._task = asyncio.ensure_future(self._run())
        # `asyncio.wait` neither cancels the task nor waits for one that ignores cancellation.
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            msg = f"no answer within {timeout:g} s"
            raise Unreachable(msg)
        if task.cancelled():
            msg = "the connection was lost"
            raise Unreachable(msg)
        return task.result()

    async def _run(self) -> T:
        return await self._function()

    def cancel(self) -> None:
        """Cancel the run that is in flight."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            task.add_done_callback(ignore_result)


class SharedRun(Generic[T]):
    """Runs of a function that ends in time by itself, each for all who ask while it is going on.

    Who waits is woken in small groups, so that thousands do not hold the event loop at once.
    """

    __slots__ = ("_function", "_task", "_waiters")

    GROUP = 50

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[T]] = []

    async def __call__(self) -> T:
        """Return the result of the run that is going on, or of a new one."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.get_loop() is not loop:
            self._waiters = []
            self._task = loop.create_task(self._run())
        waiter: asyncio.Future[T] = loop.create_future()
        self._waiters.append(waiter)
        return await waiter

    async def _run(self) -> None:
        error: BaseException | None = None
        result: Any = None
        try:
            result = await self._function()
        except BaseException as failure:
            error = failure
        waiters, self._waiters, self._task = self._waiters, [], None
        for woken, waiter in enumerate(waiters):
            if not waiter.done():
                if error is None:
                    waiter.set_result(result)
                else:
                    waiter.set_exception(error)
            if woken % self.GROUP == self.GROUP - 1:
                await asyncio.sleep(0)


def ignore_result(task: asyncio.Task[Any]) -> None:
    """Take the exception of a task that nobody waits for, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()
