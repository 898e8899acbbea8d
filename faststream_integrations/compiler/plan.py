"""Writes calls: dependencies first, then the function's own parameters, as fast_depends does.

As with dataclasses, the source is registered in `linecache`, so that tracebacks and debuggers
show it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from inspect import Signature
from types import CoroutineType
from typing import Any, Protocol

from fast_depends.library.serializer import SerializerProto

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.calls import (
    Argument,
    Call,
    ContextValue,
    Dependency,
    Kind,
)
from faststream_integrations.compiler.running import (
    as_it_is,
    find_custom,
    generator_in_thread,
    generator_inline,
    in_thread,
    swallowed,
)
from faststream_integrations.compiler.validation import make_validator
from faststream_integrations.compiler.writer import Writer
from faststream_integrations.environment import find_initial, missing_value, resolve

__all__ = ("CallWriter",)

# Python allows twenty blocks within each other.
_NESTED_GENERATORS = 10


class ContextManagerFactory(Protocol):
    def __call__(self, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[Any]: ...


class CallWriter(Writer):
    """Writes the calls of one function and of all that it depends on.

    The lines refer to ``context`` and ``environment``, which whoever writes the function provides:
    as its parameters, or in lines before. A call is written once for all that share its result.

    Args:
        parameters: The parameters of the generated function, as they are written.
        serializer: What validates; `None` switches validation off.
        sync_to_thread: Whether `def` functions run in a worker thread.
        host_values: The names of the parameters that ``host_values`` has in the generated function.
        known: The expressions of context values that are at hand, by their keys.
        ours: Objects of ours by the names that the lines have for them.
    """

    def __init__(
        self,
        parameters: str,
        *,
        serializer: SerializerProto | None,
        sync_to_thread: bool = True,
        host_values: Collection[str] = (),
        known: Mapping[str, str] | None = None,
        **ours: Any,
    ) -> None:
        super().__init__(
            parameters,
            AsyncExitStack=AsyncExitStack,
            CoroutineType=CoroutineType,
            EMPTY=EMPTY,
            find_custom=find_custom,
            find_initial=find_initial,
            in_thread=in_thread,
            missing_value=missing_value,
            resolve=resolve,
            swallowed=swallowed,
            **ours,
        )
        self.serializer = serializer
        self.sync_to_thread = sync_to_thread
        self.host_values = host_values
        self._known = known or {}
        self._results: dict[Call, str] = {}
        self._open_generators = 0

    def write_root(self, call: Call, result: str) -> None:
        """Write the call that the function is there for, and close its generators.

        Args:
            call: The call.
            result: The variable, of ours, that gets what it returns.
        """
        outermost = self.indent
        has_generators = any(each.call.is_generator for _, each in call.all(Dependency))
        if has_generators:
            self.line(f"{result} = EMPTY")
        self.line(f"{result} = {self.write_call(call)}")
        self.indent = outermost
        if has_generators:
            self.line(f"if {result} is EMPTY:")
            self.line(f"    raise swallowed({call.name!r})")

    def write_inputs(self, call: Call) -> Mapping[Argument, str]:
        """Write what a call reads of the request or message; nothing by default.

        It runs after the dependencies of the call, and before all its other arguments.

        Returns:
            The expressions of the arguments that it has written.
        """
        return {}

    def write_call(self, call: Call) -> str:
        """Write all that a call needs, and return the expression of its result."""
        values: dict[Argument, str] = {
            argument: argument.write(self, call)
            for argument in call.arguments
            if isinstance(argument, Dependency)
        }
        values |= self.write_inputs(call)
        for argument in call.arguments:
            if argument not in values:
                value = argument.write(self, call)
                if value is not None:
                    values[argument] = value
        arguments = arguments_of(call, values)
        name = getattr(call.function, "__name__", "call")
        if call.is_generator:
            return self._open(
                self.constant("open", name, self._as_context_manager(call)), arguments
            )
        function = self.constant("call", name, call.function)
        if call.kind is Kind.COROUTINE:
            return f"await {function}({arguments})"
        if call.kind is Kind.VALUE and self.sync_to_thread:
            return f"await in_thread({', '.join(filter(None, (function, arguments)))})"
        # A `def` may give a coroutine.
        result = self.new("result", name)
        self.line(f"{result} = {function}({arguments})")
        self.line(f"if type({result}) is CoroutineType:")
        self.line(f"    {result} = await {result}")
        return result

    def _open(self, function: str, arguments: str) -> str:
        """Write the block that a generator stays open in; what follows stands within."""
        self._open_generators += 1
        if self._open_generators < _NESTED_GENERATORS:
            variable = self.new("opened", function.partition("__")[2])
            self.line(f"async with {function}({arguments}) as {variable}:")
            self.indent += 1
            return variable
        if self._open_generators == _NESTED_GENERATORS:
            self.line("async with AsyncExitStack() as stack:")
            self.indent += 1
        return f"await stack.enter_async_context({function}({arguments}))"

    def _as_context_manager(self, call: Call) -> ContextManagerFactory:
        if call.kind is Kind.ASYNC_GENERATOR:
            return asynccontextmanager(call.function)
        with_thread = self.sync_to_thread and call.kind is Kind.GENERATOR
        return partial(generator_in_thread if with_thread else generator_inline, call.function)

    def write_dependency(self, dependency: Dependency) -> str:
        """Write the call of a dependency and its validation; return the variable of its result."""
        call = dependency.call
        if dependency.use_cache and call in self._results:
            result = self._results[call]
        else:
            expression = self.write_call(call)
            result = self.new("value", dependency.name)
            self.line(f"{result} = {expression}")
            if dependency.cast_result:
                result = self.write_check(result, call.returns, call.name)
            if dependency.use_cache:
                self._results[call] = result
        if dependency.cast:
            return self.write_check(result, dependency.annotation, call.name)
        return result

    def write_check(self, variable: str, annotation: Any, where: str) -> str:
        """Check a value that the application made; where it is wrong, that is its own fault.

        Args:
            variable: The variable of the value.
            annotation: What it has to be.
            where: What made it, for an error message.

        Returns:
            The variable of the checked value; whoever shares the value checks it anew.
        """
        if annotation is Any or self.serializer is None or annotation is Signature.empty:
            return variable
        validator = make_validator(annotation, self.serializer, f"The result of {where}")
        name = variable.partition("__")[2] or variable
        check = self.constant("check", name, validator.python or as_it_is)
        checked = self.new("checked", name)
        if isinstance(annotation, type):
            class_ = self.constant("type", name, annotation)
            self.line(
                f"{checked} = {variable} if type({variable}) is {class_} else {check}({variable})"
            )
        else:
            self.line(f"{checked} = {check}({variable})")
        return checked

    def write_context_value(self, value: ContextValue, call: Call) -> str:
        """Write the search for a value of the context, and return the expression of it."""
        variable = self.new("value", value.name)
        if value.key in self._known:
            self.line(f"{variable} = {self._known[value.key]}")
            return variable
        find = "resolve(context, {!r}, EMPTY)" if "." in value.key else "context.get({!r}, EMPTY)"
        self.line(f"{variable} = {find.format(value.key)}")
        self.line(f"if {variable} is EMPTY:")
        if (kind := value.broker_class) is not None:
            class_ = self.constant("type", value.name, kind)
            self.line(f"    {variable} = environment.find_broker({class_})")
        else:
            self.line(f"    {variable} = environment.find({value.key!r})")
        with self.block(f"if {variable} is EMPTY:"):
            if value.default is not EMPTY:
                default = self.constant("default", value.name, value.default)
                self.line(f"{variable} = {default}")
            elif value.initial is not None:
                initial = self.constant("initial", value.name, value.initial)
                self.line(f"{variable} = find_initial(context, {value.key!r}, {initial})")
            else:
                self.line(f"raise missing_value({value.key!r}, {call.name!r}, environment)")
        return variable


def arguments_of(call: Call, values: Mapping[Argument, str]) -> str:
    """Write the arguments of a call: those by position first, as Python wants it."""
    by_position = [
        values[argument]
        for argument in call.arguments
        if argument in values and not argument.by_keyword
    ]
    by_keyword = [
        as_keyword(argument.name, values[argument])
        for argument in call.arguments
        if argument in values and argument.by_keyword
    ]
    return ", ".join([*by_position, *by_keyword])


def as_keyword(name: str, value: str) -> str:
    """Write a keyword argument."""
    # Python rewrites a name that is not in this form, and knows one that it does not allow.
    if name == "__debug__" or unicodedata.normalize("NFKC", name) != name:
        return f"**{{{name!r}: {value}}}"
    return f"{name}={value}"
