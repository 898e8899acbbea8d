"""Run one message through one subscriber in memory, while the live broker carries on.

A dry run works on a copy of the subscriber; what the handler publishes is recorded instead of
sent. Which of the two it is, a context variable decides at each publication, so that the
application's own messages pass untouched at the same time. No connection is needed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from faststream.exceptions import StopConsume, SubscriberNotFound
from faststream.message import AckStatus
from faststream.response import Response
from pydantic_core import ValidationError, from_json
from pydantic_core import to_json as dump_json

from faststream_integrations.asyncapi._faststream_dry_run import (
    Delivery,
    DryRunUnavailableError,
    Kind,
    clone,
    current_handler,
    hooks,
    install,
    serves_requests,
    set_up_logger,
    stand_in,
)

__all__ = (
    "Brokers",
    "ChannelNotFoundError",
    "DryRun",
    "DryRunError",
    "DryRunReport",
    "DryRunUnavailableError",
    "Failure",
    "Published",
    "is_dry_run",
    "to_json",
)

Brokers: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""Brokers, or a function that returns them: those that come later are seen as well."""

_GRACE = 1.0
_NO_RESPONSE = Response(None)
_ACKNOWLEDGEMENTS = {
    AckStatus.ACKED: "ack",
    AckStatus.NACKED: "nack",
    AckStatus.REJECTED: "reject",
}


class ChannelNotFoundError(LookupError):
    """No subscriber of the application serves the channel."""


class DryRunError(RuntimeError):
    """A handler asked for something that a dry run cannot give."""


@dataclass(frozen=True)
class Failure:
    """An exception, as a dry run shows it: never with a traceback.

    Attributes:
        type: The exception's class name.
        message: The exception's text.
        details: Of a validation error each problem, of an exception group each exception.
    """

    type: str
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    """A message that the handler would have published.

    Attributes:
        broker: The class name of the broker.
        channel: Its subject, topic, queue, routing key, channel, list or stream.
        payload: The message's body, as JSON can hold it.
        headers: Its headers.
        correlation_id: Its correlation id.
    """

    broker: str
    channel: str
    payload: Any
    headers: dict[str, Any]
    correlation_id: str | None


@dataclass(frozen=True)
class DryRunReport:
    """What one dry run did.

    Attributes:
        result: What the handler returned, after the middlewares.
        error: The exception that nobody handled, if there was one.
        handled_error: The handler's exception that a middleware swallowed, or that asks for an
            acknowledgement, a redelivery or an end of consuming (`NackMessage`, `StopConsume`).
        acknowledgement: "ack", "nack" or "reject", what the broker would have been told; None
            when the handler says nothing, or where the broker knows no acknowledgement.
        published: The messages that would have been published, in order.
        duration: Seconds from the message's arrival to the end of its handling.
    """

    result: Any
    error: Failure | None
    handled_error: Failure | None
    acknowledgement: str | None
    published: list[Published]
    duration: float


