"""Prometheus gauges for what the probes know."""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from faststream_integrations.brokers.kinds import Consumption
from faststream_integrations.brokers.lookout import WATCH_INTERVAL
from faststream_integrations.brokers.names import distinct
from faststream_integrations.brokers.reports import BrokerReport, State, state_of
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.environment import BrokerOrApp, brokers_of, check_brokers

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Gauge
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.multiprocess import mark_process_dead
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("prometheus_client"):
        raise
    msg = (
        "faststream_integrations.prometheus needs prometheus-client. "
        'Install it with: pip install "faststream-integrations[prometheus]"'
    )
    raise ImportError(msg) from error

__all__ = ("HealthCollector",)

STALE = 5 * WATCH_INTERVAL
"""Seconds after which what was found about a broker is not believed any more."""

GAUGES = {
    "faststream_application_state": (("state",), "1 for the state of the application."),
    "faststream_broker_up": (("broker",), "Whether the server answers."),
    "faststream_broker_ping_seconds": (("broker",), "How long the last answer took."),
    "faststream_broker_looked_timestamp_seconds": (
        ("broker",),
        "When it was last looked at, in seconds since the epoch.",
    ),
    "faststream_subscriber_up": (("broker", "subscriber"), "Whether the subscriber consumes."),
    "faststream_subscriber_state": (
        ("broker", "subscriber", "state"),
        "1 for what is known about the subscriber.",
    ),
}
"""The names of the gauges, their labels and what they tell."""

Sample = tuple[str, tuple[str, ...], float]


class HealthCollector(Collector):
    """Gauges of the state of an application, its brokers and their subscribers.

    ``faststream_application_state{state}`` is 1 for the state that it is in.
    ``faststream_broker_up{broker}`` is 1 while a server answers, and 0 before it has,
    ``faststream_broker_ping_seconds{broker}`` how fast, and
    ``faststream_broker_looked_timestamp_seconds{broker}`` when that was found.
    ``faststream_subscriber_up{broker,subscriber}`` is 1 while a subscriber consumes, and
    ``faststream_subscriber_state{broker,subscriber,state}`` tells more; where the state is
    ``unknown`` or ``idle``, there is no ``faststream_subscriber_up``.

    A scrape asks no server: the gauges tell what the application's lifespan has found in the last
    seconds. What is older counts as 0. Of a broker that something else has started nothing is
    known, and only the state of the application is told.

    Each series is there once, and is the same after a restart: the second broker of one class and
    address, or the second handler of one name and address, is told from the first by an ordinal.

    A process that is one of several workers adds the label ``pid``. Where
    `PROMETHEUS_MULTIPROC_DIR` is set, each worker writes what it knows there, and
    `prometheus_client.multiprocess` tells of all of them.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application with its brokers.
        registry: Where the gauges are registered; `None` for nowhere.

    Raises:
        TypeError: No broker was given, or something that is none.
        ValueError: The registry has a `HealthCollector` already.
    """

    def __init__(
        self, *brokers_or_app: BrokerOrApp, registry: CollectorRegistry | None = REGISTRY
    ) -> None:
        check_brokers("HealthCollector", brokers_or_app)
        self._brokers_or_app = brokers_or_app
        self._shared: SharedGauges | None = None
        if registry is not None:
            self._register(registry)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            self._shared = SharedGauges(self._samples)
            self._share()

    def _register(self, registry: CollectorRegistry) -> None:
        try:
            registry.register(self)
        except ValueError as error:
            msg = (
                "This registry has a HealthCollector already, and a series may be there only once. "
                "Give one of them all brokers: HealthCollector(first, second)."
            )
            raise ValueError(msg) from error

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges without values; the registry calls this to learn their names."""
        yield from _families(()).values()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; the registry calls this at a scrape."""
        if self._shared is not None:
            return  # `prometheus_client.multiprocess` has them, of all workers
        pid = _worker()
        families = _families(("pid",) if pid else ())
        for name, labels, value in self._samples():
            families[name].add_metric([*labels, pid] if pid else labels, value)
        yield from families.values()

    def _share(self) -> None:
        for broker in brokers_of(*self._brokers_or_app):
            listeners = Supervisor.of(broker).listeners
            if self._shared is not None and self._shared.plan_write not in listeners:
                listeners.append(self._shared.plan_write)

    def _samples(self) -> Iterator[Sample]:
        self._share()  # a broker may have been added
        supervisors = [Supervisor.of(broker) for broker in brokers_of(*self._brokers_or_app)]
        current = state_of(each.state for each in supervisors)
        for state in State:
            yield "faststream_application_state", (state.value,), float(state is current)
        for broker, supervisor in zip(
            distinct(each.name for each in supervisors), supervisors, strict=True
        ):
            if supervisor.managed or not supervisor.broker.running:
                yield from _broker_samples(broker, supervisor.glance(), supervisor.report)


class SharedGauges:
    """Gauges that each worker writes into `PROMETHEUS_MULTIPROC_DIR`, with its ``pid``."""

    def __init__(self, samples: Callable[[], Iterator[Sample]]) -> None:
        self._samples = samples
        self._gauges: dict[str, Gauge] = {}
        self._planned = False

    def plan_write(self) -> None:
        """Write soon: who calls may be a signal handler, which must not wait for a lock."""
        if not self._planned:
            self._planned = True
            try:
                asyncio.get_running_loop().call_soon_threadsafe(self._write)
            except RuntimeError:
                self._write()

    def _write(self) -> None:
        self._planned = False
        if not self._gauges:  # not before: a server may fork after it has loaded the application
            folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
            _forget_dead_workers(folder)
            atexit.register(mark_process_dead, os.getpid(), folder)
            self._gauges = {
                name: Gauge(name, tells, labels, registry=None, multiprocess_mode="liveall")
                for name, (labels, tells) in GAUGES.items()
            }
        for name, labels, value in self._samples():
            self._gauges[name].labels(*labels).set(value)


def _forget_dead_workers(folder: str) -> None:
    """Remove the files of workers that were killed, or each scrape would tell of them for ever."""
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            mark_process_dead(int(pid), folder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is somebody else's
    return True


def _broker_samples(broker: str, now: BrokerReport, found: BrokerReport | None) -> Iterator[Sample]:
    fresh = found is not None and found.connected and time.time() - found.at <= STALE
    yield "faststream_broker_up", (broker,), float(fresh)
    if found is not None:
        yield "faststream_broker_looked_timestamp_seconds", (broker,), found.at
        if found.ping is not None:
            yield "faststream_broker_ping_seconds", (broker,), found.ping
    for consumer in now.consumers:
        labels = (broker, consumer.name)
        consumption = consumer.verdict.consumption
        if consumption is Consumption.UP and not fresh:
            consumption = Consumption.DOWN
        if consumption not in (Consumption.IDLE, Consumption.UNKNOWN):
            up = float(consumption is Consumption.UP)
            yield "faststream_subscriber_up", labels, up
        for state in Consumption:
            value = float(state is consumption)
            yield "faststream_subscriber_state", (*labels, state.value), value


def _families(more: tuple[str, ...]) -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(name, tells, labels=(*labels, *more))
        for name, (labels, tells) in GAUGES.items()
    }


def _worker() -> str:
    """Return the process id where this process is one of several workers; empty otherwise."""
    # uvicorn, hypercorn, granian and FastStream use multiprocessing; gunicorn forks by itself.
    forked = os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")
    return str(os.getpid()) if forked or multiprocessing.parent_process() is not None else ""
