"""Run one message through one subscriber in memory, while the live broker carries on.

A dry run works on a copy of the subscriber; what the handler publishes is recorded instead of
sent. Which of the two it is, a context variable decides at each publication, so that the
application's own messages pass untouched at the same time. No connection is needed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from faststream.exceptions import StopConsume, SubscriberNotFound
from faststream.message import AckStatus
from faststream.response import Response

from faststream_integrations._faststream import set_up_logger
from faststream_integrations.brokers.kinds import Kind, kind_of
from faststream_integrations.brokers.names import channel_names, documented_subscribers
from faststream_integrations.dry_run.clones import (
    Delivery,
    DryRunUnavailableError,
    clone,
    current_handler,
    hooks,
    in_memory_producer,
    install,
    kind_for,
)
from faststream_integrations.dry_run.limits import DryRunLimits, TooLargeError
from faststream_integrations.dry_run.report import (
    DryRunReport,
    Failure,
    Published,
    failure_of,
)

__all__ = (
    "Brokers",
    "ChannelNotFoundError",
    "DryRun",
    "DryRunError",
    "DryRunUnavailableError",
    "is_dry_run",
)

Brokers: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""Brokers, or a function that returns them: those that come later are seen as well."""

_GRACE = 1.0
_PARSE_STEPS = 1_000_000  # some 20 ms
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


_REFUSALS = (ChannelNotFoundError, DryRunUnavailableError, TooLargeError)


@dataclass(frozen=True)
class _Target:
    broker: Any
    kind: Kind
    subscriber: Any
    address: str


@dataclass
class _Outcome:
    """What became of a run."""

    delivery: Delivery = field(default_factory=Delivery)
    target: _Target | None = None
    result: Any = None
    exception: BaseException | None = None

    def acknowledgement(self) -> str | None:
        """What the broker would have been told."""
        target, message = self.target, self.delivery.message
        if target is None or message is None or not target.kind.acknowledges(target.subscriber):
            return None
        return _ACKNOWLEDGEMENTS.get(message.committed)