class _Scope:
    """One dry run, as the code inside it sees it; where its messages go (see `Outlet`)."""

    def __init__(self, brokers: list[Any]) -> None:
        self.published: list[Published] = []
        self.closed = False
        self._brokers = brokers
        self._outer_handlers = [current_handler(broker) for broker in brokers]
        self._clones: list[Any] = []
        self._producers: dict[int, tuple[Any, Any]] = {}

    def is_here(self) -> bool:
        """False in the consumer of a live subscriber that a dry run's handler started.

        Such a consumer keeps the context in which it was started for as long as it lives.
        """
        for broker, outer in zip(self._brokers, self._outer_handlers, strict=True):
            handler = current_handler(broker)
            if handler is None or handler is outer:
                continue
            if all(handler is not cloned for cloned in self._clones):
                return False
        return True

    async def deliver(self, subscriber: Any, raw: Any, delivery: Delivery) -> Any:
        cloned = clone(subscriber, delivery)
        self._clones.append(cloned)
        with hooks():
            process = cloned.process_message
        return await process(raw)

    def producer(self, broker: Any) -> Any:
        return self._in_memory(broker)[0]

    async def publish(self, broker: Any, command: Any) -> Any:
        result = None
        # With no subscriber there: it encodes, so a body that cannot be encoded fails here too.
        with suppress(SubscriberNotFound):
            result = await self.producer(broker).publish(command)
        self._record(broker, command, [command.body])
        return result

    async def publish_batch(self, broker: Any, command: Any) -> Any:
        result = await self.producer(broker).publish_batch(command)
        self._record(broker, command, command.batch_bodies)
        return result

    async def request(self, broker: Any, command: Any) -> Any:
        self._record(broker, command, [command.body])
        try:
            return await self._in_memory(broker)[1].request(command)
        except SubscriberNotFound:
            msg = (
                f"Nobody answers the request to {command.destination!r}: in a dry run it reaches "
                "only the subscribers of this application."
            )
            raise DryRunError(msg) from None

    def _in_memory(self, broker: Any) -> tuple[Any, Any]:
        if id(broker) not in self._producers:
            kind = Kind.of(broker)
            with hooks():
                self._producers[id(broker)] = (
                    kind.in_memory_producer(broker, lambda: ()),
                    kind.in_memory_producer(broker, lambda: self._responders(kind)),
                )
        return self._producers[id(broker)]

    def _responders(self, kind: Kind) -> Iterator[Any]:
        for broker in self._brokers:
            if Kind.of(broker) == kind:
                for subscriber in filter(serves_requests, broker.subscribers):
                    yield stand_in(subscriber, self._responder(subscriber))

    def _responder(self, subscriber: Any) -> Callable[[Any], Any]:
        return lambda raw: self.deliver(subscriber, raw, Delivery())

    def _record(self, broker: Any, command: Any, bodies: Iterable[Any]) -> None:
        # RabbitMQ: a fanout exchange has no routing key.
        exchange = getattr(command, "exchange", None)
        self.published.extend(
            Published(
                broker=type(broker).__name__,
                channel=command.destination or getattr(exchange, "name", ""),
                payload=to_json(body),
                headers=to_json(command.headers),
                correlation_id=command.correlation_id,
            )
            for body in bodies
        )


_current: ContextVar[_Scope | None] = ContextVar("faststream_dry_run", default=None)


def is_dry_run() -> bool:
    """Whether this code runs in a dry run, so that a handler can leave out side effects.

    True in the handler, its dependencies and middlewares, in the tasks that they start and in
    `asyncio.to_thread` and `anyio.to_thread`; not in threads started otherwise.
    """
    scope = _current.get()
    return scope is not None and scope.is_here()


def _outlet() -> _Scope | None:
    scope = _current.get()
    if scope is None or not scope.is_here():
        return None
    if scope.closed:
        msg = "The dry run that started this task is over: what it publishes goes nowhere."
        raise DryRunError(msg)
    return scope


@dataclass(frozen=True)
class _Target:
    broker: Any
    kind: Kind
    subscriber: Any
    address: str


