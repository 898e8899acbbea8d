"""FastAPI's dependency injection in subscribers: a message stands where a request would.

`fastapi.params` says what a function asks for. What of a request a message has, its headers, the
parameters of its address, its body, is read from it; what it has not, a query, cookies, is refused
when the subscriber starts, unless there is a default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from fastapi import BackgroundTasks, FastAPI, Request, params
from fastapi.security import SecurityScopes
from faststream.exceptions import SetupError
from pydantic import Field
from pydantic_core import PydanticUndefined, to_json
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from faststream_integrations._faststream import EMPTY, ContextMarker, is_router_context
from faststream_integrations.compiler.annotations import is_collection
from faststream_integrations.compiler.calls import (
    Argument,
    Call,
    ContextKey,
    Dependency,
    HostValue,
)
from faststream_integrations.compiler.plan import CallWriter
from faststream_integrations.compiler.signature import Parameter, Reader, Rules
from faststream_integrations.subscribers.background import run_after_reply
from faststream_integrations.subscribers.hosts import Host
from faststream_integrations.subscribers.plan import SubscriberWriter
from faststream_integrations.subscribers.signature import (
    BodyValue,
    HostRules,
    Input,
    Made,
    MessageDependency,
    MessageRules,
)

__all__ = ("RULES", "MessageRequest")


class FastAPIRules(HostRules):
    """What FastAPI fills in a subscriber, and in FastStream's dependencies of it."""

    framework = "FastAPI"
    markers = (params.Depends, params.Param, params.Body)

    def __init__(self) -> None:
        super().__init__()
        self._inside: tuple[Rules, ...] = (DependencyRules(self), MessageRules())

    def runs(self, app: Any) -> bool:
        return isinstance(app, FastAPI)

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        argument = self._claim(parameter, reader)
        if argument is not None and not isinstance(argument, BodyValue):
            self.claimed.append(parameter.where)
        return argument

    def _claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        marker = parameter.marker
        if isinstance(marker, ContextMarker):
            return self.replacement_of(parameter, marker, reader)
        if isinstance(marker, (Dependant, CustomField)):
            return None
        if isinstance(marker, params.Depends):
            return self.depend(parameter, marker, reader)
        if isinstance(marker, params.Body) and not isinstance(marker, params.Form):
            return self._claim_body(parameter, marker)
        return self.claim_field(parameter) or self.claim_type(parameter)

    def replacement_of(
        self, parameter: Parameter, marker: ContextMarker, reader: Reader
    ) -> Argument | None:
        """Read what replaces a value of the context in a test, `None` where nothing does."""
        key = ContextKey(f"{marker.prefix}{marker.name or parameter.name}")
        if not reader.replaces(key):
            return None
        call = reader.read(key, self._inside)
        return Dependency(parameter.name, parameter.by_keyword, call, Any)

    def depend(self, parameter: Parameter, marker: params.Depends, reader: Reader) -> Argument:
        """Read a dependency of FastAPI's, with all that it depends on."""
        if isinstance(marker, params.Security):
            raise _refusal(parameter, "Security", "Write `Depends(...)`; a message has no scopes.")
        if getattr(marker, "max_concurrency", None) is not None:
            raise _refusal(
                parameter,
                "Depends(max_concurrency=...)",
                "Leave the limit out, and limit the subscriber, by `max_workers` for example.",
            )
        if is_router_context(marker):
            raise SetupError(
                f"{parameter.where} is `Context` of FastStream's own FastAPI routers, which only "
                "they fill. Write `from faststream_integrations.fastapi import Context, Logger`."
            )
        dependency = marker.dependency or _class_of(parameter.annotation)
        if not callable(dependency):
            raise _refusal(parameter, "Depends()", "Write `Depends(...)` with what to call.")
        call = reader.read(dependency, self._inside)
        return Dependency(
            parameter.name, parameter.by_keyword, call, Any, use_cache=marker.use_cache
        )

    def _claim_body(self, parameter: Parameter, marker: params.Body) -> Argument:
        if marker.embed:
            raise _refusal(
                parameter, "Body(embed=True)", "Leave `embed` out, and take a model with the field."
            )
        annotation, default = _constrained(parameter, marker), _default_of(parameter, marker)
        if isinstance(default, Made):  # FastStream's model of the message makes it
            annotation = Annotated[annotation, Field(default_factory=default.make)]
            default = EMPTY
        return BodyValue(parameter.name, parameter.by_keyword, annotation, default)

    def claim_field(self, parameter: Parameter) -> Argument | None:
        """Claim a parameter with one of FastAPI's markers for a part of a request."""
        marker = parameter.marker
        if isinstance(marker, (params.Header, params.Path)):
            return MessageField.of(parameter, marker)
        if isinstance(marker, (params.Param, params.Body)):
            default = _default_of(parameter, marker)
            if default is EMPTY:
                name = type(marker).__name__
                raise _refusal(
                    parameter,
                    f"{name}()",
                    "A message has headers and the parameters of its address: write `Header()`, "
                    "`Path()`, or give a default.",
                )
            return Otherwise(parameter.name, parameter.by_keyword, default)
        return None

    def claim_type(self, parameter: Parameter) -> Argument | None:
        """Claim a parameter by its type."""
        kind = _class_of(parameter.annotation)
        if not isinstance(kind, type) or parameter.marker is not None:
            return None
        if kind in (Request, HTTPConnection):
            return RequestValue(parameter.name, parameter.by_keyword)
        if issubclass(kind, BackgroundTasks):
            self.has_background = True
            return TasksValue(parameter.name, parameter.by_keyword)
        for refused, advice in _REFUSED_TYPES.items():
            if issubclass(kind, refused):
                raise _refusal(parameter, kind.__name__, advice)
        return None