class _Scope:
    """One dry run, as the code inside it sees it; where its messages go (see `Outlet`)."""

    def __init__(self, brokers: list[Any], limits: DryRunLimits) -> None:
        self.published: list[Published] = []
        self._published_count = 0
        self.closed = False
        self._limits = limits
        self._allowance = limits.allowance()
        self._brokers = brokers
        self._outer_handlers = [current_handler(broker) for broker in brokers]
        self._clones: list[Any] = []
        self._producers: dict[int, Any] = {}

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

    async def deliver(self, kind: Kind, subscriber: Any, raw: Any, delivery: Delivery) -> Any:
        cloned = clone(kind, subscriber, delivery)
        self._clones.append(cloned)
        with hooks():
            process = cloned.process_message
        return await process(raw)

    def producer(self, broker: Any) -> Any:
        """FastStream's producer of its test broker, with no subscriber: it encodes."""
        if id(broker) not in self._producers:
            with hooks():
                self._producers[id(broker)] = in_memory_producer(kind_for(broker), lambda: ())
        return self._producers[id(broker)]

    async def publish(self, broker: Any, command: Any) -> Any:
        await self._turn()
        result = None
        if kind_of(broker).package:
            # A body that cannot be encoded fails here too.
            with suppress(SubscriberNotFound):
                result = await self.producer(broker).publish(command)
        self._record(broker, command, [command.body])
        return result

    async def publish_batch(self, broker: Any, command: Any) -> Any:
        await self._turn()
        result = None
        if kind_of(broker).package:
            result = await self.producer(broker).publish_batch(command)
        self._record(broker, command, command.batch_bodies)
        return result

    async def request(self, broker: Any, command: Any) -> Any:
        await self._turn()
        self._record(broker, command, [command.body])
        kind = kind_for(broker)
        with hooks():
            responders = list(self._responders(kind, command.destination))
            producer = in_memory_producer(kind, lambda: responders)
        try:
            return await producer.request(command)
        except SubscriberNotFound:
            msg = (
                f"Nobody answers the request to {command.destination!r}: in a dry run it reaches "
                "only the subscribers of this application."
            )
            raise DryRunError(msg) from None

    async def _turn(self) -> None:
        # In memory there is nothing to wait for: a loop that publishes would never let others run.
        await asyncio.sleep(0)
        if self.closed:
            msg = "The dry run that started this task is over: what it publishes goes nowhere."
            raise DryRunError(msg)

    def _responders(self, asking: Kind, address: str) -> Iterator[Any]:
        for broker in self._brokers:
            kind = kind_of(broker)
            if type(kind) is type(asking):
                for subscriber in filter(kind.takes_messages, broker.subscribers):
                    yield kind.stand_in(subscriber, self._responder(kind, subscriber), address)

    def _responder(self, kind: Kind, subscriber: Any) -> Callable[[Any], Any]:
        return lambda raw: self.deliver(kind, subscriber, raw, Delivery())

    def _record(self, broker: Any, command: Any, bodies: Sequence[Any]) -> None:
        channel = kind_of(broker).channel_of(command)
        self._published_count += len(bodies)
        for body in bodies:
            if len(self.published) >= self._limits.published or self._allowance.is_spent:
                return
            self.published.append(
                Published(
                    broker=type(broker).__name__,
                    channel=self._allowance.text(channel),
                    payload=self._allowance.to_json(body),
                    headers=self._allowance.to_json(command.headers),
                    correlation_id=command.correlation_id,
                )
            )

    def report(self, outcome: _Outcome, stopped: Failure | None, duration: float) -> DryRunReport:
        """Describe the run.

        Args:
            outcome: What became of it.
            stopped: Why the handler did not come to its end.
            duration: Seconds that it took.
        """
        delivery, allowance = outcome.delivery, self._limits.allowance()

        def failure(exc: BaseException | None) -> Failure | None:
            if exc is None:
                return None
            return failure_of(
                exc, allowance, stage=delivery.stage_of(exc), path_of=delivery.path_of
            )

        exception, handled = outcome.exception, delivery.exception
        if isinstance(exception, StopConsume):
            exception, handled = None, exception
        if stopped or handled is exception:
            handled = None
        report = DryRunReport(
            error=stopped or failure(exception),
            handled_error=failure(handled),
            acknowledgement=outcome.acknowledgement(),
            published=list(self.published),
            # Last: the errors come first where not all of it is allowed.
            result=None if outcome.result == b"" else allowance.to_json(outcome.result),
            duration=duration,
        )
        if unlisted := self._published_count - len(report.published):
            report.notes.append(f"{unlisted:,} more published messages are not listed.")
        if self._allowance.cuts or allowance.cuts:
            report.notes.append("Parts of the report are cut, because it is too large.")
        return report


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
    return scope if scope is not None and scope.is_here() else None


