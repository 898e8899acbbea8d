"""The handler compiler: a signature becomes one coroutine function without any interpretation.

Each handler is compiled once, at registration, into Python source that reads the headers and the
query in one pass each, validates, resolves context and dependencies, and calls the handler, in the
order of fast_depends: dependencies first, then the handler's own parameters. As with dataclasses,
the source is registered in `linecache`, so that tracebacks and debuggers show it, and
``print(handler.source)`` prints it.
"""

from __future__ import annotations

import linecache
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextlib import contextmanager as sync_contextmanager
from functools import partial
from inspect import Signature
from itertools import count
from typing import Any
from urllib.parse import unquote_plus

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync
from fast_depends.library import CustomField
from fast_depends.library.serializer import SerializerProto
from fast_depends.utils import is_coroutine_callable
from faststream.exceptions import SetupError
from pydantic import ValidationError

from faststream_integrations._faststream import EMPTY, ContextRepo, find_local
from faststream_integrations.asgi.errors import ContextValueError, InvalidRequest, RequestError
from faststream_integrations.asgi.request import AsgiRequest, decode_query
from faststream_integrations.asgi.signature import (
    Argument,
    Call,
    ContextValue,
    CustomValue,
    Dependency,
    Field,
    HostValue,
    ScopeValue,
)
from faststream_integrations.asgi.validation import Validator, make_validator
from faststream_integrations.environment import Environment, resolve

__all__ = ("Plan",)

Run = Callable[..., Awaitable[Any]]

_numbers = count(1)

# Names in the generated function that a parameter of the user's must not take.
_RESERVED = (
    "callable", "type",
    "request", "environment", "host_values", "scope", "context", "stack", "handler",
    "name", "value", "part", "_", "encoded", "query_string", "text", "cookies", "path_params",
    "body", "variables", "request_local", "logger_local", "request_token", "logger_token",
    "response",
)  # fmt: skip


class Plan:
    """A handler, compiled for one serializer.

    Args:
        call: The handler's signature.
        serializer: What validates; `None` switches validation off.
        sync_to_thread: Whether `def` functions run in a worker thread.
        host_values: The names of the parameters that the host fills.
        is_handler: Whether what the function returns has to be a response.

    Attributes:
        source: The generated Python source.
        run: ``await run(request, environment, host_values)`` returns what the handler returns. It
            raises `RequestError` where the client has to change the request (`InvalidRequest` with
            every error of it), `ContextValueError`, or what the handler or a dependency raises.

    Raises:
        SetupError: A parameter that nothing can fill.
    """

    __slots__ = ("_validators", "run", "source")

    def __init__(
        self,
        call: Call,
        serializer: SerializerProto | None,
        *,
        sync_to_thread: bool = True,
        host_values: Collection[str] = (),
        is_handler: bool = True,
    ) -> None:
        unresolved = [name for name in call.unresolved if name not in host_values]
        if unresolved:
            msg = (
                f"{call.name}: the annotations of {', '.join(unresolved)} refer to names "
                "that do not exist; import them in the module that defines the function."
            )
            raise SetupError(msg)
        if call.is_generator:
            msg = f"{call.name} is a generator; a handler returns its response."
            raise SetupError(msg)
        for owner, value in call.host_values():
            if value.default is EMPTY and value.name not in host_values:
                msg = (
                    f"The parameter {value.name!r} of {owner.name} cannot be filled: only a first "
                    "parameter without a type, or with that of a mapping, gets the ASGI scope. "
                    f"Write `{value.name}: Annotated[..., Query()]`, or Header(), Path(), "
                    "Cookie(), Body(), Context() or Depends(...)."
                )
                raise SetupError(msg)
        self._validators = {
            field: make_validator(
                field.annotation, serializer, f"The parameter {field.name!r} of {call.name}"
            )
            for field in call.fields()
        }
        writer = _Writer(
            call,
            self._validators,
            serializer,
            sync_to_thread=sync_to_thread,
            host_values=host_values,
            is_handler=is_handler,
        )
        writer.names["invalid"] = self._invalid
        self.source, self.run = writer.define()

    async def _invalid(self, request: AsgiRequest) -> RequestError:
        """Validate everything that is read from the request again, for all errors at once."""
        errors: dict[Any, dict[str, Any]] = {}
        for field, validator in self._validators.items():
            for error in await _errors_of(field, validator, request):
                errors.setdefault((error["loc"], error["type"]), error)
        bad_json = [
            e for e in errors.values() if e["type"] == "json_invalid" and e["loc"][0] == "body"
        ]
        if bad_json:
            return InvalidRequest(bad_json, 400)
        return InvalidRequest(list(errors.values()))