_REFUSED_TYPES: dict[type[Any], str] = {
    WebSocket: "A message comes by no websocket: take a `Request`.",
    HTTPConnection: "Take a `fastapi.Request`, which is made of the message.",
    Response: "A subscriber answers by what it returns: return a `faststream.Response`.",
    BackgroundTask: "Take `fastapi.BackgroundTasks`.",
    SecurityScopes: "A message has no scopes.",
}


class DependencyRules(HostRules):
    """What FastAPI fills in its own dependencies, where nothing is read from the body.

    Args:
        outer: The rules of the subscriber.
    """

    framework = FastAPIRules.framework
    markers = (*FastAPIRules.markers, Dependant, CustomField)

    def __init__(self, outer: FastAPIRules) -> None:
        super().__init__()
        self._outer = outer

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        marker, outer = parameter.marker, self._outer
        if isinstance(marker, ContextMarker):
            return outer.replacement_of(parameter, marker, reader)
        if isinstance(marker, Dependant):
            call = reader.read(marker.dependency, outer.everyone)
            return MessageDependency(
                parameter.name,
                parameter.by_keyword,
                call,
                parameter.annotation if marker.cast else Any,
                marker.use_cache,
                marker.cast,
                marker.cast_result,
            )
        if isinstance(marker, CustomField):
            return None
        if isinstance(marker, params.Depends):
            return outer.depend(parameter, marker, reader)
        argument = outer.claim_field(parameter) or outer.claim_type(parameter)
        if argument is not None:
            return argument
        if parameter.default is EMPTY:
            raise _refusal(
                parameter,
                "a part of the query or of the body for FastAPI",
                "Write `Header()` or `Path()`, which a message has, give a default, or let the "
                "subscriber take it from the body.",
            )
        return HostValue(
            parameter.name, parameter.by_keyword, parameter.annotation, parameter.default
        )


RULES = FastAPIRules


def _refusal(parameter: Parameter, what: str, advice: str) -> SetupError:
    return SetupError(
        f"{parameter.where} is {what}, which a subscriber cannot give: there is a message, and no "
        f"request. {advice}"
    )


def _class_of(annotation: Any) -> Any:
    """Return the class of an annotation, without what else it says; for ``X | None`` it is X."""
    if get_origin(annotation) is Annotated:
        return _class_of(get_args(annotation)[0])
    arguments = [each for each in get_args(annotation) if each is not type(None)]
    if type(None) in get_args(annotation) and len(arguments) == 1:
        return _class_of(arguments[0])
    return annotation


def _constrained(parameter: Parameter, marker: Any) -> Any:
    """Return the type of a parameter with what FastAPI's marker demands of the value."""
    if not marker.metadata:
        return parameter.annotation
    return Annotated[(parameter.annotation, *marker.metadata)]


def _default_of(parameter: Parameter, marker: Any) -> Any:
    if parameter.default is not EMPTY:
        return parameter.default
    if marker.default not in (PydanticUndefined, ...):
        return marker.default
    return EMPTY if marker.default_factory is None else Made(marker.default_factory)


@dataclass(frozen=True, slots=True, eq=False)
class Otherwise(Argument):
    """What a parameter of a request is where there is none; FastAPI makes it anew each time."""

    default: Any

    def write(self, writer: CallWriter, call: Call) -> str:
        if isinstance(self.default, Made):
            return f"{writer.constant('make', self.name, self.default.make)}()"
        writer.give(deepcopy=deepcopy)
        return f"deepcopy({writer.constant('default', self.name, self.default)})"


