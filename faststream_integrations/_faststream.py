"""The private names of FastStream that all kinds of brokers share; see also `brokers.kinds`.

Each name is given with the versions of faststream it was seen in; `make test-versions` runs the
tests on the oldest and on the newest of them.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from copy import copy, deepcopy
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib import import_module
from inspect import Parameter, signature, unwrap
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, cast

from fast_depends.core import build_call_model
from faststream._internal.application import (  # 0.7.0 - 0.7.8
    Application,
    catch_startup_validation_error,
)
from faststream._internal.constants import EMPTY  # 0.7.0 - 0.7.8
from faststream._internal.context import Context as ContextMarker  # 0.7.0 - 0.7.8
from faststream._internal.context import ContextRepo  # 0.7.0 - 0.7.8; the public path is 0.7.1+
from faststream._internal.di import FastDependsConfig  # 0.7.0 - 0.7.8
from faststream._internal.logger import logger as default_logger  # 0.7.0 - 0.7.8
from faststream.asgi import HttpHandler as UpstreamHttpHandler

if TYPE_CHECKING:
    from fast_depends.dependencies import Dependant
    from fast_depends.library.serializer import SerializerProto
    from faststream._internal.broker import BrokerUsecase  # 0.7.0 - 0.7.8

    # `original_call` is what a plain call of the subscriber runs, `wrapped_call(message)` injects
    # and runs it, and the AsyncAPI document is made of `dependent`.
    from faststream._internal.di.config import BuiltDependant as BuiltCall  # 0.7.0 - 0.7.8

    AnyBroker = BrokerUsecase[Any, Any, Any]
else:
    AnyBroker = BuiltCall = Any

__all__ = (
    "EMPTY",
    "AnyBroker",
    "Application",
    "BuildHook",
    "BuiltCall",
    "ContextMarker",
    "ContextRepo",
    "FastDependsConfig",
    "HookedConfig",
    "Hooks",
    "UpstreamHttpHandler",
    "broker_config",
    "can_hook",
    "channels_of",
    "compile_calls",
    "connection_options",
    "declared_calls",
    "declared_subscribers",
    "default_logger",
    "find_local",
    "frames_of",
    "global_reader",
    "has_other_injection",
    "hooks_of",
    "in_memory",
    "injected_function",
    "is_broker",
    "is_broker_class",
    "is_idle",
    "is_patched",
    "is_router_context",
    "is_stand_in",
    "is_subscriber",
    "locals_of",
    "original_function",
    "published_types",
    "run_options",
    "serializer_of",
    "server_names",
    "set_up_logger",
    "share_hooks",
    "startup_validation",
    "subscriber_name",
    "tasks_in_handlers",
    "wrap_calls",
    "wrap_parsers",
)

startup_validation = cast(
    "Callable[[], AbstractAsyncContextManager[None]]", catch_startup_validation_error
)

Hook = Callable[..., Any]

_HOOKS = (
    "_on_startup_calling",
    "_after_startup_calling",
    "_on_shutdown_calling",
    "_after_shutdown_calling",
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks and the lifespan of a FastStream application, as it runs them."""

    lifespan: Callable[..., AbstractAsyncContextManager[Any]]
    on_startup: Sequence[Hook]
    after_startup: Sequence[Hook]
    on_shutdown: Sequence[Hook]
    after_shutdown: Sequence[Hook]


def hooks_of(app: Application) -> Hooks:
    """Return the hooks that `app` has now, in the order of the fields of `Hooks`."""
    return Hooks(app.lifespan_context, *(tuple(getattr(app, name)) for name in _HOOKS))


def run_options(app: Application) -> Mapping[str, Any]:
    """Return what the command line of ``faststream run`` has left for the hooks of `app`.

    It is set by `AsgiFastStream.run` and, with several workers, by the process that runs them
    (0.7.0 - 0.7.8).
    """
    return getattr(app, "_run_extra_options", {})


def share_hooks(source: Application, target: Application) -> None:
    """Let `target` run the lifespan and the hooks of `source`, those that it gets later too."""
    target.lifespan_context = source.lifespan_context
    for name in _HOOKS:
        setattr(target, name, getattr(source, name))


