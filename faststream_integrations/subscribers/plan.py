"""The compiler of subscribers: a signature becomes one coroutine function that takes a message.

It decodes the message, finds and validates what the function and its dependencies ask for, runs
them and closes what they have opened, all of it as fast_depends does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import cache
from types import NoneType
from typing import Any

from fast_depends.library.serializer import OptionItem, SerializerProto
from fast_depends.pydantic import PydanticSerializer
from pydantic import PydanticUserError, TypeAdapter
from pydantic.fields import FieldInfo

from faststream_integrations._faststream import EMPTY, ContextRepo
from faststream_integrations.compiler.calls import Argument, Call, Dependency
from faststream_integrations.compiler.plan import CallWriter
from faststream_integrations.environment import follow
from faststream_integrations.subscribers.signature import (
    BodyValue,
    FoundValue,
    Input,
    Made,
    MessageDependency,
    Reading,
)

__all__ = ("SubscriberWriter",)

Validate = Callable[[Any], Any]

Validated = Input | MessageDependency


class SubscriberWriter(CallWriter):
    """Writes the function that handles a message: ``await run(message, host)``.

    Args:
        reading: The function and what it depends on.
        is_multiple: Whether the body is taken apart, by the names or the places of its parts.
        context: FastStream's context.
        serializer: What validates; `None` switches validation off.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        is_multiple: bool,
        context: ContextRepo,
        serializer: SerializerProto | None,
    ) -> None:
        super().__init__(
            "message, host",
            serializer=serializer,
            known={"context": "context"},
            Mapping=Mapping,
            context=context,
            count_of=count_of,
            follow=follow,
        )
        self._root = reading.call
        self._is_multiple = is_multiple
        self._path: list[dict[str, str]] = []
        self._taken_before = 0
        self._names: dict[Call, dict[str, str]] = {}
        self._parts: dict[tuple[str, int], str] = {}
        self._written: set[str] = set()
        self.line("body = await message.decode()")
        if self._is_multiple:
            self.line("by_name = isinstance(body, Mapping)")
            self.line("count = 0 if by_name else count_of(body)")
        opens_before = any(
            each.is_generator for dependency in reading.before for each in _calls_of(dependency)
        )
        if opens_before:
            self.line("result = EMPTY")
        with self.within(reading.call):
            for dependency in reading.before:
                self.write_dependency(dependency)
        self.write_root(reading.call, "result")
        self.indent = 1
        if opens_before:
            self.line("if result is EMPTY:")
            self.line(f"    raise swallowed({reading.call.name!r})")
        self.line("return result")

    # Names: what the calls have of the body, and of each other

    def names_of(self, call: Call) -> dict[str, str]:
        """Return the expressions of what a call has, as its dependencies see them by name."""
        names = self._names.get(call)
        if names is None:
            names = self._names[call] = {}
            index = self._taken_before
            for argument in call.arguments:
                if isinstance(argument, BodyValue):
                    seen = self._seen(argument.name)
                    if seen is None:
                        seen = self._part(argument.name, index)
                        index += 1
                    names[argument.name] = seen
        return names

    @contextmanager
    def within(self, call: Call) -> Iterator[dict[str, str]]:
        """Write the dependencies of a call, which see what it has."""
        names = self.names_of(call)
        taken = sum(
            isinstance(each, BodyValue) and not self._seen(each.name) for each in call.arguments
        )
        self._path.append(names)
        self._taken_before += taken
        yield names
        self._taken_before -= taken
        self._path.pop()

    def _seen(self, name: str) -> str | None:
        return next((names[name] for names in reversed(self._path) if name in names), None)

    def _part(self, name: str, index: int) -> str:
        """Write what takes a part of the body, by its name or by its place; return its variable."""
        if not self._is_multiple:
            return "EMPTY" if index else "body"
        part = self._parts.get((name, index))
        if part is None:
            part = self._parts[name, index] = self.new("part", name)
            self.line(
                f"{part} = body.get({name!r}, EMPTY) if by_name "
                f"else body[{index}] if count > {index} else EMPTY"
            )
        return part

    def once(self, name: str, expression: str, **ours: Any) -> str:
        """Write a variable of ours where it is first wanted, and return it."""
        if name not in self._written:
            self._written.add(name)
            self.give(**ours)
            self.line(f"{name} = {expression}")
        return name

    def subject_of(self, call: Call) -> str:
        """Name a call for the message of an error, with the subscriber that it is for."""
        if call is self._root:
            return f"The subscriber {call.name}"
        return f"{call.name}, a dependency of the subscriber {self._root.name},"

    # Calls

    def write_call(self, call: Call) -> str:
        """Write a call; the result of the subscriber itself is validated before anything closes."""
        expression = super().write_call(call)
        if call is not self._root:
            return expression
        self.line(f"returned = {expression}")
        self._write_result_check("returned", call)
        return "returned"

    def write_dependency(self, dependency: Dependency) -> str:
        """Write a dependency; its result is validated with everything else of its dependant."""
        call = dependency.call
        result = self._results.get(call) if dependency.use_cache else None
        if result is None:
            expression = self.write_call(call)
            result = self.new("value", dependency.name)
            self.line(f"{result} = {expression}")
            if dependency.cast_result and not call.is_generator:
                self._write_result_check(result, call)
            if dependency.use_cache:
                self._results[call] = result
        return result

    def _write_result_check(self, variable: str, call: Call) -> None:
        check = result_check(call, self.serializer)
        if check is None:
            return
        name = self.constant("check", call.name, check)
        condition = f"if {variable} is not None: " if call.returns in (None, NoneType) else ""
        self.line(f"{condition}{variable} = {name}({variable})")

    def write_inputs(self, call: Call) -> Mapping[Argument, str]:
        """Write how the values of a call are validated: each alone; where that fails, at once."""
        inputs: list[Validated] = [
            each
            for each in call.arguments
            if isinstance(each, Input)
            or (isinstance(each, MessageDependency) and each.annotation is not Any)
        ]
        if not inputs:
            return {}
        raws = {
            each: each.write_raw(self, call)
            if isinstance(each, Input)
            else self.names_of(call)[each.name]
            for each in inputs
        }
        check = Inputs(call, inputs, self.serializer)
        if check.validators is None:
            values = {each: self.new("valid", each.name) for each in inputs}
            self._write_at_once(call, check, raws, values)
            return dict(values.items())
        values, lines = {**raws}, []
        for each, validate in zip(inputs, check.validators, strict=True):
            valid = self._valid(each, raws[each], validate)
            if valid != raws[each]:
                values[each] = self.new("valid", each.name)
                lines.append(f"{values[each]} = {valid}")
        found = [
            f"{raw} is not EMPTY"
            for each, raw in raws.items()
            if isinstance(each, Input) and each.may_be_missing and raw != "body"
        ]
        if lines or found:
            self.line(f"is_valid = {' and '.join(found) or True}")
            if lines:
                with self.block("if is_valid:") if found else nullcontext():
                    with self.block("try:"):
                        for line in lines:
                            self.line(line)
                    self.line("except Exception:")
                    self.line("    is_valid = False")
            with self.block("if not is_valid:"):
                self._write_at_once(call, check, raws, values)
        return dict(values.items())

    def _write_at_once(
        self,
        call: Call,
        check: Inputs,
        raws: Mapping[Validated, str],
        values: Mapping[Validated, str],
    ) -> None:
        name = self.constant("check", call.name, check)
        body = "body if by_name else None" if self._is_multiple else "None"
        targets = ["_" if values[each] == raw else values[each] for each, raw in raws.items()]
        self.line(f"{', '.join(targets)}, = {name}({', '.join([body, *raws.values()])})")

    def _valid(self, argument: Argument, raw: str, validate: Validate | None) -> str:
        """Return the expression of a value that was validated alone."""
        value = raw
        if validate is not None:
            value = f"{self.constant('validate', argument.name, validate)}({raw})"
        if not isinstance(argument, Input) or argument.default is EMPTY or raw == "body":
            return value
        if isinstance(argument.default, Made):
            make = self.constant("make", argument.name, argument.default.make)
            return f"{make}() if {raw} is EMPTY else {value}"
        default = self.constant("default", argument.name, argument.default)
        if not isinstance(argument.default, _IMMUTABLE):
            self.give(deepcopy=deepcopy)
            default = f"deepcopy({default})"
        return f"{default} if {raw} is EMPTY else {value}"


