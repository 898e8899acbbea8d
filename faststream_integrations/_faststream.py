"""The only importer of ``faststream._internal`` and of other private names of FastStream.

Each name is given with the versions of faststream it was seen in; `make test-versions` runs the
tests on the oldest and on the newest of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from faststream._internal.application import (  # 0.7.0 - 0.7.8
    Application,
    catch_startup_validation_error,
)
from faststream._internal.broker import BrokerUsecase  # 0.7.0 - 0.7.8
from faststream._internal.constants import EMPTY  # 0.7.0 - 0.7.8
from faststream._internal.context import Context as ContextMarker  # 0.7.0 - 0.7.8
from faststream._internal.context import ContextRepo  # 0.7.0 - 0.7.8; the public path is 0.7.1+
from faststream._internal.di import FastDependsConfig  # 0.7.0 - 0.7.8
from faststream._internal.endpoint.subscriber import SubscriberUsecase  # 0.7.0 - 0.7.8
from faststream._internal.logger import logger as default_logger  # 0.7.0 - 0.7.8
from faststream.asgi import HttpHandler as UpstreamHttpHandler

if TYPE_CHECKING:
    from fast_depends.library.serializer import SerializerProto

__all__ = (
    "EMPTY",
    "Application",
    "BrokerUsecase",
    "ContextMarker",
    "ContextRepo",
    "FastDependsConfig",
    "Hooks",
    "UpstreamHttpHandler",
    "broker_config",
    "default_logger",
    "find_local",
    "frames_of",
    "global_reader",
    "hooks_of",
    "in_memory",
    "is_idle",
    "is_patched",
    "locals_of",
    "original_function",
    "run_options",
    "serializer_of",
    "share_hooks",
    "startup_validation",
    "subscriber_name",
    "tasks_in_handlers",
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


def broker_config(broker: BrokerUsecase[Any, Any, Any]) -> FastDependsConfig:
    """Return the context, provider and serializer that a broker's subscribers use."""
    return broker.config.fd_config


def is_idle(broker: BrokerUsecase[Any, Any, Any]) -> bool:
    """Tell whether a broker is neither started nor connected nor in memory.

    A broker keeps its connection in `_connection` (0.7.0 - 0.7.8). Where it does not, one that was
    not started counts as idle.
    """
    connection = getattr(broker, "_connection", None)
    return not broker.running and connection is None and not is_patched(broker)


def serializer_of(config: FastDependsConfig) -> SerializerProto | None:
    """Return the serializer of a configuration, FastStream's default one where none is set."""
    return config._serializer


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
    brokers: Iterable[BrokerUsecase[Any, Any, Any]],
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


def _test_broker_class(broker: BrokerUsecase[Any, Any, Any]) -> type[Any]:
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


def is_patched(broker: BrokerUsecase[Any, Any, Any]) -> bool:
    """Tell whether a test has replaced the start of a broker, as FastStream's TestBroker does."""
    return "start" in vars(broker)


def subscriber_name(subscriber: Any) -> str:
    """Name a subscriber by its handler and its address, as the logs do."""
    try:
        name = str(subscriber.specification.call_name)
        details = subscriber.get_log_context(None)
    except Exception:
        return type(subscriber).__name__
    details = {key: value for key, value in details.items() if key != "message_id" and value}
    return f"{name} ({', '.join(map(str, details.values()))})" if details else name


def tasks_in_handlers(subscribers: Iterable[Any]) -> list[asyncio.Task[Any]]:
    """Return the tasks that are handling a message of one of the subscribers.

    They are found by the frames of their coroutines: a client library makes tasks for messages
    that nobody keeps, and to keep a record of each message would cost every message.
    """
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
