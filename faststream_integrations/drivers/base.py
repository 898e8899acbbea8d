"""What holds for every kind of broker, and all there is for an unknown one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from traceback import walk_tb
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from faststream_integrations._faststream import tasks_in_handlers

__all__ = (
    "UNKNOWN",
    "UP",
    "Consumption",
    "Driver",
    "Unreachable",
    "Verdict",
    "abort_writer",
    "live",
    "peek",
)


class Unreachable(ConnectionError):  # noqa: N818 - the state, as operators call it
    """A server did not answer. The message is ours, so it may be shown to anybody."""


class Consumption(str, Enum):
    """Whether a subscriber consumes."""

    UP = "up"
    IDLE = "idle"
    """It has no handler, so there is nothing to consume for."""
    UNKNOWN = "unknown"
    DOWN = "down"
    """Not now; it comes back by itself, or was never started."""
    DEAD = "dead"
    """Not any more, and it does not come back by itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a subscriber consumes, and why not."""

    consumption: Consumption
    reason: str = ""


UP = Verdict(Consumption.UP)

FAILURES, FAILURES_WITHIN = 3, 10.0
"""How many failures of a consumer task within how many seconds are not an accident."""

UNKNOWN: Any = object()
"""What `peek` returns when a name is missing."""


def peek(target: Any, *path: str) -> Any:
    """Read a path of attributes, private ones among them; `UNKNOWN` when one is missing.

    ``None`` on the way ends the walk and is returned: there is nothing there at present.
    """
    for name in path:
        target = getattr(target, name, UNKNOWN)
        if target is None or target is UNKNOWN:
            break
    return target


def live(task: Any) -> bool:
    """Tell whether this is a task that runs."""
    return isinstance(task, asyncio.Future) and not task.done()


def abort_writer(writer: Any) -> None:
    """Close a stream's socket now, unsent data or not."""
    abort = peek(writer, "transport", "abort")
    if callable(abort):
        abort()


