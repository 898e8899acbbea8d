"""What holds for every kind of broker, and all there is for an unknown one."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from traceback import walk_tb
from typing import Any
from weakref import WeakKeyDictionary

from faststream.response.publish_type import PublishType

from faststream_integrations._faststream import channels_of, tasks_in_handlers

__all__ = (
    "FOREVER",
    "UNKNOWN",
    "UP",
    "Consumption",
    "Kind",
    "Unreachable",
    "Verdict",
    "abort_writer",
    "end",
    "ended",
    "live",
    "peek",
    "present",
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
    """Whether a subscriber consumes, and why not.

    Attributes:
        consumption: Whether it does.
        reason: Why it does not; empty if it does.
        on_purpose: Whether it was stopped by who may, so that nothing has failed.
    """

    consumption: Consumption
    reason: str = ""
    on_purpose: bool = False


UP = Verdict(Consumption.UP)

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")

FAILURES, FAILURES_WITHIN = 3, 10.0
"""How many failures of a consumer task within how many seconds are not an accident."""

UNKNOWN: Any = object()
"""What `peek` returns when a name is missing."""


FOREVER = 10**6
"""Seconds for a client's call that must not have a deadline of its own, and insists on one."""


def peek(target: Any, *path: str, default: Any = UNKNOWN) -> Any:
    """Read a path of attributes, private ones among them; `default` when one is missing.

    ``None`` on the way ends the walk and is returned: there is nothing there at present.
    """
    for name in path:
        target = getattr(target, name, UNKNOWN)
        if target is UNKNOWN:
            return default
        if target is None:
            break
    return target


def present(found: Any) -> bool:
    """Tell whether `peek` has found something."""
    return found is not None and found is not UNKNOWN


def live(task: Any) -> bool:
    """Tell whether this is a task that runs."""
    return isinstance(task, asyncio.Future) and not task.done()


def ended(task: Any) -> bool:
    """Tell whether this is a task that runs no more."""
    return isinstance(task, asyncio.Future) and task.done()


