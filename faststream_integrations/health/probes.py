"""Liveness and readiness, told as ``application/health+json``.

Source: draft-inadarei-api-health-check-06, "Health Check Response Format for HTTP APIs".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from faststream_integrations.brokers.kinds import Consumption
from faststream_integrations.brokers.lookout import look_at
from faststream_integrations.brokers.names import distinct
from faststream_integrations.brokers.reports import BrokerReport, State, state_of
from faststream_integrations.brokers.sharing import SharedRun, run_now
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.environment import BrokerOrApp, brokers_of, check_brokers
from faststream_integrations.health.checks import Check, CheckResult
from faststream_integrations.health.deadlines import deadline_in
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.response import JSONResponse
from faststream_integrations.types import Scope

if TYPE_CHECKING:
    from faststream.specification.schema import Tag, TagDict

__all__ = ("make_liveness_asgi", "make_readiness_asgi")

_HEADERS = {"content-type": "application/health+json", "cache-control": "no-store"}


def make_liveness_asgi(
    *brokers_or_app: BrokerOrApp,
    details: bool = True,
    include_in_schema: bool = True,
    description: str | None = None,
    tags: Sequence[Tag | TagDict | dict[str, Any]] | None = None,
    unique_id: str | None = None,
) -> HttpHandler:
    """Make a probe that says whether the process works, or has to be restarted: 200 or 503.

    503 when a consumer has died that does not come back by itself: its task has ended, it was
    stopped, or it has been detached from a server that answers for over 30 seconds. A server
    that is away is no reason, because a restart would not bring it back. The probe asks no
    server, so it answers at once.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application with its brokers.
        details: Whether the body tells more than the status.
        include_in_schema: Whether the route is in the AsyncAPI (and the host's OpenAPI) document.
        description: For the documents.
        tags: For the documents.
        unique_id: The operation id in the documents.

    Returns:
        A handler of GET and HEAD, for `asgi_routes` and for ``app.mount()`` of any framework.

    Raises:
        TypeError: No broker was given, or something that is none.
    """
    check_brokers("make_liveness_asgi", brokers_or_app)

    def tell(reports: Sequence[BrokerReport]) -> JSONResponse:
        state = state_of(report.state for report in reports)
        # Only what runs can have died; what starts or stops is busy with just that.
        alive = not any(report.dead for report in reports if report.state is State.READY)
        checks = {**_state_check(state, True), **_consumer_checks(reports, _liveness_status)}
        return _response("pass" if alive else "fail", checks, details)

    told = _Told(tell)

    async def liveness(scope: Scope) -> JSONResponse:
        return told([Supervisor.of(broker).glance() for broker in brokers_of(*brokers_or_app)])

    return HttpHandler(
        liveness,
        methods=("GET",),
        include_in_schema=include_in_schema,
        description=description or "Whether the process works, or has to be restarted.",
        tags=tags,
        unique_id=unique_id,
        responses={
            200: {"description": "The process works."},
            503: {"description": "It has to be restarted: a consumer has died."},
        },
    )


def make_readiness_asgi(
    *brokers_or_app: BrokerOrApp,
    checks: Mapping[str, Callable[[], Any] | Check] | None = None,
    timeout: float = 5.0,
    details: bool = True,
    include_in_schema: bool = True,
    description: str | None = None,
    tags: Sequence[Tag | TagDict | dict[str, Any]] | None = None,
    unique_id: str | None = None,
) -> HttpHandler:
    """Make a probe that says whether the application does its work at present: 200 or 503.

    200 when the application has started and does not stop, every broker's server answers, every
    subscriber consumes, and every check of your own passes. Whether a subscriber consumes is
    known for NATS, Redis, RabbitMQ, Kafka, Confluent and MQTT; for another broker the ping has to
    do, and the body says ``warn``.

    The lifespan looks at its brokers every two seconds, and the probe answers from what was found.
    Where that is not fresh, or the connection is another one, it asks, everything at once. However
    many probes come at a time, one question of each kind is in flight, and its answer is shared.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application with its brokers.
        checks: Checks of your own by name: functions without arguments, asynchronous or plain (in
            a thread), which fail by returning ``False`` or raising; or a `Check`, with a timeout
            of its own.
        timeout: How many seconds the probe may take. Servers and checks have nine tenths of it.
        details: Whether the body tells more than the status.
        include_in_schema: Whether the route is in the AsyncAPI (and the host's OpenAPI) document.
        description: For the documents.
        tags: For the documents.
        unique_id: The operation id in the documents.

    Returns:
        A handler of GET and HEAD, for `asgi_routes` and for ``app.mount()`` of any framework.

    Raises:
        TypeError: No broker was given, or something that is none; or a check is no function.
    """
    check_brokers("make_readiness_asgi", brokers_or_app)
    own = {
        name: check if isinstance(check, Check) else Check(check)
        for name, check in (checks or {}).items()
    }

    def tell(reports: Sequence[BrokerReport], results: Sequence[CheckResult] = ()) -> JSONResponse:
        state = state_of(report.state for report in reports)
        found = {
            **_state_check(state, state is State.READY),
            **_connection_checks(reports),
            **_consumer_checks(reports, _readiness_status),
            **_own_checks(own, results),
        }
        statuses = {each["status"] for group in found.values() for each in group}
        ready = reports and all(report.ready for report in reports)
        if not ready or not all(result.passed for result in results):
            return _response("fail", found, details)
        return _response("warn" if "warn" in statuses else "pass", found, details)

    told = _Told(tell)

    async def examine(deadline: float) -> JSONResponse:
        running = [run_now(check.result(name, deadline)) for name, check in own.items()]
        lookouts = [Supervisor.of(broker).lookout for broker in brokers_of(*brokers_or_app)]
        reports = await look_at(lookouts, deadline)
        return tell(reports, [await each for each in running])

    shared = SharedRun(examine)

    async def readiness(scope: Scope) -> JSONResponse:
        deadline = deadline_in(timeout)
        if not own:
            lookouts = [Supervisor.of(broker).lookout for broker in brokers_of(*brokers_or_app)]
            fresh = [report for each in lookouts if (report := each.fresh()) is not None]
            if len(fresh) == len(lookouts):
                return told(fresh)
        return await shared(deadline)

    return HttpHandler(
        readiness,
        methods=("GET",),
        include_in_schema=include_in_schema,
        description=description or "Whether the application does its work at present.",
        tags=tags,
        unique_id=unique_id,
        responses={
            200: {"description": "The application does its work."},
            503: {"description": "It does not: the body says why."},
        },
    )


class _Told:
    """Tells of reports, of the same ones once: those of a watch are new every few seconds."""

    __slots__ = ("_reports", "_response", "_tell")

    def __init__(self, tell: Callable[[Sequence[BrokerReport]], JSONResponse]) -> None:
        self._tell = tell
        self._reports: Sequence[BrokerReport] = ()
        self._response: JSONResponse | None = None

    def __call__(self, reports: Sequence[BrokerReport]) -> JSONResponse:
        response = self._response
        if (
            response is None
            or len(reports) != len(self._reports)
            or not all(map(operator.is_, reports, self._reports))
        ):
            self._reports = reports
            response = self._response = self._tell(reports)
        return response


Checks = dict[str, list[dict[str, Any]]]


def _response(status: str, checks: Checks, details: bool) -> JSONResponse:
    body: dict[str, Any] = {"status": status}
    if details:
        body["checks"] = checks
    return JSONResponse(body, 503 if status == "fail" else 200, _HEADERS)


def _state_check(state: State, passed: bool) -> Checks:
    return {
        "application:state": [
            {
                "componentType": "system",
                "observedValue": state.value,
                "status": "pass" if passed else "fail",
            }
        ]
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def _connection_checks(reports: Sequence[BrokerReport]) -> Checks:
    checks: Checks = {}
    for name, report in zip(distinct(each.name for each in reports), reports, strict=True):
        check: dict[str, Any] = {"componentId": name, "componentType": "datastore"}
        if report.ping is not None:
            check |= {"observedValue": round(report.ping * 1000, 3), "observedUnit": "ms"}
        passed = report.connected and report.state is State.READY
        check |= {"status": "pass" if passed else "fail", "time": _time(report.at)}
        if not passed and (reason := report.reason or report.state.value):
            check["output"] = reason
        checks.setdefault(f"{report.kind}:connection", []).append(check)
    return checks


def _consumer_checks(
    reports: Sequence[BrokerReport], status: Callable[[Consumption], str]
) -> Checks:
    checks: Checks = {}
    for name, report in zip(distinct(each.name for each in reports), reports, strict=True):
        broker = f", {name}" if len(reports) > 1 else ""
        for consumer in report.consumers:
            verdict = consumer.verdict
            check: dict[str, Any] = {
                "componentId": f"{consumer.name}{broker}",
                "componentType": "component",
                "observedValue": verdict.consumption.value,
                "status": status(verdict.consumption),
            }
            if verdict.reason:
                check["output"] = verdict.reason
            checks.setdefault(f"{report.kind}:consuming", []).append(check)
    return checks


def _readiness_status(consumption: Consumption) -> str:
    if consumption in (Consumption.DOWN, Consumption.DEAD):
        return "fail"
    return "warn" if consumption is Consumption.UNKNOWN else "pass"


def _liveness_status(consumption: Consumption) -> str:
    if consumption is Consumption.DEAD:
        return "fail"
    return "pass" if consumption in (Consumption.UP, Consumption.IDLE) else "warn"


def _own_checks(own: Mapping[str, Check], results: Sequence[CheckResult]) -> Checks:
    checks: Checks = {}
    for name, result in zip(own, results, strict=True):
        check: dict[str, Any] = {"componentType": "component"}
        if result.seconds is not None:
            check |= {"observedValue": round(result.seconds * 1000, 3), "observedUnit": "ms"}
        check["status"] = "pass" if result.passed else "fail"
        if result.reason:
            check["output"] = result.reason
        checks[name] = [check]
    return checks
