"""FastStream's private names that a dry run needs, with the versions they were seen in.

Kept apart from `faststream_integrations._faststream` because the list is long and has one reader.
Everything here was seen in faststream 0.7.0 and 0.7.8; where the two differ, a comment says how.
A name that is missing in another version becomes a `DryRunUnavailableError`.
"""

import copy
import importlib
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from faststream.message import AckStatus

__all__ = (
    "DeadEnd",
    "Delivery",
    "DryRunUnavailableError",
    "Kind",
    "Outlet",
    "clone",
    "current_handler",
    "hooks",
    "install",
    "serves_requests",
    "set_up_logger",
    "stand_in",
)


class DryRunUnavailableError(RuntimeError):
    """This version of FastStream, or this broker, lacks what a dry run needs."""


@contextmanager
def hooks() -> Iterator[None]:
    """Turn a missing private name into `DryRunUnavailableError`."""
    try:
        yield
    except (AttributeError, ImportError, TypeError) as exc:
        msg = (
            "A dry run is unavailable: this version of FastStream has changed what it builds on "
            f"({type(exc).__name__}: {exc})."
        )
        raise DryRunUnavailableError(msg) from exc


# --- Kinds of broker -------------------------------------------------------------------------

_NATS_WATCHERS = {"KeyValueWatchSubscriber", "ObjStoreWatchSubscriber"}
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_COMMANDS = {
    "nats": "NatsPublishCommand",
    "redis": "RedisPublishCommand",
    "rabbit": "RabbitPublishCommand",
    "kafka": "KafkaPublishCommand",
    "confluent": "KafkaPublishCommand",
    "mqtt": "MQTTPublishCommand",
}


@dataclass(frozen=True)
class Kind:
    """What differs from one kind of broker to the next."""

    name: str

    @classmethod
    def of(cls, broker: Any) -> "Kind":
        for base in type(broker).__mro__:
            package, _, rest = base.__module__.partition(".")
            name = rest.partition(".")[0]
            if package == "faststream" and name in _COMMANDS:
                return cls(name)
        msg = f"A dry run is unavailable: {type(broker).__name__} is not a known kind of broker."
        raise DryRunUnavailableError(msg)

    def channels(self, subscriber: Any) -> dict[str, str]:
        """The AsyncAPI channel names of a subscriber, each with its declared address."""
        specification = copy.copy(subscriber.specification)
        cls: Any = type(specification)
        specification.__class__ = _without_payloads(cls)
        return {
            name: self._declared_address(channel)
            for name, channel in specification.get_schema().items()
        }

    def _declared_address(self, spec: Any) -> str:
        # The bindings have the address in every version; `spec.address` came after 0.7.0.
        bindings = spec.bindings
        if self.name == "nats":
            return str(bindings.nats.subject)
        if self.name == "redis":
            return str(bindings.redis.channel)
        if self.name == "rabbit":
            return str(spec.operation.bindings.amqp.routing_key)
        if self.name == "mqtt":
            return re.sub(r"^\$share/[^/]+/", "", str(bindings.mqtt.topic))
        return str(bindings.kafka.topic)

    def concrete(self, address: str, subscriber: Any) -> str:
        """An address that a message can have, for one with path parameters or wildcards."""
        address = _PATH_PARAMETER.sub(r"\1", address)
        if self.name == "nats":
            parts = address.split(".")
            return ".".join("any" if part in {"*", ">"} else part for part in parts)
        if self.name == "mqtt":
            parts = address.split("/")
            return "/".join("any" if part in {"+", "#"} else part for part in parts)
        if self.name == "rabbit" and subscriber.exchange.type.value == "topic":
            parts = address.split(".")
            return ".".join("any" if part in {"*", "#"} else part for part in parts)
        channel = getattr(subscriber, "channel", None)
        if self.name == "redis" and channel is not None and channel.pattern:
            return address.replace("*", "any")
        return address

    def destination(self, subscriber: Any, address: str) -> dict[str, Any]:
        """The arguments of `broker.publish` (and of the publish command) that lead there."""
        if self.name == "nats":
            stream = getattr(subscriber, "stream", None)
            return {"subject": address, "stream": stream.name if stream else None}
        if self.name == "redis":
            if hasattr(subscriber, "stream_sub"):
                return {"stream": address}
            return {"list" if hasattr(subscriber, "list_sub") else "channel": address}
        if self.name == "rabbit":
            return {"routing_key": address, "exchange": subscriber.exchange}
        if self.name == "mqtt":
            return {"topic": address, "qos": subscriber._qos}
        partitions = (p.partition for p in subscriber.partitions if p.topic == address)
        return {"topic": address, "partition": next(partitions, None)}

    def headers(self, subscriber: Any, headers: Mapping[str, str]) -> dict[str, Any]:
        """The message's headers, with those that a RabbitMQ headers exchange routes by."""
        bound = subscriber.queue.bind_arguments if self.name == "rabbit" else None
        routed = {k: v for k, v in (bound or {}).items() if k != "x-match"}
        return {**routed, **headers}

    def command(self, payload: Any, **options: Any) -> Any:
        """The publish command of this broker."""
        from faststream.response.publish_type import PublishType

        module = importlib.import_module(f"faststream.{self.name}.response")
        command = getattr(module, _COMMANDS[self.name])
        return command(payload, _publish_type=PublishType.PUBLISH, **options)

    def acknowledges(self, subscriber: Any) -> bool:
        """Whether this broker hears of an acknowledgement from that subscriber."""
        if self.name == "nats":
            return getattr(subscriber, "stream", None) is not None
        if self.name == "redis":
            stream = getattr(subscriber, "stream_sub", None)
            return bool(stream and stream.group and not stream.no_ack)
        if self.name == "mqtt":
            return int(subscriber._qos) > 0
        return True

    def in_memory_producer(self, broker: Any, subscribers: Callable[[], Iterable[Any]]) -> Any:
        """FastStream's own producer of its test broker; it hands messages to `subscribers`."""
        testing = importlib.import_module(f"faststream.{self.name}.testing")
        view = _View(broker, subscribers)
        if self.name == "redis":
            return testing.FakeProducer(view, (view,), broker.config)
        return testing.FakeProducer(view, (view,))


