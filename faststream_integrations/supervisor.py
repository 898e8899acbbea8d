"""The life of one broker: a start that is bounded and verified, a watch, a stop that is bounded."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from socket import gaierror
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, ref

from faststream_integrations._faststream import default_logger, is_patched, subscriber_name
from faststream_integrations.drivers import Consumption, Driver, Unreachable, Verdict, driver_of
from faststream_integrations.environment import AnyBroker
from faststream_integrations.sharing import InFlight, ignore_result

__all__ = (
    "BrokerReport",
    "BrokerUnavailable",
    "ConsumerReport",
    "State",
    "Supervisor",
    "describe",
    "is_outage",
    "reason_of",
    "state_of",
)

WATCH_INTERVAL = 2.0
"""Seconds between two looks at a broker that runs."""

DEAD_AFTER = 30.0
"""Seconds after which a consumer that is down, while its server answers, counts as dead."""

FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Seconds between attempts to connect: the first pause, and the longest."""

CLEANUP_TIMEOUT = 1.0
"""Seconds for what only tidies up: the end of a cancelled start, the stop of a failed one."""


REVIVAL_TIMEOUT = 15.0
"""Seconds for the handlers of a broker whose client has given up, before it is started again."""


class BrokerUnavailable(Unreachable):
    """A broker could not be started; the message names it and its address."""