async def _errors_of(
    field: Field, validator: Validator, request: AsgiRequest
) -> list[dict[str, Any]]:
    value = await _read(field, request)
    if value is EMPTY:
        if not field.required:
            return []
        return [{"type": "missing", "loc": field.loc, "msg": "Field required", "input": None}]
    validate = validator.json if field.source == "body" else validator.python
    if validate is None:
        return []
    try:
        validate(value)
    except ValidationError as invalid:
        return [
            {
                "type": error["type"],
                "loc": (*field.loc, *error["loc"]),
                "msg": error["msg"],
                "input": None if error["type"] == "json_invalid" else error["input"],
            }
            for error in invalid.errors(include_url=False, include_context=False)
        ]
    return []


async def _read(field: Field, request: AsgiRequest) -> Any:
    """Read one value as it came, `EMPTY` where the request has none."""
    if field.source == "body":
        return await request.json_body() or EMPTY
    if field.source == "path":
        return request.path_params.get(field.alias, EMPTY)
    if field.source == "cookie":
        return request.cookies.get(field.alias, EMPTY)
    if field.source == "header":
        values = request.headers.getlist(field.alias)
        values = values if field.multiple else [", ".join(values)] if values else []
    else:
        values = request.query_params.get(field.alias, [])
    if not values:
        return EMPTY
    return values if field.multiple else values[-1]