def _calls_of(dependency: Dependency) -> list[Call]:
    return [dependency.call, *(call for call, _ in dependency.call.walk())]


_IMMUTABLE = (type(None), bool, int, float, complex, str, bytes, type)


class Inputs:
    """All that a call takes, validated at once by one model, as fast_depends does.

    That model alone gives all errors, in FastStream's words.

    Args:
        call: The call.
        inputs: What is validated.
        serializer: What validates; `None` switches validation off.

    Attributes:
        validators: What validates each input alone, with the same outcome where it is valid;
            `None` where only the model can.
    """

    def __init__(
        self, call: Call, inputs: Sequence[Validated], serializer: SerializerProto | None
    ) -> None:
        self._call = call
        self._inputs = inputs
        self._serializer = serializer
        self._model: Any = None
        self.validators = self._make_validators()

    def _make_validators(self) -> list[Validate | None] | None:
        if not _is_plain(self._serializer):
            return None
        validators: list[Validate | None] = []
        for each in self._inputs:
            if each.name.startswith("_"):  # a private attribute for pydantic
                validators.append(None)
            elif _knows_its_place(each.annotation) or _knows_its_place(_default_of(each)):
                return None
            else:
                validators.append(validator_of(each.annotation))
        return validators

    def __call__(self, body: Mapping[str, Any] | None, *raws: Any) -> list[Any]:
        """Return the valid values.

        Args:
            body: The body, where its parts are found by name: an alias is known to the model only.
            raws: The values, `EMPTY` for those that are not there.
        """
        values = dict(body or ())
        for each, raw in zip(self._inputs, raws, strict=True):
            values.pop(each.name, None)
            if raw is not EMPTY:
                values[each.name] = raw
        if self._serializer is not None:
            if self._model is None:
                self._model = self._make_model(self._serializer)
            values.update(self._model(values))
        missing = []
        for each in self._inputs:
            if each.name not in values:
                values[each.name] = _default_of(each)
                if values[each.name] is EMPTY:
                    missing.append(repr(each.name))
            if isinstance(values[each.name], Made):
                values[each.name] = values[each.name].make()
        if missing:
            msg = f"{self._call.name}() missing required arguments: {', '.join(missing)}"
            raise TypeError(msg)
        return [values[each.name] for each in self._inputs]

    def _make_model(self, serializer: SerializerProto) -> Any:
        function = inspect.unwrap(self._call.function)
        options = []
        for each in self._inputs:
            default = _default_of(each)
            options.append(
                OptionItem(
                    each.name, each.annotation, default_value=... if default is EMPTY else default
                )
            )
        return serializer(
            name=getattr(function, "__name__", type(function).__name__),
            options=options,
            response_type=inspect.Parameter.empty,
        )


