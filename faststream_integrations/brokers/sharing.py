"""Work that many ask for at a time and that is done once."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from faststream_integrations.brokers.kinds import Unreachable

__all__ = ("InFlight", "SharedRun", "answer_of", "ignore_result", "run_now", "settle")

T = TypeVar("T")


def run_now(work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Run a coroutine as a task, its first step at once where Python can do that."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


async def settle(futures: Collection[asyncio.Future[Any]], deadline: float) -> None:
    """Wait until all are done, or for as long as still leaves time to answer until `deadline`.

    An event loop that is busy runs a timer when it comes round, and who waits a turn later. So
    the length of a turn is measured, and the timer is set for as much earlier.

    Args:
        futures: What to wait for. They are neither cancelled nor asked for their results.
        deadline: By the clock of the event loop.
    """
    waiting = {future for future in futures if not future.done()}
    if not waiting:
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer: asyncio.Handle
    gate = _Gate(loop)

    def on_done(future: asyncio.Future[Any]) -> None:
        waiting.discard(future)
        if not waiting:
            gate.open()

    def set_timer() -> None:
        nonlocal timer
        turn = loop.time() - began
        timer = loop.call_at(deadline - 3 * turn, gate.open)

    asked = tuple(waiting)
    for future in asked:
        future.add_done_callback(on_done)
    timer = loop.call_soon(set_timer)
    try:
        await gate
    finally:
        timer.cancel()
        for future in asked:
            future.remove_done_callback(on_done)


class _Gate:
    """Lets one task through when it is opened, in that turn of the event loop, not in the next.

    Future-like, as `asyncio.isfuture` describes it: a future would wake its task a turn later. It
    is opened by a callback of the event loop only, since a task cannot run within another one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._opened = False
        self._cancelled: asyncio.CancelledError | None = None
        self._resume: Callable[[], object] | None = None

    def __await__(self) -> Generator[Any, None, None]:
        if not self._opened:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    def open(self) -> None:
        """Let the task go on now."""
        self._opened = True
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def cancel(self, msg: Any = None) -> bool:
        """Let the task go on with a cancellation, in the next turn, as a future does."""
        if self._opened:
            return False
        self._opened = True
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop.call_soon(self.open)
        return True

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context
    ) -> None:
        """Take what the task goes on with."""
        self._resume = partial(context.run, callback, self)

    def result(self) -> None:
        """Raise where it was cancelled."""
        if self._cancelled is not None:
            raise self._cancelled

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the task."""
        return self._loop


class InFlight(Generic[T]):
    """A question, of which one at a time is in flight, for all who ask meanwhile.

    Args:
        ask: Asks: a function that returns an awaitable, which is run as a task, or a future.
    """

    __slots__ = ("_ask", "_future", "since")

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._future: asyncio.Future[T] | None = None
        self.since = 0.0
        """When the last question was asked, by the clock of its event loop."""

    def ask(self) -> asyncio.Future[T]:
        """Return the answer that is awaited, or that of a new question."""
        loop = asyncio.get_running_loop()
        future = self._future
        if future is None or future.done() or future.get_loop() is not loop:
            self.since = loop.time()
            asked = self._ask()
            future = asked if isinstance(asked, asyncio.Future) else run_now(_await(asked))
            future.add_done_callback(ignore_result)  # whoever asked may have gone away
            self._future = future
        return future

    @property
    def open(self) -> bool:
        """Whether an answer is awaited."""
        return self._future is not None and not self._future.done()

    async def __call__(self, deadline: float) -> T:
        """Return the answer.

        A question that takes longer goes on, and is the one that the next caller waits for.

        Raises:
            Unreachable: There was no answer until `deadline`, by the clock of the event loop.
        """
        future = self.ask()
        await settle((future,), deadline)
        return answer_of(future)

    def drop(self) -> None:
        """Ask anew the next time. A task is cancelled; a bare future belongs to who answers it."""
        future, self._future = self._future, None
        if isinstance(future, asyncio.Task) and not future.done():
            future.cancel()


def answer_of(future: asyncio.Future[T]) -> T:
    """Return the result of a question.

    Raises:
        Unreachable: There is none, or the connection that it was asked on is gone.
    """
    if not future.done():
        msg = "no answer in time"
        raise Unreachable(msg)
    if future.cancelled():
        msg = "the connection was lost"
        raise Unreachable(msg)
    return future.result()


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


class SharedRun(Generic[T]):
    """Runs of a function that ends in time by itself, each for all who ask while it is going on.

    The first who asks runs it, and no task stands in between. Who waits is woken in small groups,
    so that thousands do not hold the event loop at once.
    """

    __slots__ = ("_function", "_loop", "_waiters")

    GROUP = 200

    def __init__(self, function: Callable[[float], Awaitable[T]]) -> None:
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: list[asyncio.Future[Callable[[], T] | None]] | None = None

    async def __call__(self, deadline: float) -> T:
        """Return the result of the run that is going on, or of a new one until `deadline`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiters = loop, None
        while self._waiters is not None:
            waiter: asyncio.Future[Callable[[], T] | None] = loop.create_future()
            self._waiters.append(waiter)
            result = await waiter
            if result is not None:
                return result()
            # Who ran it has gone away; the first that is woken runs it.
        self._waiters = []
        outcome: Callable[[], T] | None = None
        try:
            value = await self._function(deadline)
            outcome = lambda: value  # noqa: E731
            return value
        except Exception as error:
            failure = error

            def fail() -> T:
                raise failure

            outcome = fail
            raise
        finally:
            waiters, self._waiters = self._waiters, None
            self._wake(waiters, outcome)

    def _wake(
        self,
        waiters: list[asyncio.Future[Callable[[], T] | None]],
        outcome: Callable[[], T] | None,
    ) -> None:
        for waiter in waiters[: self.GROUP]:
            if not waiter.done():
                waiter.set_result(outcome)
        if rest := waiters[self.GROUP :]:
            asyncio.get_running_loop().call_soon(self._wake, rest, outcome)


def ignore_result(task: asyncio.Future[Any]) -> None:
    """Take the exception of a task that nobody waits for, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()