class _Local:
    """Stands in for a context variable by way of the public methods of a `ContextRepo`."""

    __slots__ = ("_context", "_key")

    def __init__(self, context: ContextRepo, key: str) -> None:
        self._context = context
        self._key = key

    def set(self, value: Any) -> Any:
        return self._context.set_local(self._key, value)

    def get(self) -> Any:
        return self._context.get_local(self._key)

    def reset(self, token: Any) -> None:
        self._context.reset_local(self._key, token)


def find_local(context: ContextRepo, key: str) -> ContextVar[Any] | _Local:
    """Return what sets and resets the local value `key` of a context.

    The context variable itself is several times faster than `set_local` and `reset_local`. A
    `ContextRepo` keeps it in `_scope_context` (0.7.0 - 0.7.8) once it was set, until `clear()`;
    where it is not there, the public methods serve.
    """
    variables = locals_of(context)
    if key not in variables:
        context.reset_local(key, context.set_local(key, None))
    return variables.get(key) or _Local(context, key)


def locals_of(context: ContextRepo) -> Mapping[str, ContextVar[Any]]:
    """Return the live mapping of the context variables of a context, empty where unknown."""
    inner = getattr(context, "__dict__", {}).get("_inner_context", context)
    variables = getattr(inner, "__dict__", {}).get("_scope_context")
    return variables if isinstance(variables, dict) else {}


def global_reader(context: ContextRepo) -> Callable[[str, Any], Any]:
    """Return what finds a global value of a context, or gives the default.

    `ContextRepo.get` goes on to the local values, at three times the cost. A `ContextRepo` keeps
    the global ones in `_global_context` (0.7.0 - 0.7.8), which `clear()` replaces; where it is
    not there, `get` serves.
    """
    inner = getattr(context, "__dict__", {}).get("_inner_context", context)
    if not isinstance(getattr(inner, "__dict__", {}).get("_global_context"), dict):
        return context.get

    def find(key: str, default: Any) -> Any:
        return inner._global_context.get(key, default)

    return find


def broker_config(broker: AnyBroker) -> FastDependsConfig:
    """Return the context, provider and serializer that a broker's subscribers use."""
    return broker.config.fd_config


class BuildHook(Protocol):
    """What builds the functions of a broker's subscribers in the place of FastStream."""

    def build(
        self,
        config: HookedConfig,
        function: Callable[..., Any],
        dependencies: Sequence[Dependant],
        plain: Callable[..., BuiltCall],
    ) -> BuiltCall:
        """Build a function.

        Args:
            config: The configuration.
            function: The function, decorated as the broker wants it.
            dependencies: What runs before it.
            plain: ``plain(function, dependencies)`` does what FastStream would do with that.
        """


