"""FastStream's handlers in Litestar's OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.types import OperationIDCreator
from pydantic import PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import PydanticSerializationError, to_jsonable_python

from faststream_integrations.http.handlers import HttpHandler, Responses
from faststream_integrations.http.sources import Field, embeds, single_fields

__all__ = ("operation_class", "operation_id")


@dataclass
class JSONSchema(Schema):
    """A schema that is written already, by the library that validates."""

    document: dict[str, Any] = field(default_factory=dict)

    def to_schema(self) -> dict[str, Any]:
        """Return the schema."""
        return self.document

    __hash__ = object.__hash__


def operation_class(handler: HttpHandler) -> type[Operation]:
    """Make the class by which Litestar documents a handler: with all that it reads."""
    fields = handler.fields

    @dataclass
    class HandlerOperation(Operation):
        def __post_init__(self) -> None:
            # Litestar knows the path's parameters, and those that its own dependencies read.
            known = {
                (p.name, p.param_in): p for p in self.parameters or () if isinstance(p, Parameter)
            }
            ours = {(p.name, p.param_in): p for p in parameters_of(fields)}
            self.parameters = [*(known | ours).values()] or None
            self.request_body = body_of(fields)
            self.responses = {**dict(refusals_of(fields)), **dict(answers_of(handler.responses))}

    return HandlerOperation


def parameters_of(fields: Iterable[Field]) -> list[Parameter]:
    """Write what a handler reads beside the body."""
    return [
        Parameter(
            name=each.alias,
            param_in=each.source.name,
            required=each.required,
            description=each.description,
            schema=schema_of(each),
        )
        for each in single_fields(fields)
        if each.source.is_parameter
    ]


def body_of(fields: Sequence[Field]) -> RequestBody | None:
    """Write the body that a handler reads."""
    bodies = [each for each in single_fields(fields) if not each.source.is_parameter]
    if not bodies:
        return None
    required = any(each.required for each in bodies)
    if embeds(bodies):
        schema = object_of(bodies)
        return RequestBody({"application/json": OpenAPIMediaType(schema=schema)}, required=required)
    [body] = bodies
    content = {"application/json": OpenAPIMediaType(schema=schema_of(body))}
    return RequestBody(content, body.description, required=required)


def object_of(fields: Sequence[Field]) -> JSONSchema:
    """Write the schema of a body that has several values as its fields."""
    document: dict[str, Any] = {
        "type": "object",
        "properties": {each.alias: schema_of(each).document for each in fields},
    }
    if required := [each.alias for each in fields if each.required]:
        document["required"] = required
    return JSONSchema(document=document)


def refusals_of(fields: Sequence[Field]) -> Iterable[tuple[str, OpenAPIResponse]]:
    """Write which requests a handler refuses, as far as its signature tells."""
    if any(not each.source.is_parameter for each in fields):
        yield "400", refusal("The body is not JSON", ERRORS)
        yield "413", refusal("The body is too large", TEXT)
        yield "415", refusal("The content type of the body is not JSON", TEXT)
    if fields:
        yield "422", refusal("The request does not validate", ERRORS)


def answers_of(responses: Responses) -> Iterable[tuple[str, OpenAPIResponse]]:
    """Write what a handler says that it answers; 200 where it names no success."""
    if not any(status < 400 for status in responses):
        yield "200", OpenAPIResponse("The answer of the handler")
    for status, response in responses.items():
        content = None
        if "model" in response:
            schema = JSONSchema(document=document_of(response["model"], "serialization"))
            content = {"application/json": OpenAPIMediaType(schema=schema)}
        description = response.get("description") or HTTPStatus(status).phrase
        yield str(status), OpenAPIResponse(description, content=content)


def refusal(description: str, detail: dict[str, Any]) -> OpenAPIResponse:
    """Write the response that tells the client what to change."""
    schema = {"type": "object", "required": ["detail"], "properties": {"detail": detail}}
    content = {"application/json": OpenAPIMediaType(schema=JSONSchema(document=schema))}
    return OpenAPIResponse(description, content=content)


TEXT: dict[str, Any] = {"type": "string"}
ERRORS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "loc", "msg", "input"],
        "properties": {
            "type": {"type": "string"},
            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
            "msg": {"type": "string"},
            "input": {},
        },
    },
}


def schema_of(read: Field) -> JSONSchema:
    """Write the schema of a value that is read."""
    document = document_of(read.annotation, "validation")
    if read.default is not None and not read.required:
        with suppress(PydanticSerializationError):
            document["default"] = to_jsonable_python(read.default)
    return JSONSchema(document=document)


def document_of(annotation: Any, mode: JsonSchemaMode) -> dict[str, Any]:
    """Write the schema of a type, an empty one where it has none."""
    try:
        document = TypeAdapter(annotation).json_schema(mode=mode)
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError):
        return {}
    inlined: dict[str, Any] = inline(document, document.pop("$defs", {}))
    return inlined


def inline(node: Any, definitions: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    """Put definitions in the place of the references to them.

    Litestar collects the shared schemas of the document itself, so there is no place to refer to;
    a model within itself ends in its name.
    """
    if isinstance(node, list):
        return [inline(each, definitions, within) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and (name := reference.removeprefix("#/$defs/")) in definitions:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        if name in within:
            return {"title": name, "type": "object", **rest}
        return {**inline(definitions[name], definitions, (*within, name)), **rest}
    return {key: inline(value, definitions, within) for key, value in node.items()}


def operation_id(handler: HttpHandler) -> OperationIDCreator:
    """Let a handler name its operations, which it does by their method."""

    def create(_: HTTPRouteHandler, method: HttpMethod | str, __: Sequence[Any]) -> str:
        return handler.operation_id(HttpMethod(method).value) or ""

    return create
