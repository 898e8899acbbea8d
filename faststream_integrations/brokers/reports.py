"""What is known about a broker and its subscribers, as the probes and the metrics show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from faststream_integrations.brokers.kinds import Consumption, Verdict

__all__ = ("BrokerReport", "ConsumerReport", "State", "state_of")


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
        generation: What is another one when the connection is.
    """

    name: str
    kind: str
    state: State
    connected: bool
    reason: str
    ping: float | None
    consumers: tuple[ConsumerReport, ...]
    at: float
    generation: Any = None

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
