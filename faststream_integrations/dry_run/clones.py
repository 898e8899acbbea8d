"""Copies of subscribers that leave no trace in the original, and producers that can be diverted."""

import copy
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from inspect import Parameter
from traceback import walk_tb
from typing import Any, Protocol

from faststream.message import AckStatus
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from faststream_integrations._faststream import compile_calls, wrap_calls, wrap_parsers
from faststream_integrations.brokers.kinds import Kind, kind_of

__all__ = (
    "DeadEnd",
    "Delivery",
    "DryRunUnavailableError",
    "Outlet",
    "clone",
    "current_handler",
    "hooks",
    "in_memory_producer",
    "install",
    "kind_for",
)


class DryRunUnavailableError(RuntimeError):
    """This version of FastStream, or this broker, lacks what a dry run needs."""


@contextmanager
def hooks() -> Iterator[None]:
    """Turn a missing private name into `DryRunUnavailableError`."""
    try:
        yield
    except (AttributeError, ImportError, TypeError) as exc:
        msg = "A dry run is unavailable with this version of FastStream."
        raise DryRunUnavailableError(msg) from exc


def kind_for(broker: Any) -> Kind:
    """Return what is special about the kind of a broker.

    Raises:
        DryRunUnavailableError: It is of no kind that is known.
    """
    kind = kind_of(broker)
    if not kind.package:
        msg = f"A dry run is unavailable: {type(broker).__name__} is not a known kind of broker."
        raise DryRunUnavailableError(msg)
    return kind


def in_memory_producer(kind: Kind, subscribers: Callable[[], Iterable[Any]]) -> Any:
    """FastStream's own producer of its test broker; it hands messages to `subscribers`."""
    return kind.in_memory_producer(_View(kind.broker, subscribers))


class _View:
    """A broker seen with other subscribers."""

    def __init__(self, broker: Any, subscribers: Callable[[], Iterable[Any]]) -> None:
        self._broker = broker
        self._subscribers = subscribers

    @property
    def subscribers(self) -> list[Any]:
        return list(self._subscribers())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


# --- The live broker's producers -------------------------------------------------------------


class Outlet(Protocol):
    """Where a dry run's messages go instead of to the broker."""

    async def publish(self, broker: Any, command: Any) -> Any: ...

    async def publish_batch(self, broker: Any, command: Any) -> Any: ...

    async def request(self, broker: Any, command: Any) -> Any: ...

    def producer(self, broker: Any) -> Any: ...


class _Producer:
    """The broker's producer, which a dry run's publishing does not reach.

    Outside of a dry run everything is passed on; which it is, `outlet` decides at each call.
    """

    def __init__(self, live: Any, broker: Any, outlet: Callable[[], Outlet | None]) -> None:
        self._live = live
        self._broker = broker
        self._outlet = outlet

    async def publish(self, cmd: Any) -> Any:
        if (outlet := self._outlet()) is None:
            return await self._live.publish(cmd)
        return await outlet.publish(self._broker, cmd)

    async def publish_batch(self, cmd: Any) -> Any:
        if (outlet := self._outlet()) is None:
            return await self._live.publish_batch(cmd)
        return await outlet.publish_batch(self._broker, cmd)

    async def request(self, cmd: Any) -> Any:
        if (outlet := self._outlet()) is None:
            return await self._live.request(cmd)
        return await outlet.request(self._broker, cmd)

    async def flush(self) -> None:
        if self._outlet() is None:
            await self._live.flush()

    # A response is parsed by the producer that fetched it.
    @property
    def _parser(self) -> Any:
        return self._current._parser

    @property
    def _decoder(self) -> Any:
        return self._current._decoder

    @property
    def _current(self) -> Any:
        outlet = self._outlet()
        return self._live if outlet is None else outlet.producer(self._broker)

    def _build_child(self, *args: Any, **kwargs: Any) -> "_Producer":
        # Redis: a publisher that starts makes its own producer from the broker's.
        return _Producer(self._live._build_child(*args, **kwargs), self._broker, self._outlet)

    def __bool__(self) -> bool:
        return self._outlet() is not None or bool(self._live)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._live)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live, name)


def install(broker: Any, outlet: Callable[[], Outlet | None]) -> None:
    """Put a broker's producers behind `outlet`; done again, it only covers what is new.

    Args:
        broker: The live broker.
        outlet: Called at each publication; None lets it through to the live broker.

    Raises:
        DryRunUnavailableError: The producers are not where they are known to be.
    """
    with hooks():
        # Of any kind: what a broker of an unknown one publishes in a dry run stays in it too.
        for owner, name in kind_of(broker).producers():
            value = getattr(owner, name, None)
            if _is_live_producer(value):
                setattr(owner, name, _Producer(value, broker, outlet))
        if type(broker.config.producer) is not _Producer:
            msg = "the broker's producer cannot be replaced"
            raise AttributeError(msg)


def _is_live_producer(value: Any) -> bool:
    # Asked of the class: a _Producer claims another one, an unset producer has only errors.
    cls = type(value)
    return cls is not _Producer and all(
        hasattr(cls, name) for name in ("publish", "publish_batch", "request")
    )


