"""What the function of a subscriber asks for: of the message, of FastStream, and of the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Optional

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from faststream.exceptions import SetupError

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.compiler.annotations import is_missing, missing_names
from faststream_integrations.compiler.calls import (
    Argument,
    Call,
    CustomValue,
    Dependency,
    name_of,
)
from faststream_integrations.compiler.signature import Parameter, Reader, Rules
from faststream_integrations.subscribers.foreign import refuse_foreign

if TYPE_CHECKING:
    from faststream_integrations.compiler.plan import CallWriter
    from faststream_integrations.subscribers.hosts import Host
    from faststream_integrations.subscribers.plan import SubscriberWriter

__all__ = (
    "BodyValue",
    "FoundValue",
    "HostRules",
    "Input",
    "Made",
    "MessageDependency",
    "MessageRules",
    "Reading",
    "read_subscriber",
)

MESSAGE = "message."
"""The prefix of FastStream's `Header` and `Path`."""

REQUEST = "request."
"""The prefix of what reads a request."""


Resolve = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Made:
    """A default that is made anew for each message, and not validated.

    Attributes:
        make: Makes it.
    """

    make: Callable[[], Any]

    def __deepcopy__(self, memo: Any) -> Made:
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Input(Argument):
    """A value that is validated together with all the others of its call.

    Attributes:
        annotation: What it has to be.
        default: What it is where there is none, or how that is `Made`; `EMPTY` where it is
            required.
    """

    annotation: Any
    default: Any

    @property
    def needs_annotation(self) -> bool:
        return self.annotation is not Any

    @property
    def may_be_missing(self) -> bool:
        """Whether it may turn out that there is none, and that is an error."""
        return self.default is EMPTY

    def write_raw(self, writer: SubscriberWriter, call: Call) -> str:
        """Write the lines that find the value; return its expression, `EMPTY` where it is not."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class BodyValue(Input):
    """The body of the message, or a part of it where several values are asked for."""

    def write_raw(self, writer: SubscriberWriter, call: Call) -> str:
        return writer.names_of(call)[self.name]


@dataclass(frozen=True, slots=True, eq=False)
class FoundValue(Input):
    """A value of FastStream's context, a header of the message or a parameter of its address.

    Attributes:
        key: Where it is found.
        otherwise: What the marker says that it is where it is not found.
        initial: What makes it then.
    """

    key: str
    otherwise: Any
    initial: Callable[[], Any] | None

    @property
    def may_be_missing(self) -> bool:
        return self._is_required and self.key.startswith(MESSAGE)

    @property
    def _is_required(self) -> bool:
        return self.default is EMPTY and self.otherwise is EMPTY and self.initial is None

    def write_raw(self, writer: SubscriberWriter, call: Call) -> str:
        raw = writer.new("raw", self.name)
        first, *rest = self.key.split(".")
        writer.line(f"{raw} = context.get({first!r}, EMPTY)")
        if rest:
            writer.line(f"{raw} = follow({raw}, {tuple(rest)!r})")
        with writer.block(f"if {raw} is EMPTY:"):
            if self.key.startswith(MESSAGE):
                writer.line(f"{raw} = {self._write_otherwise(writer)}")
                return raw
            writer.line(f"{raw} = host.environment.find({self.key!r})")
            with writer.block(f"if {raw} is EMPTY:"):
                if self._is_required:
                    where = writer.subject_of(call)
                    writer.line(f"raise missing_value({self.key!r}, {where!r}, host.environment)")
                else:
                    writer.line(f"{raw} = {self._write_otherwise(writer)}")
        return raw

    def _write_otherwise(self, writer: CallWriter) -> str:
        if self.otherwise is not EMPTY:
            return writer.constant("default", self.name, self.otherwise)
        if self.initial is not None:
            initial = writer.constant("initial", self.name, self.initial)
            return f"find_initial(context, {self.key!r}, {initial})"
        return "EMPTY"


@dataclass(frozen=True, slots=True, eq=False)
class MessageDependency(Dependency):
    """The result of a dependency of FastStream's, which sees what its dependant has of the body."""

    def write(self, writer: CallWriter, call: Call) -> str:
        subscriber: SubscriberWriter = writer  # type: ignore[assignment]
        with subscriber.within(call) as names:
            result = names[self.name] = subscriber.write_dependency(self)
        return result


class HostRules(Rules):
    """How the dependency injection of a web framework reaches subscribers.

    An object serves one reading.

    Attributes:
        framework: Its name, for messages.
        claimed: The parameters that it has claimed, as messages about them begin.
        has_background: Whether one of them leaves work to be done after the reply.
        everyone: The rules of the subscriber itself, for what depends on FastStream below.
        resolve: Replaces a dependency, for overrides.
    """

    framework = ""

    def __init__(self) -> None:
        self.claimed: list[str] = []
        self.has_background = False
        self.everyone: tuple[Rules, ...] = ()
        self.resolve: Resolve = lambda function: function

    def bind(self, host: Host | None) -> HostRules:
        """Return fresh rules for a reading; `host` runs the broker, `None` is nobody yet."""
        return type(self)()

    def runs(self, app: Any) -> bool:
        """Tell whether an application is of this framework."""
        raise NotImplementedError