class _Writer:
    """Writes the source of one plan.

    `names` are the globals of the generated function; a call is written once for all that share
    its result.
    """

    def __init__(
        self,
        call: Call,
        validators: dict[Field, Validator],
        serializer: SerializerProto | None,
        *,
        sync_to_thread: bool,
        host_values: Collection[str],
        is_handler: bool,
    ) -> None:
        self.call = call
        self.validators = validators
        self.serializer = serializer
        self.sync_to_thread = sync_to_thread
        self.host_values = host_values
        self.is_handler = is_handler
        self.names: dict[str, Any] = {
            "AsyncExitStack": AsyncExitStack,
            "EMPTY": EMPTY,
            "ValidationError": ValidationError,
            "decode_query": decode_query,
            "find_custom": find_custom,
            "find_local": find_local,
            "find_initial": find_initial,
            "missing_value": missing_value,
            "not_a_response": partial(not_a_response, call.name),
            "partial": partial,
            "resolve": resolve,
            "run_sync": run_sync,
            "unquote_plus": unquote_plus,
        }
        self.variables: set[str] = {*_RESERVED, *self.names}
        self.raw: dict[Field, str] = {}
        self.results: dict[Call, str] = {}
        self.lines: list[str] = []
        self.indent = 2

    # Writing

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def new(self, name: str) -> str:
        """Find a variable name that nothing uses yet."""
        candidate, number = name, 1
        while candidate in self.variables:
            number += 1
            candidate = f"{name}_{number}"
        self.variables.add(candidate)
        return candidate

    def constant(self, name: str, value: Any) -> str:
        """Make an object of ours known to the generated function."""
        name = self.new(name)
        self.names[name] = value
        return name

    # The parts of the function

    def define(self) -> tuple[str, Run]:
        """Write the function, compile it, and show it to tracebacks and debuggers."""
        self.write_headers()
        self.write_query()
        self.write_path_and_cookies()
        has_generators = any(
            isinstance(a, Dependency) and a.call.is_generator for _, a in self.call.walk()
        )
        if has_generators:
            # A generator may swallow the exception of what it was opened for.
            self.line("response = None")
            self.line("async with AsyncExitStack() as stack:")
            self.indent += 1
        self.line(f"response = {self.write_call(self.call, 'handler')}")

        body = "\n".join(self.lines)
        source = "\n".join(
            [
                "async def plan(request, environment, host_values=None):",
                *(["    scope = request.scope"] if "scope" in body else []),
                "    context = environment.context",
                "    variables = environment.locals",
                '    request_local = variables.get("request") or find_local(context, "request")',
                '    logger_local = variables.get("logger") or find_local(context, "logger")',
                "    request_token = request_local.set(request)",
                "    logger_token = logger_local.set(environment.logger)",
                "    try:",
                body,
                "    finally:",
                "        logger_local.reset(logger_token)",
                "        request_local.reset(request_token)",
                *(
                    ["    if not callable(response):", "        raise not_a_response(response)"]
                    if self.is_handler
                    else []
                ),
                "    return response",
                "",
            ]
        )
        filename = f"<plan {next(_numbers)} of {self.call.name}>"
        exec(compile(source, filename, "exec"), self.names)  # noqa: S102 - our own source
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        return source, self.names["plan"]

    def fields(self, source: str) -> list[Field]:
        return [field for field in self.validators if field.source == source]

    def write_headers(self) -> None:
        """Read all headers that are wanted in one pass."""
        if not (fields := self.fields("header")):
            return
        variables = self.start_reading(fields)
        self.line('for name, value in scope["headers"]:')
        for keyword, (alias, group) in zip(_if_elif(), variables.items(), strict=False):
            self.line(f"    {keyword} name == {alias.encode('latin-1')!r}:")
            for field in group:
                raw = self.raw[field]
                if field.multiple:
                    self.line(f'        {raw}.append(value.decode("latin-1"))')
                else:
                    self.line('        text = value.decode("latin-1")')
                    self.line(f'        {raw} = text if {raw} is None else f"{{{raw}}}, {{text}}"')

    def write_query(self) -> None:
        """Read all parameters that are wanted in one pass over the query string."""
        if not (fields := self.fields("query")):
            return
        variables = self.start_reading(fields)
        self.line('query_string = scope.get("query_string")')
        self.line("if query_string:")
        self.line("    text = decode_query(query_string)")
        self.line('    encoded = "%" in text or "+" in text')
        self.line('    for part in text.split("&"):')
        self.line('        name, _, value = part.partition("=")')
        self.line("        if encoded:")
        self.line("            name = unquote_plus(name)")
        self.line("            value = unquote_plus(value)")
        for keyword, (alias, group) in zip(_if_elif(), variables.items(), strict=False):
            self.line(f"        {keyword} name == {alias!r}:")
            for field in group:
                raw = self.raw[field]
                self.line(
                    f"            {raw}" + (".append(value)" if field.multiple else " = value")
                )

    def start_reading(self, fields: list[Field]) -> dict[str, list[Field]]:
        """Initialise the variables of fields, and group the fields by their names on the wire.

        Fields that take one value of the same name share it; a list is nobody else's.
        """
        groups: dict[str, list[Field]] = {}
        for field in fields:
            group = groups.setdefault(field.alias, [])
            if not field.multiple and (same := [other for other in group if not other.multiple]):
                self.raw[field] = self.raw[same[0]]
                continue
            raw = self.raw[field] = self.new(f"{field.source}_{field.name}")
            self.line(f"{raw} = {'[]' if field.multiple else 'None'}")
            group.append(field)
        return groups

    def write_path_and_cookies(self) -> None:
        for source, container, expression in (
            ("path", "path_params", 'scope.get("path_params") or {}'),
            ("cookie", "cookies", "request.cookies"),
        ):
            if fields := self.fields(source):
                self.line(f"{container} = {expression}")
                for field in fields:
                    raw = self.raw[field] = self.new(f"{source}_{field.name}")
                    self.line(f"{raw} = {container}.get({field.alias!r})")

    def write_call(self, call: Call, name: str) -> str:
        """Write all that a call needs, and return the expression that calls it."""
        values: dict[Argument, str] = {}
        for argument in call.arguments:
            if isinstance(argument, Dependency):
                values[argument] = self.write_dependency(argument)
        fields = [argument for argument in call.arguments if isinstance(argument, Field)]
        values.update(self.write_fields(fields))
        for argument in call.arguments:
            if isinstance(argument, ContextValue):
                values[argument] = self.write_context_value(argument, call)
            elif isinstance(argument, CustomValue):
                values[argument] = self.write_custom_value(argument)
            elif isinstance(argument, ScopeValue):
                values[argument] = "scope"
            elif isinstance(argument, HostValue) and argument.name in self.host_values:
                values[argument] = f"host_values[{argument.name!r}]"

        function = self.constant(name, call.function) if name != "handler" else name
        self.names[function] = call.function
        arguments = ", ".join(
            f"{argument.name}={values[argument]}" if argument.by_keyword else values[argument]
            for argument in call.arguments
            if argument in values
        )
        if call.is_generator:
            self.names[function] = self.as_context_manager(call)
            return f"await stack.enter_async_context({function}({arguments}))"
        if call.is_async:
            return f"await {function}({arguments})"
        if self.sync_to_thread:
            separator = ", " if arguments else ""
            return f"await run_sync(partial({function}{separator}{arguments}))"
        return f"{function}({arguments})"

    def as_context_manager(self, call: Call) -> Callable[..., AbstractAsyncContextManager[Any]]:
        if call.is_async:
            return asynccontextmanager(call.function)
        return partial(
            generator_in_thread if self.sync_to_thread else generator_inline, call.function
        )

    def write_dependency(self, dependency: Dependency) -> str:
        call = dependency.call
        if dependency.use_cache and call in self.results:
            result = self.results[call]
        else:
            name = getattr(call.function, "__name__", "")
            expression = self.write_call(call, name if name.isidentifier() else "dependency")
            result = self.new(dependency.name)
            self.line(f"{result} = {expression}")
            if dependency.cast_result:
                result = self.write_check(result, call.returns, call.name)
            if dependency.use_cache:
                self.results[call] = result
        if dependency.cast:
            return self.write_check(result, dependency.annotation, call.name)
        return result

    def write_check(self, variable: str, annotation: Any, where: str) -> str:
        """Check a value that the application made; where it is wrong, that is a 500.

        Returns the variable of the checked value; whoever shares the value checks it anew.
        """
        if annotation is Any or self.serializer is None or annotation is Signature.empty:
            return variable
        validator = make_validator(annotation, self.serializer, f"The result of {where}")
        check = self.constant(f"check_{variable}", validator.python or as_it_is)
        checked = self.new(f"checked_{variable}")
        if isinstance(annotation, type):
            class_ = self.constant(f"type_{variable}", annotation)
            self.line(
                f"{checked} = {variable} if type({variable}) is {class_} else {check}({variable})"
            )
        else:
            self.line(f"{checked} = {check}({variable})")
        return checked

    def write_fields(self, fields: list[Field]) -> dict[Argument, str]:
        """Write the validation of the values that one call reads from the request."""
        values: dict[Argument, str] = {}
        validated: list[str] = []
        for field in fields:
            variable = values[field] = self.new(field.name)
            validator = self.validators[field]
            if field.source == "body":
                raw = "body"
                self.line("body = await request.json_body()")
                convert: str | None = self.constant(f"load_{field.name}", validator.json)
            else:
                raw = self.raw[field]
                convert = None
                if validator.python is not None:
                    convert = self.constant(f"validate_{field.name}", validator.python)
            absent = f"not {raw}" if field.multiple or field.source == "body" else f"{raw} is None"
            value = f"{convert}({raw})" if convert else raw
            if field.required:
                self.line(f"if {absent}:")
                self.line("    raise await invalid(request)")
            else:
                default = self.constant(f"default_{field.name}", field.default)
                value = f"{default} if {absent} else {value}"
            (validated.append if convert else self.line)(f"{variable} = {value}")
        if validated:
            self.line("try:")
            for text in validated:
                self.line(f"    {text}")
            self.line("except ValidationError:")
            self.line("    raise await invalid(request) from None")
        return values

    def write_context_value(self, value: ContextValue, call: Call) -> str:
        if value.key in ("request", "context"):
            return value.key
        variable = self.new(value.name)
        if value.key == "logger":
            # The local value is here; a global one comes first.
            self.line(f"{variable} = environment.find_global('logger', logger_local.get())")
        elif "." in value.key:
            self.line(f"{variable} = resolve(context, {value.key!r}, EMPTY)")
        else:
            self.line(f"{variable} = context.get({value.key!r}, EMPTY)")
        self.line(f"if {variable} is EMPTY:")
        self.indent += 1
        self.line(f"{variable} = environment.find({value.key!r})")
        self.indent -= 1
        self.line(f"if {variable} is EMPTY:")
        self.indent += 1
        if value.default is not EMPTY:
            default = self.constant(f"default_{value.name}", value.default)
            self.line(f"{variable} = {default}")
        elif value.initial is not None:
            initial = self.constant(f"initial_{value.name}", value.initial)
            self.line(f"{variable} = find_initial(context, {value.key!r}, {initial})")
        else:
            self.line(f"raise missing_value({value.key!r}, {call.name!r}, environment)")
        self.indent -= 1
        if value.cast:
            return self.write_check(variable, value.annotation, f"Context({value.key!r})")
        return variable

    def write_custom_value(self, value: CustomValue) -> str:
        field = self.constant(f"field_{value.name}", value.field)
        variable = self.new(value.name)
        self.line(f"{variable} = await find_custom({field}, context)")
        return variable