class HookedConfig(FastDependsConfig):
    """The configuration by which a broker builds its subscribers' functions, with a hook of ours.

    FastStream reads ``broker.config.fd_config`` whenever it builds: at the start of a subscriber,
    for a document, for a test. An application replaces it by what ``|`` gives, and so the hook is
    handed on there.
    """

    hook: BuildHook

    @classmethod
    def of(cls, config: FastDependsConfig, hook: BuildHook) -> HookedConfig:
        """Return a configuration that is like another one, with a hook."""
        hooked = cls(**{field.name: getattr(config, field.name) for field in fields(config)})
        hooked.hook = hook
        return hooked

    def build_call(
        self,
        call: Callable[..., Any],
        *,
        dependencies: Sequence[Dependant] = (),
        call_decorators: Any = (),
    ) -> BuiltCall:
        """Let the hook build the function of a subscriber."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        undecorated = FastDependsConfig(**{**options, "call_decorators": ()})

        def plain(function: Callable[..., Any], dependencies: Sequence[Dependant]) -> BuiltCall:
            return undecorated.build_call(function, dependencies=dependencies)

        call = decorated(call, (*call_decorators, *self.call_decorators))
        return self.hook.build(self, call, dependencies, plain)

    def __or__(self, value: FastDependsConfig, /) -> FastDependsConfig:
        return HookedConfig.of(FastDependsConfig.__or__(self, value), self.hook)

    def __ror__(self, value: FastDependsConfig, /) -> FastDependsConfig:
        # Python asks the right operand first where its class is derived from the left one's.
        return HookedConfig.of(FastDependsConfig.__or__(value, self), self.hook)


def has_other_injection(config: FastDependsConfig) -> bool:
    """Tell whether functions get their arguments otherwise than by FastDepends.

    The attributes are those of 0.7.0 - 0.7.8.
    """
    return not config.use_fastdepends or config.get_dependent is not None


def decorated(function: Callable[..., Any], decorators: Sequence[Any]) -> Callable[..., Any]:
    """Return a function as FastStream decorates it, which containers of dependencies may ask for.

    `call_decorators` of a configuration (0.7.0 - 0.7.8): the first one is the outermost.
    """
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def is_router_context(marker: Any) -> bool:
    """Tell whether a marker is `Context` of FastStream's own FastAPI routers.

    It is a dependency of FastAPI's on a header that only these routers, and faststream_fastapi,
    fill: ``context__`` (0.7.0 - 0.7.8, 1.4).
    """
    annotations = getattr(getattr(marker, "dependency", None), "__annotations__", {})
    return any(
        getattr(each, "alias", None) == "context__"
        for annotation in annotations.values()
        for each in getattr(annotation, "__metadata__", ())
    )


def can_hook() -> bool:
    """Tell whether FastStream builds calls by the method that `HookedConfig` overrides."""
    build = getattr(FastDependsConfig, "build_call", None)
    wanted = {"call", "dependencies", "call_decorators"}
    return build is not None and wanted <= set(signature(build).parameters)


def declared_calls(
    broker: AnyBroker,
) -> Iterator[tuple[Any, Callable[..., Any], Sequence[Dependant]]]:
    """Go through the functions of a broker's subscribers, without building anything.

    Yields the subscriber, the function as the broker decorates it, and the dependencies of the
    broker, of its routers and of the subscriber. `_original_call` (0.7.0 - 0.7.8) is the function
    as it was written.
    """
    for subscriber in broker.subscribers:
        shared = subscriber._outer_config.broker_dependencies
        decorators = subscriber._outer_config.fd_config.call_decorators
        for call in subscriber.calls:
            function = decorated(call.handler._original_call, decorators)
            yield subscriber, function, (*shared, *call.dependencies)


# These three load FastStream's brokers only where there may be one.


def is_broker(value: object) -> bool:
    """Tell whether an object is a broker of any kind."""
    from faststream._internal.broker import BrokerUsecase  # 0.7.0 - 0.7.8

    return isinstance(value, BrokerUsecase)


def is_broker_class(kind: type[Any]) -> bool:
    """Tell whether a class is one of brokers."""
    from faststream._internal.broker import BrokerUsecase  # 0.7.0 - 0.7.8

    return issubclass(kind, BrokerUsecase)


def is_subscriber(value: object) -> bool:
    """Tell whether a function is decorated as a subscriber or a publisher."""
    from faststream._internal.endpoint.call_wrapper import HandlerCallWrapper  # 0.7.0 - 0.7.8

    return isinstance(value, HandlerCallWrapper)


def is_idle(broker: AnyBroker) -> bool:
    """Tell whether a broker is neither started nor connected nor in memory.

    A broker keeps its connection in `_connection` (0.7.0 - 0.7.8). Where it does not, one that was
    not started counts as idle.
    """
    connection = getattr(broker, "_connection", None)
    return not broker.running and connection is None and not is_patched(broker)


def serializer_of(config: FastDependsConfig) -> SerializerProto | None:
    """Return the serializer of a configuration, FastStream's default one where none is set."""
    return config._serializer


