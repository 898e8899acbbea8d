"""Answers that do not change between requests, sent with ETag, 304, gzip and HEAD."""

import gzip
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from faststream_integrations.http.protocol import method_not_allowed, refuse
from faststream_integrations.types import Receive, Scope, Send

__all__ = ("READS", "Representation")

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
        self._media_type = media_type
        self._common = {
            "Cache-Control": cache_control,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }
        self._tag = hashlib.sha256(body).hexdigest()[:32]
        self._known_as = {f'"{self._tag}"', f'"{self._tag}-gzip"'}
        self._plain = self._encode(body, self._tag)
        self._compressed: _Encoding | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; any other method is 405 with `Allow`."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        method = scope["method"]
        if method not in READS:
            await method_not_allowed(READS)(scope, receive, send)
            return
        accepted, known = [], []
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepted.append(value)
            elif name == b"if-none-match":
                known.append(value)
        compress = len(self.body) >= _COMPRESS_FROM and _accepts_gzip(
            b",".join(accepted)[:MAX_ACCEPT_ENCODING]
        )
        encoding = self._gzip() if compress else self._plain
        if known and self._is_known(b",".join(known).decode("latin-1")):
            await _send(send, 304, encoding.headers_unchanged, b"")
        else:
            await _send(send, 200, encoding.headers, b"" if method == "HEAD" else encoding.body)

    def _gzip(self) -> "_Encoding":
        if self._compressed is None:
            # Without a time, the same content is the same bytes in every process.
            body = gzip.compress(self.body, compresslevel=9, mtime=0)
            self._compressed = self._encode(body, f"{self._tag}-gzip", {"Content-Encoding": "gzip"})
        return self._compressed

    def _encode(
        self, body: bytes, tag: str, headers: Mapping[str, str] | None = None
    ) -> "_Encoding":
        unchanged = {**self._common, "ETag": f'"{tag}"'}
        of_content = {"Content-Type": self._media_type, "Content-Length": str(len(body))}
        return _Encoding(
            body, _raw({**unchanged, **of_content, **(headers or {})}), _raw(unchanged)
        )

    def _is_known(self, tags: str) -> bool:
        if tags.strip() == "*":
            return True
        return any(tag.strip().removeprefix("W/") in self._known_as for tag in tags.split(","))


class _Encoding(NamedTuple):
    body: bytes
    headers: _Headers
    headers_unchanged: _Headers


def _raw(headers: Mapping[str, str]) -> _Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


async def _send(send: Send, status: int, headers: _Headers, body: bytes) -> None:
    # A list of its own: middleware adds to it.
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})
    await send({"type": "http.response.body", "body": body})


MAX_ACCEPT_ENCODING = 256  # bytes; clients fill the cache


@lru_cache(maxsize=256)  # browsers send a handful
def _accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.decode("latin-1").lower().split(","):
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