class State(str, Enum):
    """Where a broker, or an application with all its brokers, is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


def state_of(states: Iterable[State]) -> State:
    """Return the state of an application whose brokers are in these states."""
    found = set(states)
    for state in (State.DRAINING, State.STARTING, State.STOPPED, State.READY):
        if state in found:
            return state
    return State.STARTING


@dataclass(frozen=True, slots=True)
class ConsumerReport:
    """What is known about a subscriber."""

    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class BrokerReport:
    """What a look at a broker has found.

    Attributes:
        name: The class and the addresses of the broker, without credentials.
        kind: The class of the broker.
        state: Where it is in its life.
        connected: Whether its server answered.
        reason: Why the broker does not work; empty if it does.
        ping: How many seconds the server took to answer; `None` if it did not.
        consumers: Its subscribers.
        at: When this was found, in seconds since the epoch.
    """

    name: str
    kind: str
    state: State
    connected: bool
    reason: str
    ping: float | None
    consumers: tuple[ConsumerReport, ...]
    at: float

    @property
    def ready(self) -> bool:
        """Whether the broker works, with all its subscribers."""
        return self.state is State.READY and self.connected and not self.broken

    @property
    def broken(self) -> str:
        """A subscriber that does not consume, and why; empty if there is none."""
        for each in self.consumers:
            if each.verdict.consumption in (Consumption.DOWN, Consumption.DEAD):
                return f"{each.name}: {each.verdict.reason}"
        return ""

    @property
    def dead(self) -> bool:
        """Whether a subscriber consumes no more and does not come back by itself."""
        return any(each.verdict.consumption is Consumption.DEAD for each in self.consumers)


class Supervisor:
    """Starts, watches and stops a broker.

    Attributes:
        broker: The broker.
        driver: What is special about its kind.
        reason: Why it does not run, where something has failed; empty otherwise.
        report: What the last look has found; `None` before the first one.
        started: Set once the broker has started.
    """

    def __init__(self, broker: AnyBroker) -> None:
        self.broker = broker
        self.driver: Driver = driver_of(broker)
        self.reason = ""
        self.report: BrokerReport | None = None
        self.started = asyncio.Event()
        self._state: State | None = None
        self._task: asyncio.Task[None] | None = None
        self._startup_timeout = 10.0
        self._round_trip = InFlight(self.driver.round_trip)
        self._generation: Any = None
        self._inspections: WeakKeyDictionary[Any, InFlight[Verdict | None]] = WeakKeyDictionary()
        self._inspected: WeakKeyDictionary[Any, Verdict] = WeakKeyDictionary()
        self._down_since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

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
    def patched(self) -> bool:
        """Whether a test has replaced the broker's start, so that there is no server to look at."""
        return is_patched(self.broker)

    @property
    def managed(self) -> bool:
        """Whether the broker was started here, and not by somebody else."""
        return self._state in (State.STARTING, State.READY, State.DRAINING)

    @property
    def state(self) -> State:
        """Where the broker is in its life."""
        if not self.managed and (self.patched or self.broker.running):
            return State.READY
        if self._state is State.READY and self.driver.lost():
            return State.STARTING  # the watch is about to start it again
        return self._state or State.STARTING

    # Start.

    async def start(self, timeout: float) -> None:
        """Start the broker, once, and make sure that it works.

        Raises:
            BrokerUnavailable: It did not work within `timeout` seconds.
        """
        self._startup_timeout = timeout
        self._state = State.STARTING
        self.reason = "starting"
        try:
            await self._attempt(timeout)
        except BaseException as error:
            self._state, self.reason = State.STOPPED, reason_of(error)
            raise
        self._state, self.reason = State.READY, ""
        self.started.set()

    async def _attempt(self, timeout: float) -> None:
        if self.patched:
            await self.broker.start()
            return
        self._forget_connection()
        task = asyncio.ensure_future(self._start_and_verify(timeout))
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout)
            if not done:
                seconds = f"{round(timeout, 2):g} seconds"
                why = self.reason if self.reason != "starting" else ""
                if not why and self.driver.trouble is not None:
                    why = reason_of(self.driver.trouble)
                why = why and f" ({why})"
                msg = f"{self.name} did not start within {seconds}{why}."
                raise BrokerUnavailable(msg)
            if (error := task.exception()) is not None:
                if not is_outage(error):
                    raise error
                msg = f"{self.name} did not start: {reason_of(error)}."
                raise BrokerUnavailable(msg) from error
        except BaseException:
            await self._abandon(task)
            await self._reset()
            raise

    async def _start_and_verify(self, timeout: float) -> None:
        async with self.driver.starting(timeout):
            await self.broker.start()
        # A `start()` that returned is not one that worked.
        while True:
            report = await self.look(timeout)
            self.reason = report.reason if not report.connected else report.broken
            if not self.broker.running:
                self.reason = "its start ended too early"
            if not self.reason:
                return
            if not self.broker.running or report.dead:
                raise Unreachable(self.reason)
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
        self._forget_connection()
        stopping = self._stop_broker()
        try:
            await asyncio.wait({stopping}, timeout=timeout)
        finally:
            await self._abandon(stopping)
            await self._force()

    async def _force(self) -> None:
        forcing = asyncio.ensure_future(self.driver.reset())
        await asyncio.wait({forcing}, timeout=2 * CLEANUP_TIMEOUT)
        if forcing.done() and not forcing.cancelled() and (error := forcing.exception()):
            _log(f"{self.name} could not be closed.", error)
        await self._abandon(forcing)

    def start_in_background(self, timeout: float) -> None:
        """Start the broker, again and again until it works, then watch it."""
        self._startup_timeout = timeout
        self._state, self.reason = State.STARTING, "starting"
        self.started = asyncio.Event()
        self._run(self._keep_running(), "start")

    def fail(self, reason: str) -> None:
        """Hold the broker not ready, for a reason that is not its own."""
        self._state, self.reason = State.STARTING, reason

    def watch(self) -> None:
        """Look at the broker from time to time, and start it again when its client gave up."""
        if not self.patched:
            self._run(self._watch(), "watch")

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
            await self.start(self._startup_timeout)
        except Exception as error:
            self._state = State.STARTING
            _log(
                f"{self.name}: {self.reason}; next attempt in {pause:g} s at most.",
                None if is_outage(error) else error,
            )
            return False
        return True

    async def _watch(self) -> None:
        while True:
            with suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(self.driver.lost_event.wait(), WATCH_INTERVAL)
            if self.driver.lost():
                await asyncio.sleep(0.1)  # a stop closes the client, too, and then forgets it
            if why := self.driver.lost():
                _log(f"{self.name}: {why}; it is started again.")
                self._state, self.reason = State.STARTING, why
                # Handlers that are at work may end; what they publish is their own trouble.
                await self._reset(REVIVAL_TIMEOUT)
                await self._start_with_retries()
            else:
                self.driver.lost_event.clear()
                await self.look(WATCH_INTERVAL)

    # Look.

    def glance(self) -> BrokerReport:
        """Tell what is known about the broker without asking its server."""
        last = self.report
        return self._make_report(
            connected=last.connected if last is not None else False,
            reason=last.reason if last is not None else "not asked yet",
            ping=last.ping if last is not None else None,
        )

    async def look(self, timeout: float) -> BrokerReport:
        """Ask the server, and tell what is known about the broker.

        Args:
            timeout: How many seconds the server has to answer.
        """
        began = time.perf_counter()
        ping, reason = None, ""
        if self.patched:
            return self._make_report(connected=True, reason="", ping=0.0)
        if why := self.driver.lost():
            reason = why
        elif self.state in (State.STOPPED, State.STARTING) and not self.broker.running:
            reason = self.reason or "not started"
        else:
            inspections = asyncio.ensure_future(self._inspect(min(timeout / 2, 1.0)))
            try:
                self._follow_connection()
                await self._round_trip(timeout)
                ping = time.perf_counter() - began
            except Exception as error:
                reason = reason_of(error)
            await inspections
        self.report = self._make_report(connected=ping is not None, reason=reason, ping=ping)
        return self.report

    def _make_report(self, *, connected: bool, reason: str, ping: float | None) -> BrokerReport:
        return BrokerReport(
            name=self.name,
            kind=type(self.broker).__name__,
            state=self.state,
            connected=connected,
            reason=reason or self.reason,
            ping=ping,
            consumers=tuple(
                ConsumerReport(subscriber_name(each), self._judge(each, connected))
                for each in self.broker.subscribers
            ),
            at=time.time(),
        )

    def _judge(self, subscriber: Any, connected: bool) -> Verdict:
        if self.patched:
            return Verdict(Consumption.UP)
        verdict = self.driver.consuming(subscriber)
        inspected = self._inspected.get(subscriber)
        if verdict.consumption is Consumption.UP and inspected is not None:
            verdict = inspected
        if verdict.consumption is not Consumption.DOWN or not connected:
            self._down_since.pop(subscriber, None)
        elif verdict.reason != "not started":
            since = self._down_since.setdefault(subscriber, time.monotonic())
            if time.monotonic() - since > DEAD_AFTER:
                return Verdict(Consumption.DEAD, f"{verdict.reason} for over {DEAD_AFTER:g} s")
        return verdict

    async def _inspect(self, timeout: float) -> None:
        async def inspect(subscriber: Any) -> None:
            inspection = self._inspections.get(subscriber)
            if inspection is None:
                inspection = InFlight(_inspect_weakly(self.driver, subscriber))
                self._inspections[subscriber] = inspection
            try:
                verdict = await inspection(timeout)
            except Exception:
                return  # The round trip tells whether the server answers.
            if verdict is None:
                self._inspected.pop(subscriber, None)
            else:
                self._inspected[subscriber] = verdict

        await asyncio.gather(*(inspect(each) for each in self.broker.subscribers if each.running))

    def _follow_connection(self) -> None:
        generation = self.driver.generation()
        if generation != self._generation:
            # A question to a connection that is gone gets no answer.
            self._round_trip.cancel()
            self._generation = generation

    def _forget_connection(self) -> None:
        self._round_trip.cancel()
        for inspection in self._inspections.values():
            inspection.cancel()
        self._generation = None
        self._inspected.clear()
        self._down_since.clear()
        self.report = None

    # Stop.

    def announce_stop(self) -> None:
        """Say to those who probe that the broker is about to stop."""
        if self._state in (State.STARTING, State.READY):
            self._state = State.DRAINING

    @property
    def announced(self) -> bool:
        """Whether the broker is about to stop, or stops."""
        return self._state is State.DRAINING

    @property
    def stoppable(self) -> bool:
        """Whether there is something to stop."""
        return self.managed or self.broker.running

    async def quiesce(self) -> None:
        """End the start or the watch that is under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=4 * CLEANUP_TIMEOUT)  # it tidies up
        self.reason = ""
        if self.stoppable:
            self._state = State.DRAINING

    async def drain(self, timeout: float) -> None:
        """Take no more messages, and handle those that were received, for `timeout` seconds."""
        if self.patched or not self.broker.running or self.driver.lost():
            return
        running = [
            asyncio.ensure_future(self.driver.drain(each))
            for each in self.broker.subscribers
            # A dead one handles nothing any more.
            if self.driver.consuming(each).consumption in (Consumption.UP, Consumption.UNKNOWN)
        ]
        if not running:
            return
        try:
            await asyncio.wait(running, timeout=timeout)
        finally:
            late = [task for task in running if not task.done()]
            for task in late:
                task.cancel()
            for task in running:
                task.add_done_callback(ignore_result)
        if late:
            _log(f"{self.name}: messages were still handled after {timeout:.1f} s.")

    async def stop(self, timeout: float) -> None:
        """Stop the broker within `timeout` seconds, by force if need be.

        Raises:
            Exception: What the stop of the broker has raised, where it is not about a server that
                is away. The broker is closed all the same.
        """
        if self.patched:
            await self.broker.stop()
            self._state = State.STOPPED
            return
        self._forget_connection()
        stopping = self._stop_broker()
        error: BaseException | None = None
        try:
            await asyncio.wait({stopping}, timeout=max(timeout, 0.0))
            if stopping.done():
                error = stopping.exception() if not stopping.cancelled() else None
                clean = error is None
            else:
                clean = False
                _log(f"{self.name} did not stop in time; it is closed by force.")
        except asyncio.CancelledError:
            clean = False
            raise
        finally:
            await self._abandon(stopping)
            if not clean:
                await self._force()
            self._state, self.reason = State.STOPPED, ""
        if error is not None:
            if not is_outage(error):
                raise error
            _log(f"{self.name} was closed by force: {reason_of(error)}.")


def describe(broker: AnyBroker | None) -> str:
    """Name a broker and its addresses, without credentials."""
    urls = getattr(getattr(broker, "specification", None), "url", ())
    hosts = []
    for url in (urls,) if isinstance(urls, str) else urls:
        parts = urlsplit(url if "//" in url else f"//{url}")
        hosts.append(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".removeprefix("://"))
    return f"{type(broker).__name__} at {', '.join(hosts) or 'an unknown address'}"


_CLIENTS = ("nats", "redis", "aio_pika", "aiormq", "pamqp", "aiokafka", "confluent_kafka", "zmqtt")


def is_outage(error: BaseException) -> bool:
    """Tell whether an error is about a server that is away or refuses, and not about the code."""
    if inner := getattr(error, "exceptions", None):
        return all(map(is_outage, inner))
    if isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError)):
        return True
    return any(cls.__module__.split(".")[0] in _CLIENTS for cls in type(error).__mro__)


_AUTHENTICATION = ("auth", "noperm", "wrongpass", "access_refused", "access refused", "permission")


def reason_of(error: BaseException) -> str:
    """Say why a broker does not work, without anything that a client library wrote.

    Their messages may carry an address with its password.
    """
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, BrokerUnavailable):
            continue
        text = f"{type(each).__name__} {each}".lower()
        if any(word in text for word in _AUTHENTICATION):
            return "authentication or permission refused"
    for each in chain:
        if isinstance(each, ssl.SSLError):
            return "TLS failed"
        if isinstance(each, gaierror):
            return "host name not found"
        if isinstance(each, ConnectionRefusedError) or "refused" in str(each).lower():
            return "connection refused"
    for each in chain:
        if isinstance(each, Unreachable):
            return str(each)
    if any("timeout" in type(each).__name__.lower() for each in chain):
        return "no answer in time"
    return type(error).__name__


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    seen = 0
    while error is not None and seen < 8:
        for inner in getattr(error, "exceptions", ()):
            yield from _chain(inner)
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _inspect_weakly(
    driver: Driver, subscriber: Any
) -> Callable[[], Coroutine[Any, Any, Verdict | None]]:
    reference = ref(subscriber)

    async def inspect() -> Verdict | None:
        found = reference()
        return None if found is None else await driver.inspect(found)

    return inspect


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log(f"{task.get_name()}: it has ended, which is a bug.", error)


def _log(message: str, error: BaseException | None = None) -> None:
    default_logger.warning(message, exc_info=error)
