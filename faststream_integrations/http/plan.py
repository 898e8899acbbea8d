"""The handler compiler: a signature becomes one coroutine function without any interpretation.

Each handler is compiled once, at registration, into Python source that reads the headers and the
query in one pass each, validates, resolves context and dependencies, and calls the handler.
``print(handler.source)`` prints it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from fast_depends.library.serializer import SerializerProto
from fast_depends.pydantic import PydanticSerializer
from pydantic import ValidationError

from faststream_integrations._faststream import find_local
from faststream_integrations.compiler.calls import Argument, Call
from faststream_integrations.compiler.plan import CallWriter
from faststream_integrations.compiler.signature import Rules, read_call
from faststream_integrations.compiler.validation import Validator, make_field_loader, make_validator
from faststream_integrations.environment import Environment
from faststream_integrations.http.errors import InvalidRequest, RequestError
from faststream_integrations.http.refusals import Errors
from faststream_integrations.http.request import AsgiRequest
from faststream_integrations.http.results import make_result_writer
from faststream_integrations.http.rules import check_call
from faststream_integrations.http.sources import SOURCES, Field, embeds

__all__ = ("Plan", "Plans")

Run = Callable[..., Any]


class Plan:
    """A function, compiled for one serializer.

    Args:
        call: The signature of the function.
        rules: Who claimed its parameters.
        serializer: What validates; `None` switches validation off.
        sync_to_thread: Whether `def` functions run in a worker thread.
        host_values: The names of the parameters that the host fills.
        framework: The web framework whose markers the host knows; it fills their parameters.
        status_code: The status of what the function returns and is no ASGI application, as for
            `make_result_writer`.
        is_handler: Whether what the function returns becomes a response.

    Attributes:
        call: The signature of the function, with what overrides have put into it.
        source: The generated Python source.
        run: ``await run(request, environment, host_values)`` returns what the handler returns. It
            raises `RequestError` where the client has to change the request (`InvalidRequest` with
            every error of it), `ContextValueError`, or what the handler or a dependency raises.

    Raises:
        SetupError: A parameter that nothing can fill, or a result that cannot be written.
    """

    __slots__ = (
        "_again",
        "_embeds",
        "_find_errors",
        "_overridden",
        "_validators",
        "call",
        "run",
        "source",
    )

    def __init__(
        self,
        call: Call,
        rules: Sequence[Rules],
        serializer: SerializerProto | None,
        *,
        sync_to_thread: bool = True,
        host_values: Collection[str] = (),
        framework: str | None = None,
        status_code: int | None = None,
        is_handler: bool = True,
    ) -> None:
        check_call(call, host_values, framework)
        self.call = call
        self._again = partial(
            Plan,
            rules=rules,
            serializer=serializer,
            sync_to_thread=sync_to_thread,
            host_values=host_values,
            framework=framework,
            status_code=status_code,
            is_handler=is_handler,
        )
        self._overridden: dict[Any, tuple[Any, Plan]] = {}
        self._embeds = embeds(field for _, field in call.all(Field))
        self._validators = {
            field: self._make_validator(field, owner, serializer)
            for owner, field in call.all(Field)
        }
        writer = HandlerWriter(
            call,
            self._validators,
            embeds=self._embeds,
            invalid=self._invalid,
            write_result=make_result_writer(call.returns, serializer, status_code, call.name)
            if is_handler
            else None,
            serializer=serializer,
            sync_to_thread=sync_to_thread,
            host_values=host_values,
        )
        self.source, self.run = writer.define(call.name)
        self._find_errors: Run | None = None

    def _make_validator(
        self, field: Field, owner: Call, serializer: SerializerProto | None
    ) -> Validator:
        where = f"The parameter {field.name!r} of {owner.name}"
        if self._embeds and not field.source.is_parameter:
            load = make_field_loader(
                field.alias, field.annotation, field.default, serializer, where
            )
            return Validator(None, load)
        return make_validator(field.annotation, serializer, where)

    def with_overrides(self, replaced: Mapping[Any, Any]) -> Plan:
        """Return the plan with other dependencies, as `Environment.overrides` tells them.

        The plans of the last few sets of overrides are kept.
        """
        key = tuple((id(original), id(call)) for original, call in replaced.items())
        if key in self._overridden:
            return self._overridden[key][1]
        rules = self._again.keywords["rules"]
        call = read_call(
            self.call.function,
            *rules,
            resolve=lambda function: replaced.get(function, function),
        )
        if len(self._overridden) == KEPT_OVERRIDES:
            del self._overridden[next(iter(self._overridden))]
        plan = self._again(call)
        self._overridden[key] = (replaced, plan)  # the objects stay, and so do their numbers
        return plan

    async def _invalid(self, request: AsgiRequest) -> RequestError:
        """Validate everything that is read from the request again, for all errors at once."""
        if self._find_errors is None:
            writer = ErrorsWriter(self._validators, embeds=self._embeds)
            _, self._find_errors = writer.define("errors")
        errors = await self._find_errors(request)
        bad_json = [
            error
            for error in errors
            if error["type"] == "json_invalid" and error["loc"][:1] == ("body",)
        ]
        return InvalidRequest(bad_json, 400) if bad_json else InvalidRequest(errors)


KEPT_OVERRIDES = 16
KEPT_PLANS = 8


class Plans:
    """The plans of a function, one for each kind of serializer that it meets.

    Environments with the same kind of serializer share a plan, so that what registration compiled
    serves the first request of every start.

    Args:
        call: The signature of the function.
        rules: Who claimed its parameters.
        options: What `Plan` takes.
    """

    __slots__ = ("_options", "_plans", "_rules", "call")

    def __init__(self, call: Call, *rules: Rules, **options: Any) -> None:
        self.call = call
        self._rules = rules
        self._options = options
        self._plans: list[tuple[SerializerProto | None, Plan]] = []

    def of(self, environment: Environment) -> Plan:
        """Return the plan for an application, without overrides.

        Raises:
            SetupError: As for `Plan`.
        """
        serializer = environment.serializer
        for known, plan in self._plans:
            if known is serializer or _validate_alike(known, serializer):
                return plan
        plan = Plan(self.call, self._rules, serializer, **self._options)
        self._plans = [*self._plans[-KEPT_PLANS + 1 :], (serializer, plan)]
        return plan


def _validate_alike(one: SerializerProto | None, other: SerializerProto | None) -> bool:
    return (
        type(one) is PydanticSerializer
        and type(other) is PydanticSerializer
        and one.config == other.config
    )


class RequestWriter(CallWriter):
    """Writes what reads a request.

    Args:
        parameters: The parameters of the generated function, as they are written.
        validators: The fields that are read, and how they are validated.
        embeds: Whether the values of the body are fields of it.
        options: What `CallWriter` takes.

    Attributes:
        raw: The variables of the fields as they came.
    """

    def __init__(
        self,
        parameters: str,
        validators: Mapping[Field, Validator],
        *,
        embeds: bool,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        self.validators = validators
        self.embeds = embeds
        self.raw: dict[Field, str] = {}

    def write_reading(self) -> None:
        """Write what reads all that can be read before anything runs."""
        for source in SOURCES:
            fields = [field for field in self.validators if field.source is source]
            if fields:
                singles = [single for field in fields for single in field.parts or (field,)]
                source.write_ahead(self, singles)

    def start(self, field: Field) -> str:
        """Return a new variable for a field as it came."""
        raw = self.raw[field] = self.new(field.source.name, field.name)
        return raw

    def start_reading(self, fields: Sequence[Field]) -> dict[str, list[Field]]:
        """Initialise the variables of fields, and group the fields by their names in the request.

        Fields that take one value of the same name share it; a list is nobody else's.
        """
        groups: dict[str, list[Field]] = {}
        for field in fields:
            group = groups.setdefault(field.alias, [])
            if not field.multiple and (same := [other for other in group if not other.multiple]):
                self.raw[field] = self.raw[same[0]]
                continue
            self.line(f"{self.start(field)} = {'[]' if field.multiple else 'None'}")
            group.append(field)
        return groups


class HandlerWriter(RequestWriter):
    """Writes the function that runs a handler."""

    def __init__(
        self,
        call: Call,
        validators: Mapping[Field, Validator],
        *,
        invalid: Callable[[AsgiRequest], Awaitable[RequestError]],
        write_result: Callable[[Any], Any] | None,
        **options: Any,
    ) -> None:
        super().__init__(
            "request, environment, host_values=None",
            validators,
            known={
                "request": "request",
                "context": "context",
                # The local value is here; a global one comes first.
                "logger": 'environment.find_global("logger", logger_local.get())',
            },
            ValidationError=ValidationError,
            find_local=find_local,
            invalid=invalid,
            write_result=write_result,
            **options,
        )
        self.line("scope = request.scope")
        self.line("context = environment.context")
        self.line("variables = environment.locals")
        for name, value in (("request", "request"), ("logger", "environment.logger")):
            self.line(f'{name}_local = variables.get("{name}") or find_local(context, "{name}")')
            self.line(f"{name}_token = {name}_local.set({value})")
        with self.block("try:"):
            self.write_reading()
            self.write_root(call, "response")
        with self.block("finally:"):
            self.line("logger_local.reset(logger_token)")
            self.line("request_local.reset(request_token)")
        if write_result is not None:
            self.line("if not callable(response):")
            self.line("    response = write_result(response)")
        self.line("return response")

    def write_inputs(self, call: Call) -> Mapping[Argument, str]:
        """Write the validation of the values that one call reads from the request."""
        values: dict[Argument, str] = {}
        validated: list[str] = []
        for field in call.arguments:
            if not isinstance(field, Field):
                continue
            variable = values[field] = self.new("value", field.name)
            value = raw = field.source.write_field(self, field)
            if (validate := field.source.validate(self.validators[field])) is not None:
                value = f"{self.constant('validate', field.name, validate)}({raw})"
            absent = field.source.absent(self, field, raw)
            if absent is not None and field.required:
                self.line(f"if {absent}:")
                self.line("    raise await invalid(request)")
            elif absent is not None:
                default = self.constant("default", field.name, field.default)
                value = f"{default} if {absent} else {value}"
            line = f"{variable} = {value}"
            if validate is None:
                self.line(line)
            else:
                validated.append(line)
        if validated:
            with self.block("try:"):
                for line in validated:
                    self.line(line)
            self.line("except ValidationError:")
            self.line("    raise await invalid(request) from None")
        return values


class ErrorsWriter(RequestWriter):
    """Writes the function that finds all errors of a request."""

    def __init__(self, validators: Mapping[Field, Validator], *, embeds: bool) -> None:
        super().__init__("request", validators, embeds=embeds, serializer=None, Errors=Errors)
        self.line("errors = Errors()")
        self.line("scope = request.scope")
        self.write_reading()
        for field, validator in validators.items():
            raw = field.source.write_field(self, field)
            absent = field.source.absent(self, field, raw)
            if field.required and absent is not None:
                self.line(f"if {absent}:")
                self.line(f"    errors.add_missing({field.loc!r})")
            if (validate := field.source.validate(validator)) is not None:
                with self.block(f"if not ({absent}):" if absent is not None else "if True:"):
                    function = self.constant("validate", field.name, validate)
                    self.line(f"errors.check({field.loc!r}, {raw}, {function})")
        self.line("return errors.found()")
