"""The life of one broker: a start that is bounded and verified, a watch, a stop that is bounded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio

from faststream_integrations._faststream import default_logger, is_patched
from faststream_integrations.brokers.holds import Holds
from faststream_integrations.brokers.kinds import Consumption, Kind, Unreachable, kind_of
from faststream_integrations.brokers.kinds.memory import InMemoryKind
from faststream_integrations.brokers.lookout import PATIENCE, SILENT, WATCH_INTERVAL, Lookout
from faststream_integrations.brokers.outages import (
    BrokerUnavailable,
    betrays,
    describe,
    failure_of,
    is_outage,
)
from faststream_integrations.brokers.reasons import reason_of
from faststream_integrations.brokers.reports import BrokerReport, State
from faststream_integrations.brokers.sharing import ignore_result
from faststream_integrations.environment import AnyBroker

__all__ = ("Supervisor",)

FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Seconds between attempts to connect: the first pause, and the longest."""

CLEANUP_TIMEOUT = 1.0
"""Seconds for what only tidies up: the end of a cancelled start, the stop of a failed one."""

REVIVAL_TIMEOUT = 15.0
"""Seconds for the handlers of a broker whose client has given up, before it is started again."""

CUT_AFTER = SILENT + 1.0
"""Seconds for which a connection may owe an answer before it is replaced."""

CUT_PAUSE = 10.0
"""Seconds that a client has to make a new connection before the next one is dropped."""

REACH_TIMEOUT = 4.0
"""Seconds for a new connection to be made and answered."""

_MOVES: dict[State | None, set[State]] = {
    None: {State.STARTING, State.DRAINING},
    State.STARTING: {State.STARTING, State.READY, State.DRAINING, State.STOPPED},
    State.READY: {State.STARTING, State.DRAINING, State.STOPPED},
    State.DRAINING: {State.STARTING, State.STOPPED},
    State.STOPPED: {State.STARTING, State.DRAINING},
}