@cache
def _without_payloads(specification: Any) -> Any:
    # The names do not need the payloads' schemas, which take long to make.
    members = {"__slots__": (), "get_payloads": lambda _self: []}
    return type(specification.__name__, (specification,), members)


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


def serves_requests(subscriber: Any) -> bool:
    """False for NATS key-value and object-store watchers, which no message reaches."""
    return not _NATS_WATCHERS & {base.__name__ for base in type(subscriber).__mro__}


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
    Kind.of(broker)
    with hooks():
        config = broker.config.broker_config
        # NATS has `js_producer` beside `producer`.
        for name, value in list(vars(config).items()):
            if _is_live_producer(value):
                setattr(config, name, _Producer(value, broker, outlet))
        for publisher in broker.publishers:
            # Redis: each publisher has its own.
            value = getattr(publisher, "producer", None)
            if _is_live_producer(value):
                publisher.producer = _Producer(value, broker, outlet)
        if type(broker.config.producer) is not _Producer:
            msg = "the broker's producer cannot be replaced"
            raise AttributeError(msg)


def _is_live_producer(value: Any) -> bool:
    # Asked of the class: a _Producer claims another one, an unset producer has only errors.
    cls = type(value)
    return cls is not _Producer and all(
        hasattr(cls, name) for name in ("publish", "publish_batch", "request")
    )


def set_up_logger(broker: Any) -> None:
    """Give a broker that never connected the logger that `connect` would give it."""
    with hooks():
        if not broker.config.logger.logger:
            broker._setup_logger()


def current_handler(broker: Any) -> Any:
    """The subscriber whose message is being handled here, or None."""
    with hooks():
        return broker.context.get_local("handler_")


# --- Copies of subscribers -------------------------------------------------------------------


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


def clone(subscriber: Any, delivery: Delivery) -> Any:
    """A copy of a subscriber that handles messages without a trace in the original.

    Args:
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
            if hasattr(copied, "_build_parser"):
                # MQTT chooses its parser at start, when the broker's version is known.
                parser = copied._build_parser()
                copied._parser, copied._decoder = parser.parse_message, parser.decode_message
            copied._build_fastdepends_model()
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

    copied._parser = observed(copied._parser)
    for item in copied.calls:
        # The composed parser; `item_parser` before 0.7.6.
        name = "parser" if hasattr(item, "parser") else "item_parser"
        setattr(item, name, observed(getattr(item, name)))
        item.handler._wrapped_call = _observed_call(item.handler._wrapped_call, delivery)


def _observed_call(call: Any, delivery: Delivery) -> Any:
    async def wrapped(message: Any) -> Any:
        try:
            result = await call(message)
        except BaseException as exc:
            delivery.exception = exc
            raise
        delivery.exception = None
        return result

    return wrapped


def stand_in(subscriber: Any, process: Callable[[Any], Awaitable[Any]]) -> Any:
    """A copy that matches the same messages as `subscriber` and hands them to `process`."""
    copied = copy.copy(subscriber)
    copied.process_message = process
    return copied