def _if_elif() -> Iterator[str]:
    yield "if"
    while True:
        yield "elif"


# What the generated functions call


def as_it_is(value: Any) -> Any:
    """Stand in for the validator of what needs no validation."""
    return value


def find_initial(context: ContextRepo, key: str, initial: Callable[[], Any]) -> Any:
    """Make the first value of ``Context(initial=...)`` and keep it, as fast_depends does."""
    value = initial()
    context.set_global(key, value)
    return value


async def find_custom(field: CustomField, context: ContextRepo) -> Any:
    """Let a `CustomField` of the user's find its value."""
    values: Any = field.use(context__=context)
    if is_coroutine_callable(field.use):
        values = await values
    if field.param_name not in values:
        msg = f"{field!r} gave no value for the parameter {field.param_name!r}."
        raise ContextValueError(msg)
    return values[field.param_name]


def not_a_response(where: str, value: Any) -> TypeError:
    """Build the error for a handler that returns something else than an ASGI application."""
    msg = (
        f"{where} returned {type(value).__name__}; return an AsgiResponse, a JSONResponse or "
        "another ASGI application."
    )
    if value is None:
        msg += " A generator dependency that swallows an exception makes it None, too."
    return TypeError(msg)


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


@asynccontextmanager
async def generator_inline(
    function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    """Run a `def` generator as an asynchronous context manager on the event loop."""
    with sync_contextmanager(function)(*args, **kwargs) as value:
        yield value


@asynccontextmanager
async def generator_in_thread(
    function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    """Run a `def` generator as an asynchronous context manager, each step in a worker thread."""
    manager = sync_contextmanager(function)(*args, **kwargs)
    value = await run_sync(manager.__enter__)
    # A limiter of its own: what closes must not wait for threads that wait for it to close.
    limiter = CapacityLimiter(1)
    try:
        yield value
    except BaseException as error:
        leave = partial(manager.__exit__, type(error), error, error.__traceback__)
        with CancelScope(shield=True):
            swallowed = await run_sync(leave, limiter=limiter)
        if not swallowed:
            raise
    else:
        await run_sync(partial(manager.__exit__, None, None, None), limiter=limiter)