class DryRun:
    """Runs messages through the subscribers of brokers without touching the brokers.

    Args:
        brokers: The live brokers (connected or not), or a function that returns them.
    """

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._tasks: set[asyncio.Task[None]] = set()
        # Early, so that whoever keeps a reference to a broker's producer keeps the right one.
        with suppress(DryRunUnavailableError):
            self._install()

    @property
    def active(self) -> int:
        """How many runs have not ended; a handler that cannot be cancelled counts on."""
        return len(self._tasks)

    async def run(
        self,
        channel: str,
        payload: Any,
        headers: Mapping[str, str] | None = None,
        *,
        address: str | None = None,
        timeout: float = 30.0,
    ) -> DryRunReport:
        """Let the subscriber of a channel handle a message, in memory.

        Args:
            channel: The AsyncAPI channel's id, its address, or an address that matches it.
            payload: The message's body, encoded as FastStream encodes it. For a subscriber of
                batches each item of a list is a message.
            headers: The message's headers; `correlation_id` is taken from them.
            address: The message's address, where the channel's has parameters or wildcards;
                without it each of them is filled in with a word.
            timeout: Seconds until the handler is cancelled.

        Returns:
            What happened.

        Raises:
            ChannelNotFoundError: No subscriber serves the channel, or not at that address.
            DryRunUnavailableError: Not with this broker or version of FastStream.
        """
        brokers = self._install()
        for broker in brokers:
            set_up_logger(broker)
        target = await self._find(channel, address)
        delivery = Delivery()
        scope = _Scope(brokers)
        outcome: list[Any] = []
        failures: list[BaseException] = []

        async def handle() -> None:
            _current.set(scope)
            try:
                raw, _ = await self._incoming(target, payload, headers or {})
                response = await scope.deliver(target.subscriber, raw, delivery)
                outcome.append(response.body)
            except (asyncio.CancelledError, KeyboardInterrupt):
                raise
            except (ChannelNotFoundError, DryRunUnavailableError):
                raise
            except BaseException as exc:
                # SystemExit too: out of a task it would end the event loop.
                failures.append(exc)

        start = time.perf_counter()
        task = asyncio.create_task(handle(), name=f"dry run of {channel}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task}, timeout=timeout)
            timed_out = not task.done()
            if timed_out:
                task.cancel()
                await asyncio.wait({task}, timeout=_GRACE)
            duration = time.perf_counter() - start
        finally:
            task.cancel()
            scope.closed = True

        handled = delivery.exception
        if failures and isinstance(failures[0], StopConsume):
            handled = failures.pop()
        error = _failure(failures[0]) if failures else None
        if timed_out:
            error = Failure("TimeoutError", _timeout_message(timeout, ended=task.done()))
        elif task.cancelled():
            error = Failure("CancelledError", "The handler cancelled itself.")
        elif exc := task.exception():
            raise exc
        if timed_out or task.cancelled() or handled in failures:
            handled = None
        return DryRunReport(
            result=outcome[0] if outcome else None,
            error=error,
            handled_error=_failure(handled) if handled is not None else None,
            acknowledgement=self._acknowledgement(target, delivery),
            published=list(scope.published),
            duration=duration,
        )

    async def publish(
        self,
        channel: str,
        payload: Any,
        headers: Mapping[str, str] | None = None,
        *,
        address: str | None = None,
    ) -> None:
        """Publish to the real broker, to where the subscriber of a channel listens.

        Takes the arguments of `run`.

        Raises:
            ChannelNotFoundError: No subscriber serves the channel, or not at that address.
            Exception: Whatever the broker raises.
        """
        target = await self._find(channel, address)
        destination = target.kind.destination(target.subscriber, target.address)
        message_headers = target.kind.headers(target.subscriber, headers or {})
        correlation_id = message_headers.pop("correlation_id", None)
        _, bodies = await self._incoming(target, payload, headers or {})
        for body in bodies:
            await target.broker.publish(
                body,
                **destination,
                headers=message_headers or None,
                correlation_id=correlation_id,
            )

    def _live_brokers(self) -> list[Any]:
        return list(self._brokers() if callable(self._brokers) else self._brokers)

    def _install(self) -> list[Any]:
        brokers = self._live_brokers()
        for broker in brokers:
            install(broker, _outlet)
        return brokers

    async def _find(self, channel: str, address: str | None) -> _Target:
        targets = self._targets(address)
        # The document writes a dot for a slash in a channel's id.
        for name, _, target in targets:
            if channel in {name, name.replace("/", ".")}:
                return target
        for _, declared, target in targets:
            if channel in {declared, target.address}:
                return target
        for _, _, target in targets:
            candidate = replace(target, address=channel)
            with suppress(Exception):
                if await self._collect(candidate, None, {}):
                    return candidate
        msg = f"No subscriber of this application serves the channel {channel!r}."
        raise ChannelNotFoundError(msg)

    def _targets(self, address: str | None) -> list[tuple[str, str, _Target]]:
        """Every channel that a subscriber serves: its name, its address, and how to get there."""
        targets: list[tuple[str, str, _Target]] = []
        with hooks():
            for broker in self._live_brokers():
                kind = Kind.of(broker)
                for subscriber in broker.subscribers:
                    if not subscriber.specification.include_in_schema:
                        continue
                    for name, declared in kind.channels(subscriber).items():
                        concrete = address or kind.concrete(declared, subscriber)
                        target = _Target(broker, kind, subscriber, concrete)
                        targets.append((name, declared, target))
        # A broker keeps its subscribers in a set.
        return sorted(targets, key=lambda entry: entry[:2])

    async def _incoming(
        self, target: _Target, payload: Any, headers: Mapping[str, str]
    ) -> tuple[Any, list[Any]]:
        """The message as the client library would hand it over, and the bodies it is made of."""
        raw = await self._collect(target, payload, headers)
        if not raw:
            msg = (
                f"No message reaches the subscriber at {target.address!r}: give an address that "
                "matches its channel."
            )
            raise ChannelNotFoundError(msg)
        if _is_batch(raw[0]) and isinstance(payload, list) and payload:
            raws = [await self._collect(target, item, headers) for item in payload]
            return _merge([raw[0] for raw in raws]), payload
        return raw[0], [payload]

    async def _collect(
        self, target: _Target, payload: Any, headers: Mapping[str, str]
    ) -> list[Any]:
        raw: list[Any] = []

        async def collect(message: Any) -> Any:
            raw.append(message)
            return _NO_RESPONSE

        kind, subscriber = target.kind, target.subscriber
        message_headers = kind.headers(subscriber, headers)
        correlation_id = message_headers.pop("correlation_id", None)
        with hooks():
            producer = kind.in_memory_producer(
                target.broker, lambda: [stand_in(subscriber, collect)]
            )
            command = kind.command(
                payload,
                **kind.destination(subscriber, target.address),
                headers=message_headers,
                correlation_id=correlation_id,
            )
        with suppress(SubscriberNotFound):
            await producer.publish(command)
        return raw

    def _acknowledgement(self, target: _Target, delivery: Delivery) -> str | None:
        if delivery.message is None or not target.kind.acknowledges(target.subscriber):
            return None
        return _ACKNOWLEDGEMENTS.get(delivery.message.committed)


def to_json(value: Any) -> Any:
    """A value as JSON can hold it; what has no JSON form is its `repr`."""
    for bytes_mode in ("utf8", "base64"):
        with suppress(Exception):
            return from_json(
                dump_json(
                    value,
                    bytes_mode=bytes_mode,
                    inf_nan_mode="strings",
                    fallback=_without_json_form,
                )
            )
    return repr(value)


def _without_json_form(value: Any) -> Any:
    if fields := getattr(type(value), "__struct_fields__", None):  # msgspec
        return {name: getattr(value, name) for name in fields}
    if hasattr(value, "body"):  # `Response`, `aio_pika.Message`
        return value.body
    return repr(value)


def _failure(exc: BaseException) -> Failure:
    name = type(exc).__name__
    # FastDepends wraps what pydantic or msgspec said.
    origin = getattr(exc, "original_error", exc)
    if isinstance(origin, ValidationError):
        details = [_problem(error) for error in origin.errors(include_url=False)]
        count = f"{len(details)} validation error{'s' if len(details) > 1 else ''}"
        return Failure(name, f"{count} for {origin.title}", details)
    if nested := getattr(exc, "exceptions", None):  # ExceptionGroup, of Python 3.11
        details = [{"type": type(each).__name__, "msg": _text(each)} for each in nested]
        return Failure(name, _text(exc), details)
    return Failure(name, _text(origin))


def _problem(error: Mapping[str, Any]) -> dict[str, Any]:
    problem = {"type": error["type"], "loc": list(error["loc"]), "msg": error["msg"]}
    # What has no JSON form did not come with the message: it is FastStream's or the application's.
    with suppress(Exception):
        problem["input"] = from_json(dump_json(error["input"], inf_nan_mode="strings"))
    return problem


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return ""


def _timeout_message(timeout: float, *, ended: bool) -> str:
    end = "was cancelled" if ended else "cannot be cancelled: it is still running"
    return f"The handler did not finish within {timeout:g} s and {end}."


def _is_batch(raw: Any) -> bool:
    # Redis marks a batch by its type.
    return isinstance(raw, list) or (
        isinstance(raw, dict) and raw.get("type") in {"blist", "bstream"}
    )


def _merge(batches: list[Any]) -> Any:
    first = batches[0]
    if isinstance(first, list):
        return [message for batch in batches for message in batch]
    return {**first, "data": [item for batch in batches for item in batch["data"]]}