def abort_writer(writer: Any) -> None:
    """Close a stream's socket now, unsent data or not."""
    transport = peek(writer, "transport")
    if callable(abort := peek(transport, "abort")):
        try:
            abort()
        except RuntimeError:  # its event loop is closed
            with suppress(OSError):  # and so is the socket
                transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class Kind:
    """All that is special about the kind of one broker; here, what holds for all of them.

    A new kind is a module with a class that derives from this one, and a line in the table beside.

    Attributes:
        broker: The broker.
        made: Clients that a failed start has left.
        lost_event: Set when the client has given up its connection, where it says so by itself.
        trouble: What the client has last reported while it goes on trying, where it does.
    """

    package = ""
    """FastStream's package for the kind; empty for an unknown one."""

    libraries: tuple[str, ...] = ()
    """The packages whose exceptions tell of an outage, and not of a fault in the code."""

    clients: tuple[type, ...] = ()
    """The classes of the client library that hold connections."""

    consume_tasks: int | None = None
    """How many tasks a subscriber that is not concurrent runs; `None` where that is unknown."""

    command_name = ""
    """The class of the publish command, in ``response`` of FastStream's package."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.made: list[Any] = []
        self.lost_event = asyncio.Event()
        self.trouble: Exception | None = None
        self._spawned: set[asyncio.Future[Any]] = set()
        # Those that have run: how many of their tasks had ended, when, and whether that was often.
        self._ran: WeakKeyDictionary[Any, tuple[int, float, bool]] = WeakKeyDictionary()

    @property
    def client(self) -> Any:
        """The client library's connection or client, `None` while there is none."""
        return peek(self.broker, "_connection", default=None)

    # Facts that need no I/O.

    def runs(self) -> bool:
        """Tell whether the broker has started, as far as FastStream knows."""
        return bool(self.broker.running)

    def connected(self) -> bool:
        """Tell whether the client knows of no lost connection."""
        return True

    def generation(self) -> Any:
        """Return what changes when the connection is another one."""
        return id(self.client)

    def lost(self) -> str:
        """Return why the client will not connect again by itself; empty if it is not so."""
        return ""

    def consuming(self, subscriber: Any) -> Verdict:
        """Tell whether a subscriber of a broker that has started consumes."""
        if not subscriber.calls:
            return Verdict(Consumption.IDLE, "no handler")
        if not subscriber.running:
            if subscriber not in self._ran:
                return Verdict(Consumption.DOWN, "not started", on_purpose=True)
            if self.stopped_on_purpose(subscriber):
                return Verdict(Consumption.DOWN, "stopped", on_purpose=True)
            return Verdict(Consumption.DEAD, "stopped")
        tasks = peek(subscriber, "tasks", default=None)
        running = sum(map(live, tasks or ()))
        # First, since between a failure and the next start there is a moment without a task.
        fails = self._fails_again_and_again(subscriber, len(tasks or ()) - running)
        expected = self.consume_tasks_of(subscriber)
        if expected is None or (tasks is None and expected):
            return Verdict(Consumption.UNKNOWN, "not known for this broker: only the ping is")
        if fails:
            return Verdict(Consumption.DOWN, "its consumer task fails again and again")
        # A concurrent subscriber has a task more, that hands the messages to its workers.
        if running < expected + hasattr(subscriber, "receive_stream"):
            return Verdict(Consumption.DEAD, "its consumer task has ended")
        return self.attached(subscriber)

    def stopped_on_purpose(self, subscriber: Any) -> bool:
        """Tell whether one that does not run any more was stopped by its `stop()`."""
        return not peek(subscriber, "tasks", default=True)

    def _fails_again_and_again(self, subscriber: Any, ended: int) -> bool:
        # FastStream starts a failed task again without a pause, and keeps those that have ended.
        found = self._ran.get(subscriber)
        now = time.monotonic()
        if found is None:
            self._ran[subscriber] = ended, now, False
            return False
        before, since, failed = found
        fails = ended - before >= FAILURES
        if now - since > FAILURES_WITHIN:
            self._ran[subscriber] = ended, now, fails
        return fails or failed

    def consume_tasks_of(self, subscriber: Any) -> int | None:
        """Return how many tasks a subscriber runs, without that of a concurrent one."""
        return self.consume_tasks

    def attached(self, subscriber: Any) -> Verdict:
        """Tell whether the client delivers to a subscriber whose tasks run."""
        return UP

    # Connections that pass nothing, although they are open.

    def silence(self, subscriber: Any) -> float:
        """Tell for how many seconds the connection of a subscriber has owed an answer.

        `None` is that of `round_trip`, where a round trip gives up too early to tell. Only where it
        is another one than that of `round_trip`, or where there are answers that the round trip
        does not see. It is called every few seconds, and may ask.
        """
        return 0.0

    def held_back(self) -> str:
        """Return why the server takes nothing from a connection that is well; empty otherwise."""
        return ""

    async def reach(self) -> None:
        """Get an answer from the server by a new connection, and close it; raise if there is none.

        It tells a connection that is broken from a server that is away.
        """
        msg = "not known for this broker"
        raise Unreachable(msg)

    def cut(self, subscriber: Any = None) -> None:
        """Drop the connection of a subscriber, or that of the broker: the client makes a new one.

        What was on its way is delivered again where the broker can do that.
        """

    # Questions to the server. What runs them bounds them in time, and runs one of each at a time.

    async def round_trip(self) -> None:
        """Return when the server has answered; raise if it cannot be reached."""
        if not await self.broker.ping(timeout=5.0):
            msg = "the ping was not answered"
            raise Unreachable(msg)

    def ask(self) -> Awaitable[None]:
        """Ask for a round trip: return what `round_trip` does, or the future of an answer.

        A future is a turn of the event loop faster than a task.
        """
        return self.round_trip()

    def inspects(self, subscriber: Any) -> bool:
        """Tell whether there is something to ask the server about a subscriber."""
        return False

    async def inspect(self, subscriber: Any) -> Verdict:
        """Ask the server about a subscriber."""
        raise NotImplementedError

    # Start and stop.

    @asynccontextmanager
    async def starting(self, timeout: float) -> AsyncIterator[None]:
        """Prepare the client for a start of at most `timeout` seconds."""
        self.lost_event = asyncio.Event()  # of the event loop of the moment
        self.trouble = None
        self.made = []
        self._ran.clear()
        try:
            yield
        except BaseException as error:
            # FastStream keeps a client only once it is connected, and drops one that is not,
            # with its sockets and tasks. The frames of the error still know it.
            for frame, _ in walk_tb(error.__traceback__):
                for client in tuple(frame.f_locals.values()):
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

    def spawn(self, work: Awaitable[Any]) -> None:
        """Run what nobody waits for; what it raises is of no interest."""
        task = asyncio.ensure_future(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())

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
            end(task)
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
        for spawned in tuple(self._spawned):
            end(spawned)
        self.broker.running = False
        if hasattr(self.broker, "_connection"):
            self.broker._connection = None
        # Cancelled tasks end before the caller goes on; one that refuses is not waited for.
        await asyncio.sleep(0)

    def detach(self, subscriber: Any) -> None:
        """Forget a subscriber's hold on the connection."""

    # A dry run: addresses, and what FastStream's own in-memory tests are made of.

    def channels(self, subscriber: Any) -> dict[str, str]:
        """Return the AsyncAPI channel names of a subscriber, each with its declared address."""
        return {
            name: self.declared_address(channel)
            for name, channel in channels_of(subscriber).items()
        }

    def declared_address(self, channel: Any) -> str:
        """Return the address of an AsyncAPI channel.

        The bindings have it in every version; ``channel.address`` came after 0.7.0.
        """
        raise NotImplementedError

    def concrete(self, address: str, subscriber: Any) -> str:
        """Return an address that a message can have, for one with parameters or wildcards."""
        return _PATH_PARAMETER.sub(r"\1", address)

    def stand_in(
        self, subscriber: Any, process: Callable[[Any], Awaitable[Any]], address: str
    ) -> Any:
        """Return a copy of a subscriber that hands its messages to `process`.

        It has to take what the subscriber takes of the messages at `address`, and to find that out
        in linear time.
        """
        copied = copy(subscriber)
        copied.process_message = process
        return copied

    def parse_steps(self, subscriber: Any, address: str) -> int:
        """Return how many steps it may take to find the parameters in a message's address."""
        return len(address)

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        """Return the arguments of ``broker.publish`` (and of the command) that lead there."""
        raise NotImplementedError

    def headers(self, subscriber: Any, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the headers of a message, with those that it takes to get there."""
        return dict(headers)

    def command(self, payload: Any, **options: Any) -> Any:
        """Return the publish command for a payload."""
        cls = getattr(import_module(f"{self.package}.response"), self.command_name)
        return cls(payload, _publish_type=PublishType.PUBLISH, **options)

    def channel_of(self, command: Any) -> str:
        """Return where a publish command leads, in words."""
        return str(command.destination)

    def acknowledges(self, subscriber: Any) -> bool:
        """Tell whether this broker hears of an acknowledgement from a subscriber."""
        return True

    def takes_messages(self, subscriber: Any) -> bool:
        """Tell whether a message that is published can reach a subscriber."""
        return True

    def complete(self, subscriber: Any) -> None:
        """Give a copy of a subscriber that never started what its start would give it."""

    def is_batch(self, raw: Any) -> bool:
        """Tell whether this is what the client library hands over for several messages."""
        return isinstance(raw, list)

    def merge(self, batches: list[Any]) -> Any:
        """Make one batch of several."""
        return [message for batch in batches for message in batch]

    def producers(self) -> list[tuple[Any, str]]:
        """Return where the broker's producers are kept: an object, and the attribute's name."""
        return [(self.broker.config.broker_config, "producer")]

    def in_memory_producer(self, view: Any) -> Any:
        """Return FastStream's producer of its test broker, for a view of the broker."""
        testing = import_module(f"{self.package}.testing")
        return testing.FakeProducer(view, (view,))


def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task that nobody waits for; an exception that it ends with is not reported."""
    with suppress(RuntimeError):  # its event loop is closed
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
