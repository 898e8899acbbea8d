"""The HTTP endpoint behind the AsyncAPI page's Try It Out: one message, one dry run, one answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import asdict, dataclass
from typing import Any

from pydantic_core import from_json
from typing_extensions import Required, Self, TypedDict

from faststream_integrations._faststream import default_logger
from faststream_integrations.asyncapi.hosts import host_name
from faststream_integrations.dry_run.limits import DryRunLimits, TooLargeError
from faststream_integrations.dry_run.report import DryRunReport
from faststream_integrations.dry_run.run import (
    Brokers,
    ChannelNotFoundError,
    DryRun,
    DryRunUnavailableError,
)
from faststream_integrations.http.errors import ClientDisconnect, RequestError
from faststream_integrations.http.handlers import ResponseDoc
from faststream_integrations.http.protocol import method_not_allowed, refuse
from faststream_integrations.http.request import AsgiRequest, Headers
from faststream_integrations.http.response import JSONResponse
from faststream_integrations.types import Receive, Scope, Send

__all__ = ("REPORT_TYPE", "RESPONSES", "TryItOut", "TryItOutRequest")

REPORT_TYPE = "application/vnd.faststream.dry-run+json"
"""The media type of the full report; a client that names it in `Accept` gets one."""


class RequestMessage(TypedDict, total=False):
    """The message of a request, as asyncapi-try-it-plugin wraps it."""

    operation_id: str
    operation_type: str
    message: Any


class RequestOptions(TypedDict, total=False):
    """What asyncapi-try-it-plugin lets a user choose."""

    sendToRealBroker: bool
    timestamp: str


class TryItOutRequest(TypedDict, total=False):
    """A request to Try It Out, for the documents; `headers` and `address` are additions."""

    channelName: Required[str]
    message: RequestMessage
    options: RequestOptions
    headers: dict[str, str]
    address: str


class Refusal(TypedDict):
    """Why a request was refused, or what the handler raised."""

    details: str


RESPONSES: dict[int, ResponseDoc] = {
    200: {
        "description": "What the handler returned, or `ok` where that is nothing; with "
        f"`Accept: {REPORT_TYPE}` the full report, whatever the handler did.",
        "model": Any,
    },
    400: {"description": "No JSON, or no channelName.", "model": Refusal},
    403: {"description": "A page of another host; the real broker is off.", "model": Refusal},
    404: {"description": "No subscriber serves the channel.", "model": Refusal},
    413: {"description": "The request is too large.", "model": Refusal},
    415: {"description": "The request is not application/json.", "model": Refusal},
    429: {"description": "Too many runs at once.", "model": Refusal},
    500: {"description": "The handler failed, or time is up.", "model": Refusal},
    501: {"description": "No dry run is available for this subscriber.", "model": Refusal},
    502: {"description": "The real broker did not take the message.", "model": Refusal},
}


class TryItOut:
    """An ASGI application that lets a subscriber handle the message of a `POST`, in memory.

    The request is that of `asyncapi-try-it-plugin`, which FastStream's own page sends; `headers`
    and `address` are additions:

        {
            "channelName": "<id or address of a channel>",
            "message": {"message": <payload>},
            "options": {"sendToRealBroker": false},
            "headers": {},
            "address": "<where the channel's address has parameters>"
        }

    The answer is the plugin's too: 200 with what the handler returned, or `"ok"` where that is
    nothing, and 500 `{"details": "..."}` for an exception of the handler or when time is up. A
    client whose `Accept` names `application/vnd.faststream.dry-run+json`, as this package's page
    does, gets 200 with the full report instead, whatever the handler did.

    The refusals are 400 (not JSON, no channel), 403 (a foreign page, or the real broker while that
    is off), 404 (no such channel), 405, 413 (see `limits`), 415, 429 (too many runs), 501 (a dry
    run is unavailable) and 502 (the real broker failed), each with `{"details": "..."}`.

    A browser's request has to come from a page of the same host: `Sec-Fetch-Site` decides, or
    without it `Origin`, whose host name has to be that of the `Host` header. Scheme and port are
    not compared, because a proxy may change both; the proxy has to pass `Host` on.

    Args:
        brokers: The live brokers, or a function that returns them; late ones are seen. A docs
            page gives those of its document to a `TryItOut` that has none.
        real_broker: Whether `sendToRealBroker` may publish to the real broker.
        timeout: Seconds that a run may take.
        max_concurrency: How many runs there may be at once. A handler that cannot be cancelled
            counts until it ends.
        request_max_body_size: The largest request, in bytes.
        limits: How large the message and the report may be.
        allowed_origins: Origins of other hosts whose pages may send, such as
            `https://docs.example.com`. Such a page needs CORS headers too, which this
            application does not send.
    """

    def __init__(
        self,
        brokers: Brokers | None = None,
        *,
        real_broker: bool = False,
        timeout: float = 30.0,
        max_concurrency: int = 10,
        request_max_body_size: int = 1024 * 1024,
        limits: DryRunLimits | None = None,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self.real_broker = real_broker
        self.timeout = timeout
        self.max_concurrency = max_concurrency
        self.request_max_body_size = request_max_body_size
        self.limits = limits or DryRunLimits()
        self.allowed_origins = frozenset(allowed_origins)
        self._brokers = brokers
        self._dry_run = DryRun(() if brokers is None else brokers, self.limits)
        self._publishing = 0

    def of(self, brokers: Brokers) -> Self:
        """Return the same for brokers; itself, where it has brokers of its own."""
        if self._brokers is not None:
            return self
        made = copy(self)
        made._brokers = brokers
        made._dry_run = DryRun(brokers, self.limits)
        return made

    def unavailable(self) -> dict[str, str]:
        """Return where no dry run is available: ids of channels in the document, and why."""
        return self._dry_run.unavailable()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, at whatever path it is called."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        if scope["method"] != "POST":
            await method_not_allowed(("POST",))(scope, receive, send)
            return
        request = AsgiRequest(scope, receive, send, self.request_max_body_size)
        wants_report = _wants_report(request.headers.getlist("accept"))
        try:
            status, answer = 200, await self._answer(request)
            if not wants_report:
                status, answer = _plugin_answer(answer)
        except RequestError as error:
            status, answer = error.status_code, {"details": error.detail}
        except ClientDisconnect:
            return
        media_type = REPORT_TYPE if wants_report and status == 200 else "application/json"
        headers = {"content-type": media_type, "vary": "Accept", "cache-control": "no-store"}
        await asyncio.sleep(0)
        await JSONResponse(answer, status, headers)(scope, receive, send)

    async def _answer(self, request: AsgiRequest) -> dict[str, Any]:
        self._check_origin(request.headers)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise RequestError(415, "Send application/json.")
        body = await request.body()
        try:
            self.limits.check_json(body)
            form = _Form.parse(body)
            return await self._run(form)
        except TooLargeError as exc:
            raise RequestError(413, str(exc)) from None
        except ChannelNotFoundError as exc:
            raise RequestError(404, str(exc)) from None
        except DryRunUnavailableError as exc:
            default_logger.warning("Try It Out: %s (%r)", exc, exc.__cause__)
            raise RequestError(501, str(exc)) from None

    async def _run(self, form: _Form) -> dict[str, Any]:
        if form.real and not self.real_broker:
            raise RequestError(403, "Publishing to the real broker is switched off.")
        if self._dry_run.active + self._publishing >= self.max_concurrency:
            raise RequestError(429, "Too many runs at once: try again.")
        # Reading the request and the message's handling are one turn of the event loop each.
        await asyncio.sleep(0)
        if form.real:
            report = await self._publish(form)
        else:
            report = await self._dry_run.run(
                form.channel,
                form.payload,
                form.headers,
                address=form.address,
                timeout=self.timeout,
            )
        return _as_json(report, real_broker=form.real)

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin in self.allowed_origins:
            return
        if site := headers.get("sec-fetch-site"):
            same = site in {"same-origin", "none"}
        else:
            host = host_name(f"//{headers.get('host', '')}")
            same = origin is None or (host is not None and host_name(origin) == host)
        if not same:
            raise RequestError(403, "Send from the page of this host.")

    async def _publish(self, form: _Form) -> DryRunReport:
        self._publishing += 1
        try:
            # No scope of anyio's: it would cancel what client libraries tidy up, as well.
            await asyncio.wait_for(  # noqa: TID251
                self._dry_run.publish(
                    form.channel, form.payload, form.headers, address=form.address
                ),
                self.timeout,
            )
        except (ChannelNotFoundError, DryRunUnavailableError, TooLargeError):
            raise
        except Exception:
            default_logger.exception("Try It Out could not publish to the real broker.")
            msg = "The broker did not take the message: the server's log has the reason."
            raise RequestError(502, msg) from None
        finally:
            self._publishing -= 1
        return DryRunReport()


@dataclass(frozen=True)
class _Form:
    channel: str
    payload: Any
    headers: dict[str, str]
    address: str | None
    real: bool

    @classmethod
    def parse(cls, body: bytes) -> Self:
        try:
            form = from_json(body, allow_inf_nan=False)
        except ValueError as exc:
            raise RequestError(400, f"Invalid JSON: {exc}") from None
        form = _typed(form, dict, "The request")
        channel = _typed(form.get("channelName") or "", str, "channelName")
        if not channel:
            raise RequestError(400, "Missing channelName")
        message = _typed(form.get("message") or {}, dict, "message")
        headers = _typed(form.get("headers") or {}, dict, "headers")
        for name, value in headers.items():
            _typed(value, str, f"The header {name}")
        options = _typed(form.get("options") or {}, dict, "options")
        return cls(
            channel=channel,
            payload=message.get("message"),
            headers=headers,
            address=_typed(form.get("address") or "", str, "address") or None,
            real=_typed(options.get("sendToRealBroker", False), bool, "sendToRealBroker"),
        )


def _typed(value: Any, expected: type, name: str) -> Any:
    if not isinstance(value, expected):
        names = {dict: "an object", str: "a string", bool: "true or false"}
        raise RequestError(400, f"{name} is not {names[expected]}.")
    return value


def _wants_report(accept: list[str]) -> bool:
    """Whether `Accept` names the report's media type (RFC 9110, section 12.5.1)."""
    for media_range in ",".join(accept).split(","):
        media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if media_type == REPORT_TYPE:
            return not any(_ZERO.fullmatch(parameter) for parameter in parameters)
    return False


_ZERO = re.compile(r"q=0(\.0{0,3})?")


def _plugin_answer(report: Mapping[str, Any]) -> tuple[int, Any]:
    """Say what the protocol of asyncapi-try-it-plugin can say of a report."""
    if error := report["error"]:
        lines = [f"{error['type']}: {error['message']}"]
        for problem in error["details"]:
            place = ".".join(map(str, problem.get("loc", ())))
            lines.append(f"{place}: {problem['msg']}" if place else problem["msg"])
        return 500, {"details": "\n".join(lines)}
    return 200, "ok" if report["result"] is None else report["result"]


def _as_json(report: DryRunReport, *, real_broker: bool) -> dict[str, Any]:
    return {
        "status": "error" if report.error else "ok",
        "real_broker": real_broker,
        "result": report.result,
        "error": asdict(report.error) if report.error else None,
        "handled_error": asdict(report.handled_error) if report.handled_error else None,
        "acknowledgement": report.acknowledgement,
        "published": [vars(message) for message in report.published],
        "duration_ms": round(report.duration * 1000, 3),
        "notes": report.notes,
    }
