"""Answers that do not change between requests, sent with ETag, 304, gzip and HEAD."""

import gzip
import hashlib
from collections.abc import Mapping

from faststream_integrations.asgi.handlers import method_not_allowed, refuse
from faststream_integrations.types import Receive, Scope, Send

__all__ = ("Representation",)

READS = ("GET", "HEAD")

_Headers = list[tuple[bytes, bytes]]

_COMPRESS_FROM = 1024


class Representation:
    """One body with its headers: sent whole, compressed, or as 304 (RFC 9110, sections 8.8 and 13).

    Args:
        body: The content, as it is sent without compression.
        media_type: The value of `Content-Type`.
        cache_control: The value of `Cache-Control`.
        headers: Further headers, sent with 200 and 304.
    """

    def __init__(
        self,
        body: bytes,
        media_type: str,
        *,
        cache_control: str = "no-cache",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        tag = hashlib.sha256(body).hexdigest()[:32]
        self._etag = f'"{tag}"'
        self._gzip_etag = f'"{tag}-gzip"'
        self._compressed: bytes | None = None
        further = {
            "Cache-Control": cache_control,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }
        self._common = [(k.lower().encode(), v.encode("latin-1")) for k, v in further.items()]
        self._media_type = media_type.encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; any other method is 405 with `Allow`."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        method = scope["method"]
        if method not in READS:
            await method_not_allowed(READS)(scope, receive, send)
            return
        compress = len(self.body) >= _COMPRESS_FROM and _accepts_gzip(scope)
        etag = self._gzip_etag if compress else self._etag
        headers = [*self._common, (b"etag", etag.encode())]
        if self._is_known(_header(scope, b"if-none-match")):
            await _send(send, 304, headers, b"")
            return
        body = self._gzip() if compress else self.body
        headers += [
            (b"content-type", self._media_type),
            (b"content-length", str(len(body)).encode()),
        ]
        if compress:
            headers.append((b"content-encoding", b"gzip"))
        await _send(send, 200, headers, b"" if method == "HEAD" else body)

    def _gzip(self) -> bytes:
        if self._compressed is None:
            # Without a time, the same content is the same bytes in every process.
            self._compressed = gzip.compress(self.body, compresslevel=9, mtime=0)
        return self._compressed

    def _is_known(self, tags: str) -> bool:
        if tags.strip() == "*":
            return True
        known = {self._etag, self._gzip_etag}
        return any(tag.strip().removeprefix("W/") in known for tag in tags.split(","))


async def _send(send: Send, status: int, headers: _Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> str:
    """The values of a request header joined by commas; empty without one."""
    values: list[bytes] = [value for key, value in scope["headers"] if key.lower() == name]
    return b", ".join(values).decode("latin-1")


def _accepts_gzip(scope: Scope) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in _header(scope, b"accept-encoding").lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[coding] = weight
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
