"""Validators of parameters, bodies and dependency results, made by the serializer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fast_depends.library.serializer import OptionItem, SerializerProto
from fast_depends.pydantic import PydanticSerializer
from faststream.exceptions import SetupError
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, from_json
from typing_extensions import NotRequired, TypedDict

from faststream_integrations._faststream import EMPTY

__all__ = ("Validator", "make_adapter", "make_field_loader", "make_validator")


class Validator(NamedTuple):
    """How a value is validated. Both raise pydantic's `ValidationError`.

    Attributes:
        python: Validates a Python value; `None` where every value will do.
        json: Parses and validates JSON.
    """

    python: Callable[[Any], Any] | None
    json: Callable[[bytes], Any]


def make_validator(annotation: Any, serializer: SerializerProto | None, where: str) -> Validator:
    """Build the validator for an annotation.

    Args:
        annotation: What the value has to be.
        serializer: FastStream's serializer; `None` switches validation off.
        where: What is validated, for an error message.

    Raises:
        SetupError: The serializer cannot deal with the annotation.
    """
    if serializer is None or (annotation is Any and not isinstance(serializer, PydanticSerializer)):
        return Validator(None, _load_json)
    try:
        if isinstance(serializer, PydanticSerializer):
            return _with_pydantic(annotation, serializer.config)
        return _with_serializer(annotation, serializer)
    except Exception as error:
        msg = f"{where}: no validator can be made for {annotation!r}: {error}"
        raise SetupError(msg) from error


def make_field_loader(
    name: str, annotation: Any, default: Any, serializer: SerializerProto | None, where: str
) -> Callable[[bytes], Any]:
    """Build what loads one field of a JSON object, and leaves the others.

    Args:
        name: The name of the field.
        annotation: What it has to be.
        default: What it is where the object does not have it; `EMPTY` where it has to.
        serializer: FastStream's serializer.
        where: What is validated, for an error message.

    Returns:
        A function of the JSON, of which nothing at all is an object without fields. It raises
        pydantic's `ValidationError`.
    """
    config = serializer.config if isinstance(serializer, PydanticSerializer) else None
    validate: Callable[[Any], Any] | None = None
    if serializer is not None and not isinstance(serializer, PydanticSerializer):
        validate, annotation = make_validator(annotation, serializer, where).python, Any
    field = annotation if default is EMPTY else NotRequired[annotation]
    make: Any = TypedDict
    fields = make("fields", {name: Any if serializer is None else field})
    fields.__pydantic_config__ = {
        **(config or {"arbitrary_types_allowed": True}),
        "extra": "ignore",
    }
    try:
        load_object = TypeAdapter(fields).validator.validate_json
    except Exception as error:
        msg = f"{where}: no validator can be made for {annotation!r}: {error}"
        raise SetupError(msg) from error

    def load(body: bytes) -> Any:
        value = load_object(body or b"{}").get(name, EMPTY)
        if value is EMPTY:
            return default
        return value if validate is None else validate(value)

    return load


def make_adapter(annotation: Any, config: ConfigDict | None) -> TypeAdapter[Any]:
    """Make pydantic's adapter for an annotation, which may have a configuration of its own."""
    try:
        return TypeAdapter(annotation, config=config)
    except PydanticUserError:
        return TypeAdapter(annotation)  # a model or a dataclass has one


def _with_pydantic(annotation: Any, config: ConfigDict | None) -> Validator:
    validator = make_adapter(annotation, config or {"arbitrary_types_allowed": True}).validator
    # What comes off the wire as text, and is wanted as such, needs no validation.
    as_it_is = annotation is Any or (config is None and annotation in (str, list[str]))
    return Validator(None if as_it_is else validator.validate_python, validator.validate_json)


def _with_serializer(annotation: Any, serializer: SerializerProto) -> Validator:
    build: Any = serializer
    load = build(name="value", options=[OptionItem("value", annotation)], response_type=Any)

    def validate(value: Any) -> Any:
        try:
            return load({"value": value})["value"]
        except Exception as error:
            # The serializer's own words may tell more than a client should know.
            details = PydanticCustomError("value_error", "The value is not valid")
            raise _validation_error(details, value) from error

    return Validator(validate, lambda body: validate(_load_json(body)))


def _load_json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise ValidationError.from_exception_data(
            "body",
            [InitErrorDetails(type="json_invalid", input=None, ctx={"error": str(error)})],
        ) from None


def _validation_error(error: PydanticCustomError, value: Any) -> ValidationError:
    return ValidationError.from_exception_data("value", [InitErrorDetails(type=error, input=value)])
