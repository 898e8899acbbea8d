"""The brokers that a host of ours runs: how the functions of their subscribers are built."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from faststream.exceptions import SetupError

from faststream_integrations._faststream import (
    EMPTY,
    HookedConfig,
    broker_config,
    can_hook,
    declared_calls,
    has_other_injection,
    serializer_of,
)
from faststream_integrations.environment import AnyBroker, Environment
from faststream_integrations.subscribers.background import BackgroundMiddleware
from faststream_integrations.subscribers.containers import refuse_unfilled
from faststream_integrations.subscribers.hosts import (
    Host,
    in_each,
    loaded_frameworks,
    rules_of_frameworks,
)
from faststream_integrations.subscribers.plan import SubscriberWriter
from faststream_integrations.subscribers.signature import HostRules, Reading, read_subscriber

if TYPE_CHECKING:
    from faststream_integrations._faststream import BuiltCall

__all__ = ("SWITCH", "adopt", "hosting")

SWITCH = "FASTSTREAM_INTEGRATIONS_COMPILE_SUBSCRIBERS"
"""The environment variable that leaves subscribers to FastStream's own injection, where it is 0."""


def adopt(
    brokers: Iterable[AnyBroker], *, rules: Sequence[HostRules] = (), host: Host | None = None
) -> None:
    """Let the subscribers of brokers be built by this package, those too that they get later.

    Every host calls it for the brokers that it is given, and once more before they start.

    Args:
        brokers: The brokers.
        rules: Those of a host which knows more of them than its framework tells.
        host: The host, where it is about to start them.

    Raises:
        SetupError: A subscriber asks for what nothing can give it; the message says what to write.
    """
    for broker in brokers:
        subscribers = Subscribers.of(broker)
        subscribers.rules += [each for each in rules if each not in subscribers.rules]
        for _, function, dependencies in declared_calls(broker):
            subscribers.expect(function, dependencies, host)


def hosting(
    brokers: Iterable[AnyBroker], host: Host | None, seconds: float
) -> AbstractAsyncContextManager[None]:
    """Let subscribers use the dependency injection of an application, for the length of a block.

    Args:
        brokers: The brokers.
        host: The application; `None` where it has none.
        seconds: How long the end of the block waits for messages that use it.
    """
    return in_each([Subscribers.of(broker).hosts for broker in brokers], host, seconds)