def injected_function(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return the function that `@inject` of fast_depends wraps, `None` where it wraps none.

    There is none either where a decorator stands above `@inject`, which copies its attributes, and
    where `@inject` runs dependencies that the function does not name. Its wrapper has the original
    in `_fastdepends_call_`, and its model in the closure, of a generator in the first argument
    (fast_depends 3.0).
    """
    inner: Any = inspect.getattr_static(function, "_fastdepends_call_", None)
    wrapper: Any = function.func if isinstance(function, partial) else function
    module = getattr(wrapper, "__globals__", {}).get("__name__") or getattr(
        wrapper, "__module__", ""
    )
    if inner is None or not str(module).startswith("fast_depends."):
        return None
    if isinstance(function, partial):
        model: Any = next(iter(function.args), None)
    else:
        model = inspect.getclosurevars(wrapper).nonlocals.get("real_model")
    return None if getattr(model, "extra_dependencies", ()) else inner


def original_function(handler: UpstreamHttpHandler) -> Callable[..., Any]:
    """Return the user's function of upstream's `@get` or `@post` handler.

    Upstream keeps it under a mangled name (0.7.0 - 0.7.8); `func` is the fallback, which is the
    function itself as long as no application has wrapped it.
    """
    attributes: Mapping[str, Any] = vars(handler)
    return cast(
        "Callable[..., Any]",
        attributes.get("_HttpHandler__original_func", handler.func),
    )


def in_memory(
    brokers: Iterable[AnyBroker],
) -> list[AbstractAsyncContextManager[Any]]:
    """Return the context managers that put brokers in memory and connect them.

    Brokers of one server share one, so that a message of one reaches the subscribers of the other,
    as it does on the real server. Starting the brokers is left to whoever starts them.
    """
    servers: dict[tuple[type[Any], tuple[str, ...]], list[Any]] = {}
    for broker in brokers:
        key = (_test_broker_class(broker), tuple(broker.specification.url))
        servers.setdefault(key, []).append(broker)
    return [cls(*group, connect_only=True) for (cls, _), group in servers.items()]


def _test_broker_class(broker: AnyBroker) -> type[Any]:
    # Seen in 0.7.8, absent in 0.7.0. Only it knows of a user's own TestBroker classes.
    try:
        from faststream._internal.testing.broker import find_test_broker
    except ImportError:
        found = None
    else:
        found = find_test_broker(broker)
    if found is not None:
        return found
    for cls in type(broker).__mro__:
        if cls.__module__.startswith("faststream."):
            package = import_module(".".join(cls.__module__.split(".")[:2]))
            by_name: type[Any] | None = getattr(package, f"Test{cls.__name__}", None)
            if by_name is not None:
                return by_name
    msg = (
        f"FastStream has no in-memory TestBroker for {type(broker).__name__}. "
        "Leave it out of the call, and it connects to its real server."
    )
    raise LookupError(msg)


# Lifecycle.


def is_patched(broker: AnyBroker) -> bool:
    """Tell whether a test has replaced the start of a broker, as FastStream's TestBroker does."""
    return "start" in vars(broker)


def connection_options(broker: Any) -> Mapping[str, Any]:
    """Return what a broker connects with, credentials too; empty where it is not known.

    The brokers of FastStream keep it in `_connection_kwargs` (0.7.0 - 0.7.8).
    """
    options = getattr(broker, "_connection_kwargs", None)
    return options if isinstance(options, Mapping) else {}


def declared_subscribers(broker: Any) -> list[Any]:
    """Return the subscribers of a broker in the order of their declaration.

    FastStream keeps them in a set, in the order of their memory addresses, and in a list those
    that live as long as the broker (0.7.0 - 0.7.8). The others come last.
    """
    places = {id(each): place for place, each in enumerate(_persistent_subscribers(broker))}
    return sorted(broker.subscribers, key=lambda each: places.get(id(each), len(places)))


def _persistent_subscribers(registrator: Any) -> Iterator[Any]:
    yield from getattr(registrator, "_Registrator__persistent_subscribers", ())
    for router in getattr(registrator, "routers", ()):
        yield from _persistent_subscribers(router)


_MEMORY_ADDRESS = re.compile(r"(?: ?object)? ?at ?0x[0-9a-f]+", re.IGNORECASE)


def subscriber_name(subscriber: Any) -> str:
    """Name a subscriber by its handler and its address, as the logs do, the same in every process.

    FastStream names a handler that is no function by its ``repr``, in camel case.
    """
    try:
        name = str(subscriber.specification.call_name)
        details = subscriber.get_log_context(None)
    except Exception:
        return type(subscriber).__name__
    details = {key: value for key, value in details.items() if key != "message_id" and value}
    if details:
        name = f"{name} ({', '.join(map(str, details.values()))})"
    return _MEMORY_ADDRESS.sub("", name)


def tasks_in_handlers(subscribers: Iterable[Any]) -> list[asyncio.Task[Any]]:
    """Return the tasks that are handling a message of one of the subscribers.

    They are found by the frames of their coroutines: a client library makes tasks for messages
    that nobody keeps, and to keep a record of each message would cost every message.
    """
    from faststream._internal.endpoint.subscriber import SubscriberUsecase  # 0.7.0 - 0.7.8

    wanted = {id(subscriber) for subscriber in subscribers}
    code = SubscriberUsecase.process_message.__code__
    return [
        task
        for task in asyncio.all_tasks() - {asyncio.current_task()}
        if any(
            frame.f_code is code and id(frame.f_locals.get("self")) in wanted
            for frame in frames_of(task)
        )
    ]


def frames_of(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of the coroutines that a task is in, from the outermost inwards."""
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await


# Copies of subscribers. What is missing raises AttributeError.


def set_up_logger(broker: AnyBroker) -> None:
    """Give a broker that never connected the logger of `connect` (0.7.0 - 0.7.8)."""
    if not broker.config.logger.logger:
        broker._setup_logger()


def compile_calls(subscriber: Any) -> None:
    """Make the handlers of a subscriber callable, as its start does (0.7.0 - 0.7.8)."""
    subscriber._build_fastdepends_model()


def wrap_parsers(subscriber: Any, wrap: Callable[[Any], Any]) -> None:
    """Wrap what parses a subscriber's messages: its own, and those of its handlers."""
    subscriber._parser = wrap(subscriber._parser)  # 0.7.0 - 0.7.8
    for item in subscriber.calls:
        # The composed parser; `item_parser` before 0.7.6.
        name = "parser" if hasattr(item, "parser") else "item_parser"
        setattr(item, name, wrap(getattr(item, name)))


def wrap_calls(subscriber: Any, wrap: Callable[[Any, Any], Any]) -> None:
    """Wrap the innermost call of each handler item, below all middlewares (0.7.0 - 0.7.8)."""
    for item in subscriber.calls:
        item.handler._wrapped_call = wrap(item, item.handler._wrapped_call)


# The AsyncAPI document.


def is_stand_in(subscriber: Any) -> bool:
    """Tell whether FastStream's TestBroker made a subscriber, to see what a publisher publishes."""
    functions = [unwrap(item.handler._original_call) for item in subscriber.calls]  # 0.7.0 - 0.7.8
    return any(function.__module__.startswith("faststream._internal") for function in functions)


def published_types(publisher: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is said of a publisher's messages: a function's name and an annotation."""
    specification = publisher.specification
    if declared := specification.config.schema_:
        yield "", declared
        return
    config = specification._outer_config.fd_config  # 0.7.0 - 0.7.8
    for function in specification.calls:
        model = build_call_model(
            function, dependency_provider=config.provider, serializer_cls=config._serializer
        )
        for option in model.serializer.response_option.values() if model.serializer else ():
            if option.field_type is not None and option.field_type is not Parameter.empty:
                yield unwrap(function).__name__, option.field_type


def server_names(brokers: Sequence[AnyBroker]) -> Mapping[Any, Sequence[str]]:
    """Return the names that the servers of each broker have in the AsyncAPI document."""
    from faststream.specification.asyncapi.v3_0_0.generate import get_broker_server  # 0.7.0 - 0.7.8

    return get_broker_server(*brokers)[1]


def channels_of(endpoint: Any, payloads: Sequence[tuple[dict[str, Any], str]] = ()) -> Any:
    """Return the AsyncAPI channels of a subscriber or publisher by their names.

    Args:
        endpoint: The subscriber or publisher.
        payloads: The schemas of its messages, each with a function's name. By itself it would
            make them (0.7.0 - 0.7.8), which takes long.
    """
    specification = copy(endpoint.specification)
    cls: Any = type(specification)
    specification.__class__ = _with_payloads(cls)
    _payloads.set(payloads)
    return specification.get_schema()


_payloads: ContextVar[Sequence[tuple[dict[str, Any], str]]] = ContextVar("payloads")


@cache
def _with_payloads(cls: Any) -> Any:
    members = {"__slots__": (), "get_payloads": lambda _: deepcopy(list(_payloads.get()))}
    return type(cls.__name__, (cls,), members)
