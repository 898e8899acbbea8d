"""Responses: bytes or JSON with a status and headers, each of them an ASGI application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from faststream_integrations.types import Receive, Scope, Send

__all__ = ("AsgiResponse", "JSONResponse")

RawHeaders = list[tuple[bytes, bytes]]

# These have no content, hence no length (RFC 9110, sections 8.6 and 15).
_WITHOUT_CONTENT = frozenset({*range(100, 200), 204, 304})


class AsgiResponse:
    """A response whose body is known. One object may answer any number of requests.

    Args:
        body: The content.
        status_code: The HTTP status.
        headers: A mapping, or pairs where a name repeats (``set-cookie``). ``content-length`` is
            added, and ``content-type: text/plain; charset=utf-8`` where there is a body and none
            is given.

    Raises:
        ValueError: A header contains CR, LF or NUL (RFC 9110, section 5.5).
    """

    __slots__ = ("body", "raw_headers", "status_code")

    _content_type = (b"content-type", b"text/plain; charset=utf-8")

    def __init__(
        self,
        body: bytes = b"",
        status_code: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        self.body = body
        self.status_code = status_code
        if status_code in _WITHOUT_CONTENT:
            raw_headers = [self._content_type] if body else []
        elif body:
            raw_headers = [content_length(len(body)), self._content_type]
        else:
            raw_headers = [content_length(0)]
        if headers:
            given = encode_headers(headers)
            names = {name for name, _ in given}
            raw_headers = [pair for pair in raw_headers if pair[0] not in names] + given
        self.raw_headers = raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Middleware may change the message and its list of headers, so both are fresh.
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers.copy(),
            }
        )
        await send({"type": "http.response.body", "body": self.body})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.body)} bytes, status_code={self.status_code})"


class JSONResponse(AsgiResponse):
    """A response with a JSON body (RFC 8259).

    Args:
        data: Whatever pydantic can write as JSON: models, dataclasses, dates, UUIDs, and so on.
            `bytes` are taken as JSON that is already written.
        status_code: The HTTP status.
        headers: As for `AsgiResponse`; the default ``content-type`` is ``application/json``.
    """

    __slots__ = ()

    _content_type = (b"content-type", b"application/json")

    def __init__(
        self,
        data: Any,
        status_code: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        # JSON knows no NaN and no infinity (RFC 8259, section 6).
        body = data if isinstance(data, bytes) else to_json(data, inf_nan_mode="null")
        super().__init__(body, status_code, headers)


@lru_cache(maxsize=1024)
def content_length(size: int) -> tuple[bytes, bytes]:
    """Return the header of a body's length in bytes."""
    return b"content-length", b"%d" % size


def encode_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> RawHeaders:
    """Encode headers as ASGI wants them: lower-case names, latin-1 bytes."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    for name, value in encoded:
        if any(character in name + value for character in (b"\r", b"\n", b"\0")):
            msg = f"The header {name!r} contains a line break or NUL: {value!r}."
            raise ValueError(msg)
    return encoded
