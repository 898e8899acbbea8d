"""What a handler finds around it: the context, the dependency provider, the brokers, the logger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from fast_depends import dependency_provider
from typing_extensions import Self

from faststream_integrations._faststream import (
    EMPTY,
    AnyBroker,
    Application,
    ContextRepo,
    FastDependsConfig,
    broker_config,
    default_logger,
    global_reader,
    is_broker,
    locals_of,
    serializer_of,
)

if TYPE_CHECKING:
    from fast_depends import Provider
    from fast_depends.library.serializer import SerializerProto
    from faststream.types import LoggerProto

    from faststream_integrations.types import Scope

__all__ = (
    "DETACHED",
    "STATE_KEY",
    "AnyBroker",
    "BrokerOrApp",
    "ContextValueError",
    "Environment",
    "brokers_of",
    "check_brokers",
    "find_initial",
    "follow",
    "missing_value",
    "resolve",
)

BrokerOrApp = Union[AnyBroker, Application]  # noqa: UP007 - a broker is Any at run time

STATE_KEY = "faststream"
"""Where the ASGI lifespan state and an application's ``state`` carry the `Environment`."""


class ContextValueError(LookupError):
    """A function asks for a context value that does not exist: the server's fault."""


class Environment:
    """The surroundings of HTTP handlers, one object for each running application.

    Attributes:
        context: FastStream's context.
        find_global: ``find_global(key, default)`` looks into the global values of the context only.
        locals: The context variables behind the local values of the context.
        provider: fast_depends' provider, with the overrides of dependencies.
        serializer: What validates; `None` where validation is off.
        brokers: The live sequence of the application, so a broker that is added later is there.
        logger: What `Context("logger")` gives; `None` where logging is off.
        attached: False for the stand-in of handlers that run under no FastStream application.
        lifespan_state: What the lifespans of the host have yielded, by name.
        handles_errors: Whether a user's exception is logged and becomes a 500 (there is no host
            above), or propagates to the host.
    """

    __slots__ = (
        "__weakref__",
        "attached",
        "brokers",
        "context",
        "find_global",
        "handles_errors",
        "lifespan_state",
        "locals",
        "logger",
        "provider",
        "serializer",
    )

    def __init__(
        self,
        *,
        context: ContextRepo,
        provider: Provider,
        serializer: SerializerProto | None,
        brokers: Sequence[AnyBroker],
        logger: LoggerProto | None,
        attached: bool = True,
        handles_errors: bool = False,
    ) -> None:
        self.context = context
        self.find_global = global_reader(context)
        self.locals = locals_of(context)
        self.provider = provider
        self.serializer = serializer
        self.brokers = brokers
        self.logger = logger
        self.attached = attached
        self.handles_errors = handles_errors
        self.lifespan_state: Mapping[str, Any] = {}

    @classmethod
    def from_config(
        cls,
        config: FastDependsConfig,
        *,
        brokers: Sequence[AnyBroker] = (),
        logger: LoggerProto | None = default_logger,
        attached: bool = True,
        handles_errors: bool = False,
    ) -> Self:
        """Build the environment that a FastStream configuration describes."""
        return cls(
            context=config.context,
            provider=config.provider,
            serializer=serializer_of(config),
            brokers=brokers,
            logger=logger,
            attached=attached,
            handles_errors=handles_errors,
        )

    @classmethod
    def of(cls, *brokers_or_app: BrokerOrApp) -> Self:
        """Build the environment of an application, else the one of the first broker."""
        for target in brokers_or_app:
            if isinstance(target, Application):
                return cls.from_config(target.config, brokers=target.brokers, logger=target.logger)
        brokers = brokers_of(*brokers_or_app)
        return cls.from_config(broker_config(brokers[0]), brokers=brokers)

    @classmethod
    def detached(cls) -> Self:
        """Build the environment of a handler that runs under no FastStream application."""
        return cls.from_config(FastDependsConfig(provider=dependency_provider), attached=False)

    @classmethod
    def from_scope(cls, scope: Scope) -> Environment | None:
        """Find the environment that `broker_lifespan` put into the state of the host.

        Source: the lifespan state of the ASGI specification ("Lifespan Protocol", `state`), then
        ``app.state``, for servers and hosts that do not pass that state on.
        """
        state = scope.get("state")
        found = state.get(STATE_KEY) if isinstance(state, dict) else None
        host = scope.get("app") or scope.get("litestar_app")
        if found is None and host is not None:
            found = getattr(getattr(host, "state", None), STATE_KEY, None)
        return found if isinstance(found, Environment) else None

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan state of an application has: ``broker`` (the first) and ``brokers``."""
        brokers = tuple(self.brokers)
        return {STATE_KEY: self, "broker": brokers[0] if brokers else None, "brokers": brokers}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Stay the same object, and the brokers too, wherever they come in what is copied.

        Litestar's `ImmutableState` copies the state of the application for each request, this
        object first.
        """
        memo.update((id(broker), broker) for broker in self.brokers)
        return self

    def find_broker(self, kind: type[AnyBroker]) -> Any:
        """Find the first broker of a class, `EMPTY` where there is none."""
        brokers = self.brokers or getattr(self.context.get("app"), "brokers", ())
        return next((broker for broker in brokers if isinstance(broker, kind)), EMPTY)

    def overrides(self, app: Any) -> dict[Any, Any]:
        """Return what replaces dependencies now, by what it replaces.

        Args:
            app: The host application, whose ``dependency_overrides`` count where it has them
                (FastAPI's); those of the provider come first.
        """
        replaced = {**(getattr(app, "dependency_overrides", None) or {})}
        for original, model in self.provider.overrides.items():
            replaced[original] = model.call
        return replaced

    def find(self, key: str) -> Any:
        """Find a value that `context` does not have, `EMPTY` where there is none.

        ``broker`` is the first broker; any other value may be in the context of a broker, where
        its subscribers find it, or in what the host's lifespans have yielded.
        """
        # Upstream's application tells a handler its configuration, but not its brokers.
        brokers = self.brokers or getattr(self.context.get("app"), "brokers", ())
        if key == "broker" and brokers:
            return brokers[0]
        for broker in brokers:
            if (value := resolve(broker.context, key, EMPTY)) is not EMPTY:
                return value
        name, *rest = key.split(".")
        return follow(self.lifespan_state.get(name, EMPTY), rest)


