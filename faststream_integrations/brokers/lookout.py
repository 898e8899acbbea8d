"""What is known about a broker: questions to its server, and the report that they make."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from faststream_integrations._faststream import declared_subscribers
from faststream_integrations.brokers.kinds import Consumption, Kind, Verdict
from faststream_integrations.brokers.names import subscriber_names
from faststream_integrations.brokers.outages import describe
from faststream_integrations.brokers.reasons import reason_of
from faststream_integrations.brokers.reports import BrokerReport, ConsumerReport, State
from faststream_integrations.brokers.sharing import InFlight, answer_of, run_now, settle

__all__ = ("FRESH", "PATIENCE", "SILENT", "WATCH_INTERVAL", "Lookout", "look_at")

WATCH_INTERVAL = 2.0
"""Seconds between two looks at a broker that runs."""

FRESH = 2.5 * WATCH_INTERVAL
"""Seconds for which a report is believed: a look that gets no answer takes two intervals."""

_ASKED = (State.READY, State.DRAINING)

SILENT = 5.0
"""Seconds after which a connection that owes an answer is not believed to pass anything."""

PATIENCE = 16
"""Turns of the event loop for an answer that came in time: the slowest client takes 10 for it."""

DEAD_AFTER = 30.0
"""Seconds after which a consumer that is down, while its server answers, counts as dead."""


class Lookout:
    """Asks a broker's server, and keeps what was found.

    Args:
        kind: What is special about the broker's kind.
        phase: Tells the state of the broker, and why it is in that.
        told: Called when there is a new report.

    Attributes:
        kind: What is special about the broker's kind.
        report: What the last look has found; `None` before the first one.
    """

    def __init__(
        self,
        kind: Kind,
        phase: Callable[[], tuple[State, str]],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self.report: BrokerReport | None = None
        self._phase = phase
        self._told = told
        self._looked = 0.0
        self._pulse = (0, 0, 0)
        self._round_trip = InFlight(kind.ask)
        self._generation: Any = None
        self._down_since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._asked: WeakSet[Any] = WeakSet()
        self._inspection: asyncio.Future[None] | None = None
        self._inspected: WeakKeyDictionary[Any, Verdict] = WeakKeyDictionary()
        self._uninspected: list[ref[Any]] = []
        self._names: tuple[tuple[Any, ...], list[str]] = ((), [])

    def silent(self, seconds: float) -> list[Any]:
        """Return the subscribers whose connection has owed an answer for longer than that.

        `None` among them is the connection of the broker, which most kinds have for all.
        """
        if self.kind.held_back():
            return []
        found = [each for each in self._asked if self.kind.silence(each) > seconds]
        owed = self.kind.silence(None)
        if self._round_trip.open:
            owed = max(owed, asyncio.get_running_loop().time() - self._round_trip.since)
        return [*found, None] if owed > seconds else found

    def fresh(self) -> BrokerReport | None:
        """Return the last report, where it is young enough and nothing is known to have changed."""
        report = self.report
        if report is None or time.monotonic() - self._looked > FRESH:
            return None
        if report.connected and not self.kind.connected():
            return None
        if report.generation != self.kind.generation() or self._pulse != self._feel_pulse():
            return None
        state, reason = self._phase()
        if state is not report.state:
            report = self.report = replace(report, state=state, reason=report.reason or reason)
        return report

    def _feel_pulse(self) -> tuple[int, int, int]:
        """Count what tells at little cost that a subscriber came, stopped, or lost a task."""
        subscribers = self.kind.broker.subscribers
        running = sum(each.running for each in subscribers)
        tasks = (task for each in subscribers for task in getattr(each, "tasks", ()))
        return len(subscribers), running, sum(not task.done() for task in tasks)

    def glance(self) -> BrokerReport:
        """Tell what is known about the broker without asking its server."""
        if (report := self.fresh()) is not None:
            return report
        last = self.report
        if last is None:
            return self._make_report(connected=False, reason="not asked yet", ping=None)
        return self._make_report(connected=last.connected, reason=last.reason, ping=last.ping)

    def ask(self) -> asyncio.Future[None] | None:
        """Ask the server; `None` where there is nothing to ask, since the broker does not run."""
        if self.kind.lost() or not (self.kind.runs() or self._phase()[0] in _ASKED):
            return None
        self._inspect_next()
        generation = self.kind.generation()
        if generation != self._generation:
            # A question to a connection that is gone gets no answer.
            self._round_trip.drop()
            self._generation = generation
        return self._round_trip.ask()

    def conclude(self, asked: asyncio.Future[None] | None) -> BrokerReport:
        """Tell what is known about the broker, with what `ask` has returned, answered or not."""
        ping = None
        if asked is None:
            reason = self.kind.lost() or self._phase()[1] or "not started"
        else:
            try:
                answer_of(asked)
            except Exception as error:
                reason = self.kind.held_back() or reason_of(error)
            else:
                ping, reason = asyncio.get_running_loop().time() - self._round_trip.since, ""
        self.report = self._make_report(connected=ping is not None, reason=reason, ping=ping)
        self._looked = time.monotonic()
        self._pulse = self._feel_pulse()
        self._told()
        return self.report

    async def look(self, deadline: float, patience: int = 0) -> BrokerReport:
        """Ask the server, and tell what is known about the broker.

        Args:
            deadline: Until when the server has to answer, by the clock of the event loop.
            patience: How many turns of the event loop there are after it. A client hands an answer
                from task to task, which is no fault of the server's where turns are slow.
        """
        asked = self.ask()
        if asked is not None:
            await settle([asked], deadline)
            for _ in range(patience):
                if asked.done():
                    break
                await asyncio.sleep(0)
        return self.conclude(asked)

    def forget(self) -> None:
        """Forget what was found on a connection that is gone, and ask nothing more on it."""
        self._round_trip.drop()
        if self._inspection is not None:
            self._inspection.cancel()
        self._generation = None
        self._uninspected.clear()
        self._inspected.clear()
        self._down_since.clear()
        self._asked.clear()
        self._names = ((), [])
        self.report = None

    def _make_report(self, *, connected: bool, reason: str, ping: float | None) -> BrokerReport:
        state, why = self._phase()
        broker = self.kind.broker
        return BrokerReport(
            name=describe(broker),
            kind=type(broker).__name__,
            state=state,
            connected=connected,
            reason=reason or why,
            ping=ping,
            consumers=tuple(self._judge_all(connected)),
            at=time.time(),
            generation=self.kind.generation(),
        )

    def _judge_all(self, connected: bool) -> Iterator[ConsumerReport]:
        subscribers = declared_subscribers(self.kind.broker)
        # A name takes longer than a judgement, and changes only with the handlers.
        named = tuple((each, len(each.calls)) for each in subscribers)
        if named != self._names[0]:
            self._names = named, subscriber_names(subscribers)
        for name, subscriber in zip(self._names[1], subscribers, strict=True):
            yield ConsumerReport(name, self._judge(subscriber, connected))

    def _judge(self, subscriber: Any, connected: bool) -> Verdict:
        verdict = self.kind.consuming(subscriber)
        if verdict.consumption is Consumption.UP:
            self._asked.add(subscriber)
            if self.kind.silence(subscriber) > SILENT:
                verdict = Verdict(Consumption.DOWN, "its connection passes nothing")
        if self._inspected:
            inspected = self._inspected.get(subscriber, verdict)
            if verdict.consumption is Consumption.UP or inspected.consumption is Consumption.DEAD:
                verdict = inspected
        if verdict.consumption is not Consumption.DOWN or verdict.on_purpose or not connected:
            if self._down_since:
                self._down_since.pop(subscriber, None)
            return verdict
        since = self._down_since.setdefault(subscriber, time.monotonic())
        if time.monotonic() - since > DEAD_AFTER:
            return Verdict(Consumption.DEAD, f"{verdict.reason} for over {DEAD_AFTER:g} s")
        return verdict

    def _inspect_next(self) -> None:
        """Ask the server about one subscriber, the next in turn.

        What it takes does not hold up who looks: the answer is in the next report.
        """
        if self._inspection is not None and not self._inspection.done():
            return
        if not self._uninspected:
            self._uninspected = [
                ref(each) for each in self.kind.broker.subscribers if self.kind.inspects(each)
            ]
        while self._uninspected:
            subscriber = self._uninspected.pop()()
            if subscriber is not None:
                self._inspection = run_now(self._inspect(subscriber))
                return

    async def _inspect(self, subscriber: Any) -> None:
        try:
            verdict = await self.kind.inspect(subscriber)
        except Exception:
            return  # The round trip tells whether the server answers.
        self._inspected[subscriber] = verdict


async def look_at(lookouts: Sequence[Lookout], deadline: float) -> list[BrokerReport]:
    """Tell what is known about brokers, and ask those servers about which nothing fresh is known.

    Args:
        lookouts: Those of the brokers.
        deadline: Until when the servers have to answer, by the clock of the event loop.
    """
    fresh = [each.fresh() for each in lookouts]
    asked = [None if report else each.ask() for each, report in zip(lookouts, fresh, strict=True)]
    await settle([each for each in asked if each is not None], deadline)
    return [
        report or each.conclude(future)
        for each, report, future in zip(lookouts, fresh, asked, strict=True)
    ]