def current_handler(broker: Any) -> Any:
    """The subscriber whose message is being handled here, or None."""
    with hooks():
        return broker.context.get_local("handler_")


# --- Copies of subscribers -------------------------------------------------------------------

_PROBLEMS = 1000


class DeadEnd:
    """Takes the place of a message's consumer: whatever is called does nothing."""

    def __getattr__(self, name: str) -> Callable[..., "DeadEnd"]:
        return lambda *_args, **_kwargs: self

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class Delivery:
    """What became of one message in one copy of a subscriber."""

    def __init__(self) -> None:
        self.message: Any = None
        self.exception: BaseException | None = None
        self._parameters: list[Any] | None = None
        self._refused: BaseException | None = None

    def observe_message(self, message: Any) -> None:
        """Record what the message is told, and tell nobody."""

        def settle(status: AckStatus) -> Callable[..., Awaitable[None]]:
            async def record(*_args: Any, **_kwargs: Any) -> None:
                if message.committed is None:
                    message.committed = status

            return record

        self.message = message
        message.ack = message.ack_sync = settle(AckStatus.ACKED)
        message.nack = settle(AckStatus.NACKED)
        message.reject = settle(AckStatus.REJECTED)
        # With the live consumer Kafka would commit and seek, and Redis acknowledge and delete.
        if hasattr(message, "consumer"):
            message.consumer = DeadEnd()

    def observe_call(self, item: Any) -> None:
        """Record that a handler is called; `item` knows the parameters that the payload fills."""
        self._parameters = list(getattr(item.dependant, "flat_params", ()))

    def observe_exception(self, exc: BaseException) -> BaseException:
        """Record what a call raised; return what to raise in its place."""
        self.exception = _shortened(exc)
        self._refused = None if _reached_application(exc) else self.exception
        return self.exception

    def stage_of(self, exc: BaseException) -> str:
        """Return "message" for an exception from before the handler ran, else "handler"."""
        return "message" if self._parameters is None or exc is self._refused else "handler"

    def path_of(self, loc: Sequence[Any]) -> list[Any] | None:
        """Return the place in the payload that `loc` of a problem names, None where it has none."""
        parameters = self._parameters or []
        if not loc or all(loc[0] != parameter.field_name for parameter in parameters):
            return None
        # A single parameter gets the payload, several get its fields.
        single = len(parameters) == 1 and parameters[0].kind is not Parameter.VAR_POSITIONAL
        return list(loc[1:] if single else loc)


_MACHINERY = {"faststream", "faststream_integrations", "fast_depends", "pydantic", "json"}


def _reached_application(exc: BaseException) -> bool:
    """Whether the application's own code ran into an exception, or its result was refused."""
    return any(
        frame.f_globals.get("__name__", "").partition(".")[0] not in _MACHINERY
        or frame.f_code.co_name == "_cast_response"  # of fast_depends
        for frame, _ in walk_tb(exc.__traceback__)
    )


def _shortened(exc: BaseException) -> BaseException:
    """Return an error of too many problems without them, and any other error itself.

    FastStream logs the text of an error, and pydantic's text names every problem.
    """
    if not isinstance(exc, ValidationError) or exc.error_count() <= _PROBLEMS:
        return exc
    summary = PydanticCustomError(
        "too_many_problems", "{count} problems, too many to tell", {"count": exc.error_count()}
    )
    shortened = ValidationError.from_exception_data(
        exc.title, [InitErrorDetails(type=summary, loc=(), input=None)]
    )
    return shortened.with_traceback(exc.__traceback__)


def clone(kind: Kind, subscriber: Any, delivery: Delivery) -> Any:
    """A copy of a subscriber that handles messages without a trace in the original.

    Args:
        kind: What is special about its broker.
        subscriber: The live subscriber, started or not.
        delivery: Where to note what happens to the message.

    Raises:
        DryRunUnavailableError: The subscriber is not made as it is known to be.
    """
    with hooks():
        copied = copy.copy(subscriber)
        copied.lock = nullcontext()
        copied.running = True
        copied.calls = copy.copy(subscriber.calls)
        copied.calls.data = [copy.copy(item) for item in subscriber.calls]
        for item in copied.calls:
            item.handler = copy.copy(item.handler)
            item.handler.is_test = False
        if any(item.dependant is None for item in copied.calls):
            kind.complete(copied)
            compile_calls(copied)
        _observe(copied, delivery)
    return copied


def _observe(copied: Any, delivery: Delivery) -> None:
    parsers: dict[Any, Any] = {}

    def observed(parser: Any) -> Any:
        # One per parser: FastStream parses a message once for all handlers that share one.
        if parser not in parsers:

            async def parse(raw: Any) -> Any:
                message = await parser(raw)
                delivery.observe_message(message)
                return message

            parsers[parser] = parse
        return parsers[parser]

    wrap_parsers(copied, observed)
    wrap_calls(copied, lambda item, call: _observed_call(item, call, delivery))


def _observed_call(item: Any, call: Any, delivery: Delivery) -> Any:
    async def wrapped(message: Any) -> Any:
        delivery.observe_call(item)
        try:
            result = await call(message)
        except BaseException as exc:
            if (told := delivery.observe_exception(exc)) is exc:
                raise
            raise told from None
        delivery.exception = None
        return result

    return wrapped
