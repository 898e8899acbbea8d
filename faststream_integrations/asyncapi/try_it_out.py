"""The HTTP endpoint behind the AsyncAPI page's Try It Out: one message, one dry run, one report."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from faststream_integrations.asgi.errors import ClientDisconnect, RequestError
from faststream_integrations.asgi.handlers import method_not_allowed, refuse
from faststream_integrations.asgi.request import AsgiRequest, Headers
from faststream_integrations.asgi.response import JSONResponse
from faststream_integrations.asyncapi.dry_run import (
    Brokers,
    ChannelNotFoundError,
    DryRun,
    DryRunReport,
    DryRunUnavailableError,
    to_json,
)
from faststream_integrations.types import Receive, Scope, Send

__all__ = ("TryItOut",)

logger = logging.getLogger("faststream_integrations")


class TryItOut:
    """An ASGI application that answers `POST` with the report of a dry run.

    The body is what the page's form sends:

        {
            "channelName": "<id or address of a channel>",
            "message": {"message": <payload>},
            "headers": {},
            "address": "<where the channel's address has parameters>",
            "options": {"sendToRealBroker": false}
        }

    The answer is 200 when the message was handled, an exception of the handler included. The
    refusals are 400 (not JSON, no channel), 403 (a foreign page, or the real broker while that
    is off), 404 (no such channel), 405, 413, 415, 429 (too many runs), 501 (a dry run is
    unavailable) and 502 (the real broker failed), each as `{"detail": "..."}`.

    A browser's request has to come from a page of the same host: `Sec-Fetch-Site` decides, or
    without it `Origin`, whose host name has to be that of the `Host` header. Scheme and port are
    not compared, because a proxy may change both; the proxy has to pass `Host` on.

    Args:
        brokers: The live brokers, or a function that returns them; late ones are seen.
        real_broker: Whether `sendToRealBroker` may publish to the real broker.
        timeout: Seconds that a run may take.
        max_concurrency: How many runs there may be at once. A handler that cannot be cancelled
            counts until it ends.
        request_max_body_size: The largest request, in bytes.
        allowed_origins: Origins of other hosts whose pages may send, such as
            `https://docs.example.com`. Such a page needs CORS headers too, which this
            application does not send.
    """

    def __init__(
        self,
        brokers: Brokers,
        *,
        real_broker: bool = False,
        timeout: float = 30.0,
        max_concurrency: int = 10,
        request_max_body_size: int = 1024 * 1024,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self.real_broker = real_broker
        self.timeout = timeout
        self.max_concurrency = max_concurrency
        self.request_max_body_size = request_max_body_size
        self.allowed_origins = frozenset(allowed_origins)
        self._dry_run = DryRun(brokers)
        self._publishing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, at whatever path it is called."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        if scope["method"] != "POST":
            await method_not_allowed(("POST",))(scope, receive, send)
            return
        request = AsgiRequest(scope, receive, send, self.request_max_body_size)
        try:
            response = JSONResponse(await self._answer(request))
        except RequestError as error:
            response = error.response()
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: AsgiRequest) -> dict[str, Any]:
        self._check_origin(request.headers)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise RequestError(415, "Send application/json.")
        form = _Form.parse(await request.body())
        if form.real and not self.real_broker:
            raise RequestError(403, "Publishing to the real broker is switched off.")
        if self._dry_run.active + self._publishing >= self.max_concurrency:
            raise RequestError(429, "Too many runs at once: try again.")
        try:
            if form.real:
                return await self._publish(form)
            return _as_json(
                await self._dry_run.run(
                    form.channel,
                    form.payload,
                    form.headers,
                    address=form.address,
                    timeout=self.timeout,
                )
            )
        except ChannelNotFoundError as exc:
            raise RequestError(404, str(exc)) from None
        except DryRunUnavailableError:
            logger.exception("Try It Out has no dry run")
            msg = "A dry run is unavailable: the server's log has the reason."
            raise RequestError(501, msg) from None

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin in self.allowed_origins:
            return
        if site := headers.get("sec-fetch-site"):
            same = site in {"same-origin", "none"}
        else:
            host = _host(f"//{headers.get('host', '')}")
            same = origin is None or (host is not None and _host(origin) == host)
        if not same:
            raise RequestError(403, "Send from the page of this host.")

    async def _publish(self, form: "_Form") -> dict[str, Any]:
        self._publishing += 1
        try:
            await asyncio.wait_for(
                self._dry_run.publish(
                    form.channel, form.payload, form.headers, address=form.address
                ),
                self.timeout,
            )
        except (ChannelNotFoundError, DryRunUnavailableError):
            raise
        except Exception:
            logger.exception("Try It Out could not publish to the real broker")
            msg = "The broker did not take the message: the server's log has the reason."
            raise RequestError(502, msg) from None
        finally:
            self._publishing -= 1
        return _as_json(DryRunReport(None, None, None, None, [], 0.0))


@dataclass(frozen=True)
class _Form:
    channel: str
    payload: Any
    headers: dict[str, str]
    address: str | None
    real: bool

    @classmethod
    def parse(cls, body: bytes) -> "_Form":
        try:
            form = from_json(body, allow_inf_nan=False)
        except ValueError:
            raise RequestError(400, "The request is not JSON.") from None
        form = _typed(form, dict, "The request")
        channel = _typed(form.get("channelName", ""), str, "channelName")
        if not channel:
            raise RequestError(400, "The request has no channelName.")
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


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _as_json(report: DryRunReport) -> dict[str, Any]:
    return {
        "status": "error" if report.error else "ok",
        "result": to_json(report.result),
        "error": asdict(report.error) if report.error else None,
        "handled_error": asdict(report.handled_error) if report.handled_error else None,
        "acknowledgement": report.acknowledgement,
        "published": [
            {
                "broker": message.broker,
                "channel": message.channel,
                "payload": to_json(message.payload),
                "headers": to_json(message.headers),
                "correlation_id": message.correlation_id,
            }
            for message in report.published
        ],
        "duration_ms": round(report.duration * 1000, 3),
    }