DETACHED = Environment.detached()
"""For a function that runs under no FastStream application."""


def resolve(context: ContextRepo, key: str, default: Any) -> Any:
    """Resolve a name in a context, with the attributes or items that dots lead to."""
    try:
        return context.resolve(key)
    except (KeyError, AttributeError):
        return default


def follow(value: Any, names: Sequence[str]) -> Any:
    """Go from a value to its items and attributes; `EMPTY` where there is none."""
    if value is EMPTY:
        return EMPTY
    try:
        for name in names:
            if type(value) is dict or isinstance(value, Mapping):
                value = value[name]
            else:
                value = getattr(value, name)
    except (KeyError, AttributeError):
        return EMPTY
    return value


def find_initial(context: ContextRepo, key: str, initial: Callable[[], Any]) -> Any:
    """Make the first value of ``Context(initial=...)`` and keep it, as fast_depends does."""
    value = initial()
    context.set_global(key, value)
    return value


def missing_value(key: str, where: str, environment: Environment) -> ContextValueError:
    """Build the error for a context value that does not exist."""
    name = key.partition(".")[0]
    msg = f"{where} asks for Context({key!r}), which does not exist."
    if environment.attached:
        msg += f" Set it with `context.set_global({name!r}, ...)` at startup, or give a default."
    else:
        msg += (
            " The handler runs under no FastStream application: start the host with "
            "`lifespan=broker_lifespan(broker)`, or register the handler in an AsgiFastStream."
        )
    return ContextValueError(msg)


def check_brokers(where: str, brokers_or_app: Sequence[Any]) -> None:
    """Refuse what is neither a broker nor a FastStream application.

    Raises:
        TypeError: Nothing was given, or something else; the message names `where`.
    """
    if not brokers_or_app:
        msg = f"{where}() takes at least one broker, or a FastStream application."
        raise TypeError(msg)
    for target in brokers_or_app:
        if not isinstance(target, Application) and not is_broker(target):
            msg = (
                f"{where}() takes brokers or a FastStream application, got {target!r}; "
                "everything else goes by keyword, like timeout=5.0."
            )
            raise TypeError(msg)


def brokers_of(*brokers_or_app: BrokerOrApp) -> list[AnyBroker]:
    """Return the brokers, each once: the given ones and those that the applications have now."""
    brokers: list[AnyBroker] = []
    for target in brokers_or_app:
        for broker in target.brokers if isinstance(target, Application) else (target,):
            if broker not in brokers:
                brokers.append(broker)
    return brokers