@dataclass(frozen=True, slots=True, eq=False)
class MessageField(Input):
    """A header of the message, or a parameter of its address."""

    alias: str
    of_headers: bool

    @classmethod
    def of(cls, parameter: Parameter, marker: Any) -> MessageField:
        """Read FastAPI's marker."""
        name = marker.validation_alias or marker.alias or parameter.name
        of_headers = isinstance(marker, params.Header)
        if of_headers and name == parameter.name and marker.convert_underscores:
            name = name.replace("_", "-")
        return cls(
            parameter.name,
            parameter.by_keyword,
            _constrained(parameter, marker),
            _default_of(parameter, marker),
            name.lower() if of_headers else name,
            of_headers,
        )

    def write_raw(self, writer: SubscriberWriter, call: Call) -> str:
        raw = writer.new("raw", self.name)
        if not self.of_headers:
            writer.line(f"{raw} = message.path.get({self.alias!r}, EMPTY)")
            return raw
        writer.give(find_header=find_header)
        many = is_collection(self.annotation)
        writer.line(f"{raw} = find_header(message.headers, {self.alias!r}, {many})")
        return raw


class RequestValue(Argument):
    """The message, as a request."""

    @property
    def needs_annotation(self) -> bool:
        return False

    def write(self, writer: CallWriter, call: Call) -> str:
        subscriber: SubscriberWriter = writer  # type: ignore[assignment]
        return subscriber.once(
            "request", "MessageRequest(message, host)", MessageRequest=MessageRequest
        )


class TasksValue(Argument):
    """FastAPI's background tasks, which run after the reply."""

    def write(self, writer: CallWriter, call: Call) -> str:
        subscriber: SubscriberWriter = writer  # type: ignore[assignment]
        return subscriber.once("tasks", "start_tasks(host)", start_tasks=start_tasks)


def start_tasks(host: Host) -> BackgroundTasks:
    """Make the background tasks of a message."""
    tasks = BackgroundTasks()

    async def run() -> None:
        if tasks.tasks:
            await tasks()

    run_after_reply(host, run)
    return tasks


def find_header(headers: Mapping[str, Any], name: str, many: bool) -> Any:
    """Find a header of a message whatever the case of its name, `EMPTY` where there is none.

    Args:
        headers: The headers.
        name: The name, in lower case.
        many: Whether all values are wanted.
    """
    value = headers.get(name, EMPTY)
    if value is EMPTY:
        value = next((each for key, each in headers.items() if key.lower() == name), EMPTY)
    if many and value is not EMPTY and not isinstance(value, (list, tuple)):
        return [value]
    return value


class MessageHeaders(Headers):
    """The headers of a message: names in lower case, values in UTF-8."""

    def __getitem__(self, key: str) -> str:
        wanted = key.lower().encode()
        for name, value in self.raw:
            if name == wanted:
                return value.decode()
        raise KeyError(key)

    def keys(self) -> list[str]:  # type: ignore[override]
        return [name.decode() for name, _ in self.raw]

    def values(self) -> list[str]:  # type: ignore[override]
        return [value.decode() for _, value in self.raw]

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return list(zip(self.keys(), self.values(), strict=True))

    def getlist(self, key: str) -> list[str]:
        wanted = key.lower().encode()
        return [value.decode() for name, value in self.raw if name == wanted]

    def __contains__(self, key: Any) -> bool:
        return isinstance(key, str) and bool(self.getlist(key))


class MessageRequest(Request):
    """A message as a request: its headers, the parameters of its address and its body.

    It has the application, the lifespan state, and an empty query. The path is the address.

    Args:
        message: The message.
        host: The application that runs the broker.
    """

    def __init__(self, message: Any, host: Host) -> None:
        path = "/" + address_of(message).lstrip("/")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "server": None,
            "client": None,
            "root_path": "",
            "path": path,
            "raw_path": path.encode(),
            "path_params": dict(message.path),
            "query_string": b"",
            "headers": [
                (name.lower().encode(), text_of(value).encode())
                for name, value in message.headers.items()
            ],
            "state": dict(host.state),
            "app": host.app,
            "router": getattr(host.app, "router", None),
        }
        self._message_headers = MessageHeaders(scope=scope)
        super().__init__(scope, receive_of(message))

    @property
    def headers(self) -> Headers:
        """The headers of the message."""
        return self._message_headers


def receive_of(message: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return an ASGI receive callable that gives the body, and then waits for ever."""
    bodies = iter([message.body])

    async def receive() -> dict[str, Any]:
        for body in bodies:
            return {"type": "http.request", "body": bytes_of(body), "more_body": False}
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    return receive


def bytes_of(body: Any) -> bytes:
    """Return a body as it came; a batch is a JSON list of those of its messages."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, Sequence) and all(isinstance(each, bytes) for each in body):
        return b"[" + b",".join(body) + b"]"
    return to_json(body)


def text_of(value: Any) -> str:
    """Return the value of a header as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def address_of(message: Any) -> str:
    """Return the address that a message came to, in the words of its broker."""
    raw = message.raw_message
    if isinstance(raw, Sequence) and raw:  # a batch
        raw = raw[0]
    for name in ("subject", "routing_key", "topic", "channel"):
        value = raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)
        if callable(value):  # confluent-kafka
            value = value()
        if isinstance(value, (str, bytes)):
            return text_of(value)
    return ""