class DryRun:
    """Runs messages through the subscribers of brokers without touching the brokers.

    Args:
        brokers: The live brokers (connected or not), or a function that returns them.
        limits: How large a run may be.
    """

    def __init__(self, brokers: Brokers, limits: DryRunLimits | None = None) -> None:
        self.limits = limits or DryRunLimits()
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
            TooLargeError: The message is larger than the limits.
        """
        headers = headers or {}
        self.limits.check(channel, address, headers)
        brokers = self._install()
        with hooks():
            for broker in brokers:
                set_up_logger(broker)
        scope, outcome = _Scope(brokers, self.limits), _Outcome()

        async def handle() -> None:
            _current.set(scope)
            try:
                target = outcome.target = await self._find(channel, address)
                raw, _ = await self._incoming(target, payload, headers)
                response = await scope.deliver(
                    target.kind, target.subscriber, raw, outcome.delivery
                )
                outcome.result = response.body
            except (asyncio.CancelledError, KeyboardInterrupt, *_REFUSALS):
                raise
            except BaseException as exc:
                # SystemExit too: out of a task it would end the event loop.
                outcome.exception = exc

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

        stopped = None
        if timed_out:
            stopped = Failure(
                "TimeoutError", _timeout_message(timeout, ended=task.done()), "timeout"
            )
        elif task.cancelled():
            stopped = Failure("CancelledError", "The handler cancelled itself.")
        elif exc := task.exception():
            raise exc
        # The message's handling and the report are one turn of the event loop each.
        await asyncio.sleep(0)
        return scope.report(outcome, stopped, duration)

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
            TooLargeError: The message is larger than the limits.
            Exception: Whatever the broker raises.
        """
        self.limits.check(channel, address, headers or {})
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
        # A form for a handler that has got another name since.
        names = {channel, channel.rpartition(":")[0] or channel}
        for _, declared, target in targets:
            if not names.isdisjoint({declared, target.address}):
                return target
        for _, _, target in targets:
            candidate = replace(target, address=channel)
            with suppress(Exception):
                if await self._collect(candidate, [None], {}):
                    return candidate
        if reason := self.unavailable().get(channel):
            raise DryRunUnavailableError(reason)
        msg = f"{channel.partition(':')[0]} destination not found."
        raise ChannelNotFoundError(msg)

    def unavailable(self) -> dict[str, str]:
        """Return which channels no dry run can serve: their ids in the document, and why."""
        found: dict[str, str] = {}
        brokers = self._live_brokers()
        names = channel_names(brokers)
        for broker in brokers:
            if reason := _why_not(broker):
                for subscriber in documented_subscribers(broker):
                    # The document writes a dot for a slash.
                    found |= {name.replace("/", "."): reason for name in names[subscriber].values()}
        return found

    def _targets(self, address: str | None) -> list[tuple[str, str, _Target]]:
        """Every channel that a subscriber serves: its name, its address, and how to get there."""
        targets: list[tuple[str, str, _Target]] = []
        brokers = self._live_brokers()
        with hooks():
            names = channel_names(brokers)
        for broker in brokers:
            kind = kind_of(broker)
            if not kind.package:
                continue
            with hooks():
                for subscriber in documented_subscribers(broker):
                    for name, declared in kind.channels(subscriber).items():
                        concrete = address or kind.concrete(declared, subscriber)
                        target = _Target(broker, kind, subscriber, concrete)
                        targets.append((names[subscriber][name], declared, target))
        # A broker keeps its subscribers in a set.
        return sorted(targets, key=lambda entry: entry[:2])

    async def _incoming(
        self, target: _Target, payload: Any, headers: Mapping[str, str]
    ) -> tuple[Any, list[Any]]:
        """The message as the client library would hand it over, and the bodies it is made of."""
        if target.kind.parse_steps(target.subscriber, target.address) > _PARSE_STEPS:
            msg = "The address is too long for the number of wildcards in its channel."
            raise TooLargeError(msg)
        raw = await self._collect(target, [payload], headers)
        if not raw:
            msg = (
                f"No message reaches the subscriber at {target.address!r}: give an address that "
                "matches its channel."
            )
            raise ChannelNotFoundError(msg)
        if target.kind.is_batch(raw[0]) and isinstance(payload, list) and payload:
            self.limits.check_batch(len(payload))
            return target.kind.merge(await self._collect(target, payload, headers)), payload
        return raw[0], [payload]

    async def _collect(
        self, target: _Target, payloads: list[Any], headers: Mapping[str, str]
    ) -> list[Any]:
        """What the client library would hand over for the payloads, nothing where none arrives."""
        collected: list[Any] = []

        async def collect(message: Any) -> Any:
            collected.append(message)
            return _NO_RESPONSE

        kind, subscriber = target.kind, target.subscriber
        message_headers = kind.headers(subscriber, headers)
        correlation_id = message_headers.pop("correlation_id", None)
        with hooks():
            listener = kind.stand_in(subscriber, collect, target.address)
            producer = in_memory_producer(kind, lambda: [listener])
            destination = kind.destination(subscriber, target.address)
        for payload in payloads:
            await asyncio.sleep(0)
            with hooks():
                command = kind.command(
                    payload,
                    **destination,
                    headers=dict(message_headers),
                    correlation_id=correlation_id,
                )
            with suppress(SubscriberNotFound):
                await producer.publish(command)
        return collected


def _timeout_message(timeout: float, *, ended: bool) -> str:
    end = "was cancelled" if ended else "cannot be cancelled: it is still running"
    return f"The handler did not finish within {timeout:g} s and {end}."


def _why_not(broker: Any) -> str:
    """Return why there is no dry run with a broker, nothing where there is."""
    try:
        kind = kind_for(broker)
        install(broker, _outlet)
        with hooks():
            in_memory_producer(kind, lambda: ())
    except DryRunUnavailableError as exc:
        return str(exc)
    return ""