class Subscribers:
    """Builds the functions of the subscribers of one broker.

    Args:
        broker: The broker.

    Attributes:
        rules: Those of hosts that know more of the broker than its framework tells.
        hosts: The applications that run the broker now; the first one is its own.
    """

    def __init__(self, broker: AnyBroker) -> None:
        self._broker = broker
        self._has_background = False
        self._expected: dict[Any, tuple[Any, Any, Reading]] = {}
        self.rules: list[HostRules] = []
        self.hosts: list[Host] = []

    @staticmethod
    def of(broker: AnyBroker) -> Subscribers:
        """Return what builds the subscribers of a broker from now on; its configuration has it."""
        config = broker_config(broker)
        if isinstance(config, HookedConfig) and isinstance(config.hook, Subscribers):
            return config.hook
        subscribers = Subscribers(broker)
        if can_hook():
            broker.config.fd_config = HookedConfig.of(config, subscribers)
        return subscribers

    def expect(
        self, function: Callable[..., Any], dependencies: Sequence[Any], host: Host | None
    ) -> None:
        """Read and check a function that is going to be built.

        What no host has a part in reads the same whoever runs the broker: it is kept until then.

        Raises:
            SetupError: It asks for what nothing can give it; the message says what to write.
        """
        key = self._key_of(function, dependencies)
        *_, reading = self._expected.get(key, (None,))
        if reading is None:
            reading = self.read(function, dependencies, host)
            self.check(reading, host)
            if not reading.rules and not reading.obstacle():
                self._expected[key] = function, dependencies, reading
        if host is not None:  # until then, a module may get names, the broker what decorates
            self.check_complete(reading)

    def _key_of(self, function: Callable[..., Any], dependencies: Sequence[Any]) -> Any:
        return id(function), *map(id, dependencies), len(self.rules), *loaded_frameworks()

    def read(
        self,
        function: Callable[..., Any],
        dependencies: Sequence[Any],
        host: Host | None,
        overrides: Mapping[Any, Any] | None = None,
    ) -> Reading:
        """Read a function, as far as it is known without an application where there is none."""
        rules = [each.bind(host) for each in (*self.rules, *rules_of_frameworks())]
        replaced = overrides or {}
        return read_subscriber(
            function, dependencies, rules, lambda function: replaced.get(function, function)
        )

    def check(self, reading: Reading, host: Host | None, obstacle: str = "") -> None:
        """Refuse a function that takes what its host cannot give.

        Raises:
            SetupError: The message says why.
        """
        for rules in reading.rules:
            parameter = rules.claimed[0]
            if obstacle or not can_hook():
                reason = obstacle or "this version of FastStream builds subscribers otherwise"
                msg = f"{parameter} is {rules.framework}'s to fill, and cannot be: {reason}."
                raise SetupError(msg)
            if host is not None and not rules.runs(host.app):
                msg = (
                    f"{parameter} is {rules.framework}'s to fill, and what runs the broker is no "
                    f"application of {rules.framework}'s."
                )
                raise SetupError(msg)

    def check_complete(self, reading: Reading) -> None:
        """Refuse a function that FastStream would start, and every message of which would fail.

        Raises:
            SetupError: An annotation refers to what does not exist, or nothing fills a parameter
                that is a container's.
        """
        refuse_unfilled(reading)
        validates = serializer_of(broker_config(self._broker)) is not None
        if validates and not self.left_alone() and (unresolved := reading.unresolved()):
            is_its_own = reading.call.name in unresolved
            who = "The" if is_its_own else f"The subscriber {reading.call.name}:"
            msg = f"{who} {unresolved}."
            raise SetupError(msg)

    def left_alone(self) -> str:
        """Say why subscribers are FastStream's own, nothing where they are not."""
        if os.environ.get(SWITCH) == "0":
            return f"{SWITCH}=0 leaves subscribers to FastStream"
        if has_other_injection(broker_config(self._broker)):
            return "the broker has injection of its own"
        return ""

    def build(
        self,
        config: HookedConfig,
        function: Callable[..., Any],
        dependencies: Sequence[Any],
        plain: Callable[..., BuiltCall],
    ) -> BuiltCall:
        """Build a function.

        Raises:
            SetupError: It asks for what nothing can give it; the message says what to write.
        """
        host = self.hosts[0] if self.hosts else None
        *_, reading = self._expected.pop(self._key_of(function, dependencies), (None,))
        if reading is None:
            reading = self.read(function, dependencies, host)
        obstacle = self.left_alone() or reading.obstacle()
        self.check(reading, host, obstacle)
        self.check_complete(reading)
        if obstacle:
            return plain(function, dependencies)
        built = plain(stand_in(reading), ())
        subscriber = CompiledSubscriber(self, reading, dependencies, config, host)
        built.original_call, built.wrapped_call = function, subscriber.__call__
        return built

    def outside(self, config: HookedConfig) -> Host:
        """Return what subscribers find around them where no application runs the broker."""
        return Host(Environment.from_config(config, brokers=(self._broker,)))

    def expect_background(self) -> None:
        """Let the broker run what its messages leave to be done after the reply."""
        if not self._has_background:
            self._has_background = True
            self._broker.add_middleware(BackgroundMiddleware)


def stand_in(reading: Reading) -> Callable[..., Any]:
    """Return a function that takes what a subscriber reads from the body, and nothing else.

    FastStream makes its model of it, and of that the document.
    """

    async def nothing(**values: Any) -> None: ...

    function = inspect.unwrap(reading.call.function)
    nothing.__name__ = getattr(function, "__name__", type(function).__name__)
    nothing.__doc__ = function.__doc__
    nothing.__module__ = function.__module__
    signature: Any = nothing
    signature.__signature__ = Signature(
        [
            Parameter(
                each.name,
                Parameter.KEYWORD_ONLY,
                annotation=each.annotation,
                default=Parameter.empty if each.default is EMPTY else each.default,
            )
            for each in reading.body_values
        ],
        return_annotation=reading.call.returns,
    )
    return nothing