class Driver:
    """Knowledge about one broker. This class knows what FastStream promises for all of them.

    Attributes:
        broker: The broker.
        made: Clients that a failed start has left.
        lost_event: Set when the client has given up its connection, where it says so by itself.
        trouble: What the client has last reported while it goes on trying, where it does.
    """

    kind = ""
    """The name of the kind; empty for an unknown one."""

    consume_tasks: int | None = None
    """How many tasks a subscriber that is not concurrent runs; `None` where that is unknown."""

    clients: tuple[type, ...] = ()
    """The classes of the client library that hold connections."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.made: list[Any] = []
        self.lost_event = asyncio.Event()
        self.trouble: Exception | None = None
        self._ran: WeakSet[Any] = WeakSet()
        self._ended: WeakKeyDictionary[Any, tuple[int, float, bool]] = WeakKeyDictionary()

    # Facts that need no I/O.

    def generation(self) -> Any:
        """Return what changes when the connection is another one."""
        return id(peek(self.broker, "_connection"))

    def lost(self) -> str:
        """Return why the client will not connect again by itself; empty if it is not so."""
        return ""

    def consuming(self, subscriber: Any) -> Verdict:
        """Tell whether a subscriber of a broker that has started consumes."""
        if not subscriber.calls:
            return Verdict(Consumption.IDLE, "no handler")
        if not subscriber.running:
            if subscriber not in self._ran:
                return Verdict(Consumption.DOWN, "not started")
            return Verdict(Consumption.DEAD, "stopped")
        self._ran.add(subscriber)
        missing = self._missing_tasks(subscriber)
        if missing is None:
            return Verdict(Consumption.UNKNOWN, "not known for this broker: only the ping is")
        # First, since between a failure and the next start there is a moment without a task.
        if self._fails_again_and_again(subscriber):
            return Verdict(Consumption.DOWN, "its consumer task fails again and again")
        if missing:
            return Verdict(Consumption.DEAD, "its consumer task has ended")
        return self.attached(subscriber)

    def _fails_again_and_again(self, subscriber: Any) -> bool:
        # FastStream starts a failed task again without a pause, and keeps those that have ended.
        tasks = peek(subscriber, "tasks")
        ended = 0 if tasks is UNKNOWN else sum(not live(task) for task in tasks)
        before, since, failed = self._ended.setdefault(subscriber, (ended, time.monotonic(), False))
        fails = ended - before >= FAILURES
        if time.monotonic() - since > FAILURES_WITHIN:
            self._ended[subscriber] = ended, time.monotonic(), fails
        return fails or failed

    def _missing_tasks(self, subscriber: Any) -> bool | None:
        expected = self.consume_tasks_of(subscriber)
        if expected is None:
            return None
        # A concurrent subscriber has a task more, that hands the messages to its workers.
        expected += hasattr(subscriber, "receive_stream")
        tasks = peek(subscriber, "tasks")
        if tasks is UNKNOWN:
            return None if expected else False
        return sum(map(live, tasks)) < expected

    def consume_tasks_of(self, subscriber: Any) -> int | None:
        """Return how many tasks a subscriber runs, without that of a concurrent one."""
        return self.consume_tasks

    def attached(self, subscriber: Any) -> Verdict:
        """Tell whether the client delivers to a subscriber whose tasks run."""
        return UP

    # Questions to the server. What runs them bounds them in time, and runs one of each at a time.

    async def round_trip(self) -> None:
        """Return when the server has answered; raise if it cannot be reached."""
        if not await self.broker.ping(timeout=5.0):
            msg = "the ping was not answered"
            raise Unreachable(msg)

    async def inspect(self, subscriber: Any) -> Verdict | None:
        """Ask the server about a subscriber; `None` where there is nothing to ask."""
        return None

    # Start and stop.

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        """Prepare the client for a start of at most `timeout` seconds."""
        self.lost_event = asyncio.Event()  # of the event loop of the moment
        self.trouble = None
        self.made = []
        self._ran.clear()
        self._ended.clear()
        try:
            yield
        except BaseException as error:
            # FastStream keeps a client only once it is connected, and drops one that is not,
            # with its sockets and tasks. The frames of the error still know it.
            for frame, _ in walk_tb(error.__traceback__):
                client = frame.f_locals.get("self")
                if isinstance(client, self.clients) and client not in self.made:
                    self.made.append(client)
            raise

    async def drain(self, subscriber: Any) -> None:
        """Take no more messages, and return when those that were received are handled."""
        await self.handled(subscriber)

    async def handled(self, subscriber: Any, also: Callable[[], bool] = lambda: True) -> None:
        """Return when no message is in a subscriber's queue or handlers, and `also` holds."""
        quiet = 0
        # A message may be on its way from one queue to the next, so it has to be quiet a while.
        while quiet < 3:
            quiet = quiet + 1 if idle(subscriber) and also() else 0
            await asyncio.sleep(0.01)

    async def finish(self, work: Awaitable[Any]) -> bool:
        """Give what closes a connection half a second; tell whether it was enough."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=0.5)
        task.cancel()
        return bool(done) and not task.cancelled() and task.exception() is None

    async def close(self) -> None:
        """Close by force what a failed start or stop has left open, and never connect again."""

    async def reset(self) -> None:
        """Make a broker that did not start or stop properly one that can start again."""
        handlers = tasks_in_handlers(self.broker.subscribers)
        for task in handlers:
            task.cancel()
        for subscriber in self.broker.subscribers:
            subscriber.running = False
            self.detach(subscriber)
            tasks = peek(subscriber, "tasks")
            if isinstance(tasks, list):
                ended = tuple(tasks)
                # Forgotten first: FastStream restarts a failed task that it still knows.
                tasks.clear()
                for task in ended:
                    end(task)
        await self.close()
        self.broker.running = False
        if peek(self.broker, "_connection") is not UNKNOWN:
            self.broker._connection = None
        # Cancelled tasks end before the caller goes on; one that refuses is not waited for.
        await asyncio.sleep(0)

    def detach(self, subscriber: Any) -> None:
        """Forget a subscriber's hold on the connection."""


def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task that nobody waits for; an exception that it ends with is not reported."""
    task.cancel()
    task.add_done_callback(lambda task: task.cancelled() or task.exception())


def idle(subscriber: Any) -> bool:
    """Tell whether a subscriber has no message in its queue or its handlers."""
    if peek(subscriber, "lock", "empty") is False:
        return False
    limiter = peek(subscriber, "limiter")
    if limiter is UNKNOWN:
        return True
    statistics = peek(subscriber, "receive_stream", "statistics")
    buffered = statistics().current_buffer_used if callable(statistics) else 0
    return (
        limiter.value == subscriber.max_workers
        and not limiter.statistics().tasks_waiting
        and not buffered
    )