class Supervisor:
    """Starts, watches and stops a broker.

    Attributes:
        broker: The broker.
        holds: Who runs it: the first starts it, the last stops it.
        reason: Why it does not run, where something has failed; empty otherwise.
        started: Set while the broker has started.
        listeners: Called when its state has changed, and when there is a new report.
    """

    def __init__(self, broker: AnyBroker) -> None:
        self.broker = broker
        self.holds = Holds()
        self.reason = ""
        self.started = asyncio.Event()
        self.listeners: list[Callable[[], None]] = []
        self._state: State | None = None  # none of ours: nobody here has started it
        self._held = ""
        self._task: asyncio.Task[None] | None = None
        self._drains: list[asyncio.Future[None]] = []
        self._startup_timeout = 10.0
        self._cut_at: dict[Any, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._real = Lookout(kind_of(broker), self._phase, self._tell)
        self._in_memory = Lookout(InMemoryKind(broker), self._phase, self._tell)

    @staticmethod
    def of(broker: AnyBroker) -> Supervisor:
        """Return the supervisor of a broker, the same one to all who ask.

        It is kept on the broker: a probe finds what a lifespan does, wherever they were made.
        """
        found = vars(broker).get("_faststream_integrations_supervisor")
        if not isinstance(found, Supervisor) or found.broker is not broker:
            found = Supervisor(broker)
            vars(broker)["_faststream_integrations_supervisor"] = found
        return found

    @property
    def name(self) -> str:
        """The class and the addresses of the broker, without credentials."""
        return describe(self.broker)

    @property
    def in_memory(self) -> bool:
        """Whether a test has replaced the broker's start, so that there is no server to look at."""
        return is_patched(self.broker)

    @property
    def lookout(self) -> Lookout:
        """What is known about the broker."""
        return self._in_memory if self.in_memory else self._real

    @property
    def kind(self) -> Kind:
        """What is special about the broker's kind."""
        return self.lookout.kind

    @property
    def report(self) -> BrokerReport | None:
        """What the last look has found; `None` before the first one."""
        return self.lookout.report

    # States.

    def _move(self, to: State, reason: str = "") -> None:
        """Go to another state, for a reason; every change of a state is made here."""
        if to not in _MOVES[self._state]:
            before = self._state.value if self._state is not None else "unknown"
            msg = f"{self.name} cannot go from {before} to {to.value}."
            raise RuntimeError(msg)
        self._state, self.reason = to, reason
        if to is State.READY:
            self.started.set()
        elif to is State.STARTING:
            self.started.clear()
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            self._call(listener)

    def _call(self, listener: Callable[[], None]) -> None:
        try:
            listener()
        except Exception as error:
            _log(f"{self.name}: a listener failed.", error)

    @property
    def managed(self) -> bool:
        """Whether the broker was started here, and not by somebody else."""
        return self._state in (State.STARTING, State.READY, State.DRAINING)

    @property
    def state(self) -> State:
        """Where the broker is in its life."""
        if not self.managed:
            return State.READY if self.kind.runs() else self._state or State.STARTING
        if self._state is State.READY and (self._held or self.kind.lost()):
            return State.STARTING  # the application, or the watch, is about to start it
        return self._state or State.STARTING

    def _phase(self) -> tuple[State, str]:
        return self.state, self.reason or self._held

    @property
    def announced(self) -> bool:
        """Whether the broker is about to stop, or stops."""
        return self._state is State.DRAINING

    @property
    def stoppable(self) -> bool:
        """Whether there is something to stop."""
        return self.managed or self.broker.running

    def hold(self, reason: str) -> None:
        """Keep the broker not ready until it is stopped, for a reason that is not its own."""
        self._held = reason

    def announce_stop(self) -> None:
        """Say to those who probe that the broker is about to stop."""
        if self._state in (State.STARTING, State.READY):
            self._move(State.DRAINING)

    # Start.

    def _begin(self, timeout: float) -> None:
        self._startup_timeout = timeout
        self._held = ""
        self._drains = []
        self.started = asyncio.Event()  # of the event loop of the moment
        self._move(State.STARTING, "starting")

    async def _leave_closed_loop(self) -> None:
        """Forget what the broker had in an event loop that was closed while it ran."""
        loop, self._loop = self._loop, asyncio.get_running_loop()
        if loop is None or loop is self._loop or not loop.is_closed():
            return
        self._real = Lookout(self._real.kind, self._phase, self._tell)
        self._in_memory = Lookout(self._in_memory.kind, self._phase, self._tell)
        # What closes a client fails at each step that it takes in the loop, and has taken it then.
        for _ in range(2):
            with suppress(RuntimeError):
                await self.kind.reset()

    async def start(self, timeout: float) -> None:
        """Start the broker, make sure that it works, then watch it.

        Raises:
            BrokerUnavailable: It did not work within `timeout` seconds.
        """
        self._begin(timeout)
        await self._start(timeout)
        self._run(self._watch(), "watch")

    def start_in_background(self, timeout: float) -> None:
        """Start the broker, again and again until it works, then watch it."""
        self._begin(timeout)
        self._run(self._keep_running(), "start")

    async def _start(self, timeout: float) -> None:
        try:
            await self._attempt(timeout)
        except BaseException as error:
            if self._state is State.STARTING:
                self._move(State.STOPPED, reason_of(error))
            raise
        if self._state is State.STARTING:  # and not told to stop meanwhile
            self._move(State.READY)

    async def _attempt(self, timeout: float) -> None:
        await self._leave_closed_loop()
        self.lookout.forget()
        task = asyncio.ensure_future(self._start_and_verify(timeout))
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout)
            if not done:
                seconds = f"{round(timeout, 2):g} seconds"
                why = self.reason if self.reason != "starting" else ""
                if not why and self.kind.trouble is not None:
                    why = reason_of(self.kind.trouble)
                why = why and f" ({why})"
                msg = f"{self.name} did not start within {seconds}{why}."
                raise BrokerUnavailable(msg)
            if (error := task.exception()) is not None:
                raise failure_of(error, self.broker, self.kind.libraries)
        except BaseException:
            await self._abandon(task)
            await self._reset()
            raise

    async def _start_and_verify(self, timeout: float) -> None:
        deadline = asyncio.get_running_loop().time() + timeout
        async with self.kind.starting(timeout):
            await self.broker.start()
        # A `start()` that returned is not one that worked.
        while True:
            report = await self.lookout.look(deadline)
            why = report.reason if not report.connected else report.broken
            if not self.kind.runs():
                why = "its start ended too early"
            if not why:
                return
            if not self.kind.runs() or report.dead:
                raise Unreachable(why)
            if self._state is State.STARTING:
                self._move(State.STARTING, why)
            await asyncio.sleep(0.05)

    async def _abandon(self, task: asyncio.Task[Any]) -> None:
        # Client libraries swallow a cancellation now and then, so one may not be enough.
        for _ in range(10):
            if task.done():
                break
            task.cancel()
            await asyncio.wait({task}, timeout=CLEANUP_TIMEOUT / 10)
        task.add_done_callback(ignore_result)

    def _stop_broker(self) -> asyncio.Task[None]:
        # FastStream forgets the tasks that it stops, one that has just failed as well.
        for subscriber in self.broker.subscribers:
            for task in getattr(subscriber, "tasks", ()):
                task.add_done_callback(ignore_result)
        return asyncio.create_task(self.broker.stop())

    async def _reset(self, timeout: float = CLEANUP_TIMEOUT) -> None:
        """Leave nothing of a start that failed, or of a connection that is lost."""
        self.lookout.forget()
        stopping = self._stop_broker()
        try:
            await asyncio.wait({stopping}, timeout=timeout)
        finally:
            await self._abandon(stopping)
            await self._force()

    async def _force(self) -> None:
        forcing = asyncio.ensure_future(self.kind.reset())
        await asyncio.wait({forcing}, timeout=2 * CLEANUP_TIMEOUT)
        if forcing.done() and not forcing.cancelled() and (error := forcing.exception()):
            shown = None if betrays(error, self.broker) else error
            _log(f"{self.name} could not be closed: {reason_of(error)}.", shown)
        await self._abandon(forcing)

    def _run(self, work: Coroutine[Any, Any, None], what: str) -> None:
        self._task = asyncio.create_task(work, name=f"{what} {self.name}")
        self._task.add_done_callback(_tell_failure)

    async def _keep_running(self) -> None:
        await self._start_with_retries()
        await self._watch()

    async def _start_with_retries(self) -> None:
        pause = FIRST_RETRY
        while not await self._try_to_start(pause):
            # Jitter: many processes that lost one server do not come back as one.
            await asyncio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311
            pause = min(pause * 2, LAST_RETRY)

    async def _try_to_start(self, pause: float) -> bool:
        try:
            await self._start(self._startup_timeout)
        except Exception as error:
            why = reason_of(error)
            _log(
                f"{self.name}: {why}; next attempt in {pause:g} s at most.",
                None if self._is_outage(error) else error,
            )
            if self._state is State.STOPPED:
                self._move(State.STARTING, why)
            return False
        return True

    def _is_outage(self, error: BaseException) -> bool:
        return is_outage(error, self.kind.libraries)

    # Watch.

    async def _watch(self) -> None:
        """Look at the broker from time to time, and start it again when its client gave up."""
        while True:
            with anyio.move_on_after(WATCH_INTERVAL):
                await self.kind.lost_event.wait()
            if self.kind.lost():
                await asyncio.sleep(0.1)  # a stop closes the client, too, and then forgets it
            if (why := self.kind.lost()) and self._state is State.READY:
                _log(f"{self.name}: {why}; it is started again.")
                self._move(State.STARTING, why)
                # Handlers that are at work may end; what they publish is their own trouble.
                await self._reset(REVIVAL_TIMEOUT)
                await self._start_with_retries()
            else:
                self.kind.lost_event.clear()
                await self.look(WATCH_INTERVAL)
                await self._cut_what_is_silent()

    async def _cut_what_is_silent(self) -> None:
        """Replace connections that pass nothing, where new ones work.

        A client may take minutes to find that out. Where the server itself is away, or stalls, a
        connection is left as it is.
        """
        if not self._silent():
            return
        reaching = asyncio.ensure_future(self.kind.reach())
        try:
            await asyncio.wait({reaching}, timeout=REACH_TIMEOUT)
            if not reaching.done() or reaching.exception() is not None:
                return  # the next look tells
        finally:
            await self._abandon(reaching)
        # A server that stalled until now has answered the old connection as well.
        await asyncio.sleep(CLEANUP_TIMEOUT / 2)
        for subscriber in self._silent():
            whose = "its connection" if subscriber is None else "a consumer's connection"
            _log(f"{self.name}: {whose} is of no use, and a new one is; it is replaced.")
            self.kind.cut(subscriber)
            self._cut_at[subscriber] = asyncio.get_running_loop().time()

    def _silent(self) -> list[Any]:
        pause = asyncio.get_running_loop().time() - CUT_PAUSE
        return [
            each
            for each in self.lookout.silent(CUT_AFTER)
            if self._cut_at.get(each, -CUT_PAUSE) <= pause
        ]

    def glance(self) -> BrokerReport:
        """Tell what is known about the broker without asking its server."""
        return self.lookout.glance()

    async def look(self, timeout: float) -> BrokerReport:
        """Ask the server, and tell what is known about the broker.

        Args:
            timeout: How many seconds the server has to answer.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        return await self.lookout.look(deadline, PATIENCE)

    # Stop.

    async def quiesce(self) -> None:
        """End the start or the watch that is under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=4 * CLEANUP_TIMEOUT)  # it tidies up
        if self.stoppable and not self.announced:
            self._move(State.DRAINING)

    async def end_consuming(self) -> None:
        """Take no more messages, and go on to handle those that were received."""
        if not self.started.is_set():
            await self.quiesce()  # it would start, and consume
        self._begin_drains()

    async def drain(self, timeout: float) -> None:
        """Take no more messages, and handle those that were received, for `timeout` seconds."""
        if drains := self._begin_drains():
            _, late = await asyncio.wait(drains, timeout=timeout)
            if late:
                _log(f"{self.name}: messages were still handled after {timeout:.1f} s.")

    def _begin_drains(self) -> list[asyncio.Future[None]]:
        """Return the drains that are under way, until the stop ends them, or begin them."""
        if not self._drains and self.kind.runs() and not self.kind.lost():
            self._drains = [
                asyncio.ensure_future(self.kind.drain(each))
                for each in self.broker.subscribers
                # A dead one handles nothing any more.
                if self.kind.consuming(each).consumption in (Consumption.UP, Consumption.UNKNOWN)
            ]
        return self._drains

    async def stop(self, timeout: float) -> None:
        """Stop the broker within `timeout` seconds, by force if need be.

        Raises:
            Exception: What the stop of the broker has raised, where it is not about a server that
                is away. The broker is closed all the same.
        """
        self._loop = None
        self.lookout.forget()
        for drain in self._drains:
            drain.add_done_callback(ignore_result)
            drain.cancel()
        stopping = self._stop_broker()
        error: BaseException | None = None
        clean = False
        try:
            await asyncio.wait({stopping}, timeout=max(timeout, 0.0))
            if stopping.done():
                error = stopping.exception() if not stopping.cancelled() else None
                clean = error is None
            else:
                _log(f"{self.name} did not stop in time; it is closed by force.")
        finally:
            await self._abandon(stopping)
            if not clean:
                await self._force()
            self._move(State.STOPPED)
        if error is not None:
            if not self._is_outage(error):
                raise error
            _log(f"{self.name} was closed by force: {reason_of(error)}.")


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log(f"{task.get_name()}: it has ended, which is a bug.", error)


def _log(message: str, error: BaseException | None = None) -> None:
    default_logger.warning(message, exc_info=error)