SETS_KEPT = 16
"""So many sets of overrides have a function of their own at a time."""


class CompiledSubscriber:
    """The function of a subscriber, compiled.

    Args:
        subscribers: What builds those of the broker.
        reading: The function and what it depends on.
        dependencies: What runs before it, as it was declared.
        config: FastStream's configuration.
        host: What runs the broker now.

    Attributes:
        source: The generated Python source.
    """

    __slots__ = (
        "_config",
        "_dependencies",
        "_host",
        "_is_multiple",
        "_outside",
        "_overridden",
        "_reading",
        "_run",
        "_subscribers",
        "source",
    )

    def __init__(
        self,
        subscribers: Subscribers,
        reading: Reading,
        dependencies: Sequence[Any],
        config: HookedConfig,
        host: Host | None,
    ) -> None:
        self._subscribers = subscribers
        self._reading = reading
        self._dependencies = dependencies
        self._config = config
        self._outside = subscribers.outside(config)
        self._host = host or self._outside
        self._is_multiple = len(reading.body_values) > 1
        self._overridden: dict[Any, tuple[Any, Callable[..., Any]]] = {}
        self.source, self._run = self._compile(reading)

    def __call__(self, message: Any) -> Awaitable[Any]:
        """Handle a message; what is returned does it when awaited."""
        hosts = self._subscribers.hosts
        host = hosts[0] if hosts else self._outside
        if host is not self._host:
            self._move_to(host)
        run = self._run
        if self._config.provider.overrides or host.overrides:
            run = self._with_overrides(host.environment.overrides(host.app))
        if self._reading.rules:
            if host is self._outside:
                raise self._homeless()
            return self._run_in(host, run(message, host))
        handled: Awaitable[Any] = run(message, host)
        return handled

    async def _run_in(self, host: Host, handled: Awaitable[Any]) -> Any:
        with host.message():
            return await handled

    def _compile(self, reading: Reading) -> tuple[str, Callable[..., Any]]:
        if any(rules.has_background for rules in reading.rules):
            self._subscribers.expect_background()
        writer = SubscriberWriter(
            reading,
            is_multiple=self._is_multiple,
            context=self._config.context,
            serializer=serializer_of(self._config),
        )
        return writer.define(reading.call.name)

    def _move_to(self, host: Host) -> None:
        """Take what another application gives; the dependencies themselves may be others."""
        self._host = host
        if self._reading.rules:
            function = self._reading.call.function
            self._reading = self._subscribers.read(
                function, self._dependencies, None if host is self._outside else host
            )
            self._overridden.clear()
            self.source, self._run = self._compile(self._reading)

    def _with_overrides(self, overrides: Mapping[Any, Any]) -> Callable[..., Any]:
        """Compile the function with the dependencies that are replaced now."""
        key = tuple((original, id(replacement)) for original, replacement in overrides.items())
        if key not in self._overridden:
            reading = self._subscribers.read(
                self._reading.call.function,
                self._dependencies,
                None if self._host is self._outside else self._host,
                overrides,
            )
            if len(self._overridden) >= SETS_KEPT:
                self._overridden.clear()
            # The replacements are kept, so that no other object has the identity of one.
            self._overridden[key] = (overrides, self._compile(reading)[1])
        return self._overridden[key][1]

    def _homeless(self) -> SetupError:
        rules = self._reading.rules[0]
        return SetupError(
            f"{rules.claimed[0]} is {rules.framework}'s to fill, and no application runs the "
            "broker. Start the application; in a test, enter `asgi_client(app, broker)` in place "
            "of FastStream's TestBroker."
        )