def _default_of(argument: Any) -> Any:
    if isinstance(argument, FoundValue) and argument.otherwise is not EMPTY:
        return None if argument.default is EMPTY else argument.default
    return getattr(argument, "default", EMPTY)


def _is_plain(serializer: SerializerProto | None) -> bool:
    """Tell whether a value alone is validated as it is among others."""
    return type(serializer) is PydanticSerializer and serializer.config is None


def _knows_its_place(part: Any) -> bool:
    """Tell whether a part of an annotation, or a default, says where a model finds a value."""
    if isinstance(part, FieldInfo):
        return (
            part.alias is not None
            or part.validation_alias is not None
            or part.default_factory is not None
            or not part.is_required()
            or bool(part.validate_default)
        )
    return any(_knows_its_place(each) for each in getattr(part, "__metadata__", ()))


def validator_of(annotation: Any) -> Validate | None:
    """Return what validates a value as a field of fast_depends' model would, `None` for any."""
    if annotation is Any:
        return None
    if type(annotation) is type and annotation.__module__ == "builtins":
        return _validator_of_builtin(annotation)
    return _make_validator(annotation)


@cache
def _validator_of_builtin(kind: type[Any]) -> Validate:
    """Make a validator that all who want this class share; it lives for ever, as the class does."""
    return _make_validator(kind)


def _make_validator(annotation: Any) -> Validate:
    adapter: TypeAdapter[Any]
    try:
        adapter = TypeAdapter(annotation, config={"arbitrary_types_allowed": True})
    except PydanticUserError:
        adapter = TypeAdapter(annotation)  # a model or a dataclass has a configuration of its own
    return adapter.validator.validate_python


def result_check(call: Call, serializer: SerializerProto | None) -> Validate | None:
    """Return what validates the result of a call by its annotation."""
    if serializer is None or call.returns in (Any, inspect.Parameter.empty):
        return None
    if _is_plain(serializer):
        return validator_of(call.returns)
    model: Any = serializer(name=call.name, options=[], response_type=call.returns)
    check: Validate = model.response
    return check


# What the generated functions call


def count_of(body: Any) -> int:
    """Return how many values a body has by position."""
    if isinstance(body, Sequence):
        return len(body)
    msg = f"Couldn't unpack `{body}` to multiple values."
    raise ValueError(msg)
