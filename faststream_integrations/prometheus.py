"""Prometheus gauges for what the probes know."""

from __future__ import annotations

import time
from collections.abc import Iterator

from faststream_integrations.drivers import Consumption
from faststream_integrations.environment import BrokerOrApp, brokers_of, check_brokers
from faststream_integrations.supervisor import WATCH_INTERVAL, State, Supervisor, state_of

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
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


class HealthCollector(Collector):
    """Gauges of the state of an application, its brokers and their subscribers.

    ``faststream_application_state{state}`` is 1 for the state that it is in;
    ``faststream_broker_up{broker}`` whether a server answers, and
    ``faststream_broker_ping_seconds{broker}`` how fast; ``faststream_subscriber_up{broker,
    subscriber}`` whether a subscriber consumes. What is not known is NaN, never 1.

    A scrape asks no server: the gauges tell what the application's lifespan has found in the last
    seconds.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application with its brokers.
        registry: Where the gauges are registered; `None` for nowhere.

    Raises:
        TypeError: No broker was given, or something that is none.
    """

    def __init__(
        self, *brokers_or_app: BrokerOrApp, registry: CollectorRegistry | None = REGISTRY
    ) -> None:
        check_brokers("HealthCollector", brokers_or_app)
        self._brokers_or_app = brokers_or_app
        if registry is not None:
            registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; the registry calls this at a scrape."""
        supervisors = [Supervisor.of(broker) for broker in brokers_of(*self._brokers_or_app)]
        current = state_of(each.state for each in supervisors)
        state = GaugeMetricFamily(
            "faststream_application_state", "State of the application", labels=["state"]
        )
        for each in State:
            state.add_metric([each.value], float(each is current))
        up = GaugeMetricFamily("faststream_broker_up", "Server answers", labels=["broker"])
        ping = GaugeMetricFamily(
            "faststream_broker_ping_seconds", "Time of the last answer", labels=["broker"]
        )
        consuming = GaugeMetricFamily(
            "faststream_subscriber_up", "Subscriber consumes", labels=["broker", "subscriber"]
        )
        unknown = float("nan")
        for supervisor in supervisors:
            report = supervisor.report
            if report is None or time.time() - report.at > STALE:
                up.add_metric([supervisor.name], unknown)
                continue
            up.add_metric([report.name], float(report.connected))
            if report.ping is not None:
                ping.add_metric([report.name], report.ping)
            for consumer in report.consumers:
                consumption = consumer.verdict.consumption
                if consumption is Consumption.IDLE:
                    continue
                value = unknown if consumption is Consumption.UNKNOWN else 0.0
                if consumption is Consumption.UP and report.connected:
                    value = 1.0
                consuming.add_metric([report.name, consumer.name], value)
        yield from (state, up, ping, consuming)
