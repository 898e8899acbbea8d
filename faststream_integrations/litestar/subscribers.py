"""Litestar's dependency injection in subscribers.

A subscriber says ``NamedDependency[T]``, or names a key that the plugin was given in
``dependencies``. Providers that need a request are refused when the subscriber starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, get_args

from faststream.exceptions import SetupError
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import DependencyKwarg

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.calls import (
    Argument,
    Call,
    Dependency,
    HostValue,
    Kind,
    kind_of,
)
from faststream_integrations.compiler.plan import CallWriter
from faststream_integrations.compiler.signature import Parameter, Reader, Rules
from faststream_integrations.subscribers.hosts import Host
from faststream_integrations.subscribers.signature import HostRules, MessageRules

__all__ = ("RULES", "LitestarRules", "as_provider")

_named: Any = NamedDependency
MARKERS: tuple[type[Any], ...] = (type(get_args(_named[Any])[1]), DependencyKwarg)

OF_A_REQUEST = frozenset(
    {"request", "socket", "scope", "headers", "cookies", "query", "body", "data", "receive", "send"}
)
"""What Litestar gives by its name, of a request."""


class LitestarRules(HostRules):
    """What Litestar fills in a subscriber, and in FastStream's dependencies of it.

    Args:
        by_name: What the plugin was given, whose keys need no marker.
        app: The application that runs the broker, `None` where none does yet.
    """

    framework = "Litestar"
    markers = MARKERS

    def __init__(
        self, by_name: Mapping[str, Provide] | None = None, app: Litestar | None = None
    ) -> None:
        super().__init__()
        self._by_name = by_name or {}
        self._app = app
        self._providers = {**(app.dependencies if app is not None else {}), **self._by_name}
        self._inside: tuple[Rules, ...] = (ProviderRules(self), MessageRules())
        self._calls: dict[str, Call] = {}

    def bind(self, host: Host | None) -> HostRules:
        app = host.app if host is not None and self.runs(host.app) else None
        return LitestarRules(self._by_name, app)

    def runs(self, app: Any) -> bool:
        return isinstance(app, Litestar)

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        is_named = parameter.marker is None and parameter.name in self._by_name
        if is_named or isinstance(parameter.marker, MARKERS):
            self.claimed.append(parameter.where)
            return self.provide(parameter, reader)
        if parameter.marker is None and _is_state(parameter):
            self.claimed.append(parameter.where)
            return StateValue(parameter.name, parameter.by_keyword)
        return None

    def knows(self, name: str) -> bool:
        """Tell whether there is a provider of a name."""
        return name in self._providers

    def provide(self, parameter: Parameter, reader: Reader) -> Argument:
        """Read the provider of a name, with all that it depends on."""
        name = parameter.name
        if self._app is None:
            return Unprovided(name, parameter.by_keyword)
        if name not in self._providers:
            if parameter.default is not EMPTY:
                return HostValue(
                    name, parameter.by_keyword, parameter.annotation, parameter.default
                )
            msg = (
                f"{parameter.where} is a dependency of Litestar's, and the application has none of "
                f"that name: write `Litestar(dependencies={{{name!r}: ...}})`."
            )
            raise SetupError(msg)
        if name not in self._calls:
            self._calls[name] = self._read(self._providers[name], reader)
        return Dependency(name, parameter.by_keyword, self._calls[name], Any)

    def _read(self, given: Any, reader: Reader) -> Call:
        provider = as_provider(given)
        dependency: Any = provider.dependency
        if provider.sync_to_thread:  # Litestar has wrapped it
            dependency = dependency.func
        call = reader.read(dependency, self._inside)
        if call.is_generator or call.function is not dependency:  # an override
            return call

        @wraps(dependency)
        async def provided(**values: Any) -> Any:
            return await provider(**values)

        return replace(call, function=provided, kind=Kind.COROUTINE)


class ProviderRules(HostRules):
    """What Litestar fills in its providers, all of it by name."""

    framework = LitestarRules.framework
    markers = MARKERS

    def __init__(self, outer: LitestarRules) -> None:
        super().__init__()
        self._outer = outer

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        name = parameter.name
        if name in OF_A_REQUEST:
            msg = (
                f"{parameter.where}, a provider of Litestar's, is a part of a request, and a "
                "message is none. Let the subscriber take what it needs of the message, by "
                "`Header` or `Context` of faststream, and call it there."
            )
            raise SetupError(msg)
        if name == "state" or (parameter.marker is None and _is_state(parameter)):
            return StateValue(name, parameter.by_keyword)
        if isinstance(parameter.marker, MARKERS) or self._outer.knows(name):
            return self._outer.provide(parameter, reader)
        if parameter.marker is not None:
            return None
        if parameter.default is EMPTY:
            msg = (
                f"{parameter.where}, a provider of Litestar's, is a parameter of the query for "
                "Litestar, and a message has none. Give a default."
            )
            raise SetupError(msg)
        return HostValue(name, parameter.by_keyword, parameter.annotation, parameter.default)


RULES = LitestarRules


def _is_state(parameter: Parameter) -> bool:
    return isinstance(parameter.annotation, type) and issubclass(parameter.annotation, State)


class StateValue(Argument):
    """The state of the application."""

    @property
    def needs_annotation(self) -> bool:
        return False

    def write(self, writer: CallWriter, call: Call) -> str:
        return "host.app.state"


@dataclass(frozen=True, slots=True, eq=False)
class Unprovided(Argument):
    """A dependency of an application that is not known yet; nothing runs without it."""

    @property
    def needs_annotation(self) -> bool:
        return False

    def write(self, writer: CallWriter, call: Call) -> str:
        return "EMPTY"


def as_provider(dependency: Provide | Callable[..., Any]) -> Provide:
    """Return a dependency as Litestar takes it too, where it is no `Provide`."""
    if isinstance(dependency, Provide):
        return dependency
    is_def = kind_of(dependency) is Kind.VALUE
    return Provide(dependency, sync_to_thread=False if is_def else None)