class MessageRules(Rules):
    """What FastStream itself gives a subscriber; what says nothing of itself is of the body."""

    markers = (Dependant, CustomField)

    def claim(self, parameter: Parameter, reader: Reader) -> Argument | None:
        name, by_keyword, marker = parameter.name, parameter.by_keyword, parameter.marker
        refuse_foreign(parameter)
        if isinstance(marker, Dependant):
            return MessageDependency(
                name,
                by_keyword,
                reader.read(marker.dependency),
                parameter.annotation if marker.cast else Any,
                marker.use_cache,
                marker.cast,
                marker.cast_result,
            )
        if isinstance(marker, ContextMarker):
            return self._claim_context(parameter, marker)
        if marker is not None:
            return None
        return BodyValue(name, by_keyword, parameter.annotation, parameter.default)

    def _claim_context(self, parameter: Parameter, marker: ContextMarker) -> Argument:
        key = f"{marker.prefix}{marker.name or parameter.name}"
        is_required = marker.default is EMPTY
        if key.startswith(REQUEST) and is_required and parameter.default is EMPTY:
            msg = (
                f"{parameter.where} reads a request, and a message is none. Use Header or Path "
                "of faststream, or give a default."
            )
            raise SetupError(msg)
        annotation = parameter.annotation if marker.cast else Any
        if not is_required and annotation is not Any:
            annotation = Optional[annotation]  # noqa: UP045 - it may be no class
        return FoundValue(
            parameter.name,
            parameter.by_keyword,
            annotation,
            parameter.default,
            key,
            marker.default,
            marker.initial,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A subscriber's function and what runs before it.

    Attributes:
        call: The function.
        before: The dependencies of the broker, of its routers and of the subscriber.
        rules: The rules of hosts that have claimed something of it.
    """

    call: Call
    before: tuple[Dependency, ...]
    rules: tuple[HostRules, ...] = ()

    @property
    def calls(self) -> list[Call]:
        """All calls, each once."""
        calls = [call for call, _ in self.call.walk()]
        for dependency in self.before:
            calls += [call for call, _ in dependency.call.walk()] + [dependency.call]
        return list(dict.fromkeys([*calls, self.call]))

    @property
    def body_values(self) -> list[BodyValue]:
        """What is read from the body: each name once, those of the function itself first."""
        found: dict[str, BodyValue] = {}
        for call in (self.call, *self.calls):
            for argument in call.arguments:
                if isinstance(argument, BodyValue):
                    found.setdefault(argument.name, argument)
        return list(found.values())

    def unresolved(self) -> str:
        """Say which annotations refer to what does not exist, nothing where none does."""
        results = [self.call, *(each.call for each in self.before if each.cast_result)]
        found = {call: call.unresolved for call in self.calls if call.unresolved}
        for call in results:
            if is_missing(call.returns):
                found[call] = {**call.unresolved, "return": tuple(missing_names(call.returns))}
        for call, missing in found.items():
            below = {each.call for each in call.arguments if isinstance(each, Dependency)}
            if not below & {*found}:  # a call has what its dependencies miss
                names = sorted({name for each in missing.values() for name in each})
                return (
                    f"annotations of {', '.join(missing)} of {call.name} refer to names that do "
                    f"not exist: {', '.join(names)}; import or define them in the module of the "
                    "function, and neither for type checkers only nor in a function that has ended "
                    "when the broker is given to its application"
                )
        return ""

    def obstacle(self) -> str:
        """Say why it cannot be compiled, nothing where it can."""
        if self.call.is_generator:
            return f"{self.call.name} is a generator"
        if unresolved := self.unresolved():
            return unresolved
        for call in self.calls:
            for argument in call.arguments:
                if isinstance(argument, CustomValue):
                    return f"{argument.field!r} of {call.name} may need all other values"
            if call.is_variadic and not isinstance(call.function, type):
                return f"{call.name} takes any number of values"
        return ""


def read_subscriber(
    function: Callable[..., Any],
    dependencies: Sequence[Any] = (),
    rules: Sequence[HostRules] = (),
    resolve: Resolve = lambda function: function,
) -> Reading:
    """Read the signature of a subscriber's function, and of all that it depends on.

    Args:
        function: The function.
        dependencies: What runs before it: those of the broker, of its routers, of the subscriber.
        rules: Those of the hosts, which come first.
        resolve: Replaces a dependency, for overrides.

    Raises:
        SetupError: A parameter that cannot mean anything in a subscriber; the message names it
            and the subscriber, and says what to write.
    """
    everyone = (*rules, MessageRules())
    for each in rules:
        each.everyone, each.resolve = everyone, resolve
    reader = Reader(everyone, resolve)
    try:
        before = tuple(_read_before(each, function, everyone, reader) for each in dependencies)
        call = reader.read_root(function)
    except SetupError as error:
        if name_of(function) in str(error):
            raise
        msg = f"The subscriber {name_of(function)}: {error}"
        raise SetupError(msg) from None
    return Reading(call, before, tuple(each for each in rules if each.claimed))


def _read_before(
    dependency: Any, function: Callable[..., Any], rules: Sequence[Rules], reader: Reader
) -> Dependency:
    """Read what a broker, a router or a subscriber lists in ``dependencies``."""
    parameter = Parameter(
        name="dependency",
        by_keyword=True,
        annotation=Any,
        default=EMPTY if isinstance(dependency, Dependant) else dependency,
        function=function,
        marker=dependency,
        before=(),
        is_root=False,
    )
    for each in rules:
        if isinstance(dependency, each.markers):
            argument = each.claim(parameter, reader)
            if isinstance(argument, MessageDependency):
                return replace(argument, cast=False, cast_result=True)
            if isinstance(argument, Dependency):
                return argument
    refuse_foreign(parameter)
    msg = (
        f"{dependency!r} is no dependency; write `Depends(...)`, with "
        "`from faststream import Depends`."
    )
    raise SetupError(msg)
