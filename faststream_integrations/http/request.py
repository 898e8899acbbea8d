"""The request as a handler sees it, and the parsing of its parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Annotated, Any, cast
from urllib.parse import unquote_plus

from pydantic_core import from_json

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.http.errors import ClientDisconnect, InvalidRequest, RequestError
from faststream_integrations.types import Message, Receive, Scope, Send

__all__ = ("DEFAULT_MAX_BODY_SIZE", "AsgiRequest", "Headers", "Request")

DEFAULT_MAX_BODY_SIZE = 1024 * 1024


class Headers(Mapping[str, str]):
    """The headers of a request; names are case-insensitive (RFC 9110, section 5.1).

    A header that repeats reads as its values joined by ``", "`` (RFC 9110, section 5.2);
    `getlist` returns them one by one.
    """

    __slots__ = ("_values",)

    def __init__(self, raw_headers: Any) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw_headers:
            self._values.setdefault(name.lower().decode("latin-1"), []).append(
                value.decode("latin-1")
            )

    def getlist(self, name: str) -> list[str]:
        """Return the values of a header, an empty list where it is absent."""
        return list(self._values.get(name.lower(), ()))

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({list(self._values)})"


class AsgiRequest:
    """A request over its ASGI scope; what is expensive to read is read once, when asked for.

    Args:
        scope: The ASGI connection scope, of type ``http``.
        receive: The ASGI receive callable.
        send: The ASGI send callable.
        max_body_size: How many bytes of body are read, at most, before the answer is 413; `None`
            for any number.
    """

    __slots__ = (
        "_body",
        "_cookies",
        "_headers",
        "_is_streamed",
        "_json",
        "_query_params",
        "_receive",
        "_send",
        "max_body_size",
        "scope",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        max_body_size: int | None = DEFAULT_MAX_BODY_SIZE,
    ) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.max_body_size = max_body_size
        self._headers: Headers | None = None
        self._cookies: dict[str, str] | None = None
        self._query_params: dict[str, list[str]] | None = None
        self._is_streamed = False
        self._body: bytes | None = None
        self._json: Any = EMPTY

    @property
    def method(self) -> str:
        return cast("str", self.scope["method"])

    @property
    def path(self) -> str:
        """The path, percent-decoded, with the prefix that the application is mounted at."""
        return cast("str", self.scope["path"])

    @property
    def path_params(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.scope.get("path_params") or {})

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            self._headers = Headers(self.scope["headers"])
        return self._headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies (RFC 6265, section 5.4); the first of a name counts."""
        if self._cookies is None:
            headers = self.scope["headers"]
            self._cookies = parse_cookies(b"; ".join(v for k, v in headers if k == b"cookie"))
        return self._cookies

    @property
    def query_params(self) -> dict[str, list[str]]:
        """The values of each name in the query string, blank ones included."""
        if self._query_params is None:
            self._query_params = parse_query(self.scope["query_string"])
        return self._query_params

    @property
    def client(self) -> tuple[str, int] | None:
        """The host and port of the client, as the server knows them."""
        return cast("tuple[str, int] | None", self.scope.get("client"))

    @property
    def state(self) -> Any:
        """The ASGI lifespan state, as far as server and host pass it on."""
        return self.scope.get("state", {})

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Read the body in pieces as they arrive; an empty piece ends it.

        Raises:
            RequestError: 413, the body is larger than `max_body_size`.
            ClientDisconnect: The client went away.
            RuntimeError: The body was streamed before.
        """
        if self._body is not None:
            yield self._body
            yield b""
            return
        self._start_streaming()
        size = 0
        more_body = True
        while more_body:
            chunk, more_body = self._read_chunk(await self._receive(), size)
            size += len(chunk)
            if chunk:
                yield chunk
        yield b""

    async def body(self) -> bytes:
        """Read the whole body; later calls return it again.

        Raises:
            RequestError: 413, the body is larger than `max_body_size`; a `content-length` that
                says so is refused before anything is read.
            ClientDisconnect: The client went away.
        """
        if self._body is None:
            for name, value in self.scope["headers"]:
                if name == b"content-length":
                    self._check_content_length(value)
            self._body = await self._read_body()
        return self._body

    async def json_body(self) -> bytes:
        """Read the whole body, which has to be JSON by its content type; an empty one needs none.

        Raises:
            RequestError: 415, the content type is not JSON; 413 as for `body`; 400 for NaN and
                Infinity, which JSON does not have (RFC 8259, section 6).
            ClientDisconnect: The client went away.
        """
        content_type = b""
        for name, value in self.scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                self._check_content_length(value)
        if self._body is None:
            self._body = await self._read_body()
        if self._body and content_type != b"application/json" and not is_json(content_type):
            raise RequestError(415, "The content type of the body has to be application/json")
        if b"NaN" in self._body or b"Infinity" in self._body:
            await self.json()  # pydantic would take them, and JSON has none
        return self._body

    def replaying(self) -> Receive:
        """Return an ASGI receive callable that shares the body with this request.

        It is for a request object of another framework, which may read the body before or after
        this one does.
        """
        is_received = False

        async def receive() -> Message:
            nonlocal is_received
            if is_received:
                return await self._receive()
            is_received = True
            return {"type": "http.request", "body": await self.body(), "more_body": False}

        return receive

    async def _read_body(self) -> bytes:
        self._start_streaming()
        chunks = []
        size = 0
        more_body = True
        while more_body:
            chunk, more_body = self._read_chunk(await self._receive(), size)
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)

    async def json(self) -> Any:
        """Read the body as JSON (RFC 8259), whatever its content type.

        Raises:
            RequestError: 400, the body is not JSON; 413 as for `body`.
        """
        if self._json is EMPTY:
            body = await self.body()
            try:
                self._json = from_json(body, allow_inf_nan=False)
            except ValueError as error:
                raise invalid_json(str(error)) from None
        return self._json

    def _check_content_length(self, value: bytes) -> None:
        if (
            self.max_body_size is not None
            and value.isdigit()
            and (len(value) > 18 or int(value) > self.max_body_size)
        ):
            raise self._too_large()

    def _start_streaming(self) -> None:
        if self._is_streamed:
            msg = "The body was streamed before; read it once with `await request.body()` instead."
            raise RuntimeError(msg)
        self._is_streamed = True

    def _read_chunk(self, message: Message, size: int) -> tuple[bytes, bool]:
        """Return the next piece of the body, after `size` bytes of it, and whether more follows."""
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if self.max_body_size is not None and size + len(chunk) > self.max_body_size:
            raise self._too_large()
        return chunk, message.get("more_body", False)

    def _too_large(self) -> RequestError:
        return RequestError(413, f"The body is larger than {self.max_body_size} bytes")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.method} {self.path})"


Request = Annotated[AsgiRequest, ContextMarker("request")]
"""Annotation of a handler's parameter that gets the `AsgiRequest`."""


def invalid_json(message: str) -> InvalidRequest:
    """Build the 400 for a body that is not JSON."""
    error = {"type": "json_invalid", "loc": ("body",), "msg": f"Invalid JSON: {message}"}
    return InvalidRequest([{**error, "input": None}], 400)


def decode_query(query_string: bytes) -> str:
    """Decode a query string, bytes that are no UTF-8 as U+FFFD."""
    try:
        return query_string.decode()  # twice as fast as with an error handler
    except UnicodeDecodeError:
        return query_string.decode(errors="replace")


def query_pairs(query_string: bytes) -> Iterator[tuple[str, str]]:
    """Split a query string (WHATWG URL, ``application/x-www-form-urlencoded`` parsing)."""
    text = decode_query(query_string)
    encoded = "%" in text or "+" in text
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield (unquote_plus(name), unquote_plus(value)) if encoded else (name, value)


def parse_query(query_string: bytes) -> dict[str, list[str]]:
    """Collect the values of each name in a query string, in their order."""
    values: dict[str, list[str]] = {}
    for name, value in query_pairs(query_string):
        values.setdefault(name, []).append(value)
    return values


def parse_cookies(header: bytes) -> dict[str, str]:
    """Split a ``cookie`` header (RFC 6265, sections 4.2.1 and 5.4)."""
    cookies: dict[str, str] = {}
    for part in header.decode("latin-1").split(";"):
        name, separator, value = part.partition("=")
        if separator:
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            cookies.setdefault(name.strip(), value)
    return cookies


def is_json(content_type: bytes) -> bool:
    """Tell whether a content type is JSON: ``application/json`` or ``+json`` (RFC 6839)."""
    media_type = content_type.partition(b";")[0].strip().lower()
    return media_type == b"application/json" or media_type.endswith(b"+json")
