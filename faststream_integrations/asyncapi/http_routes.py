"""HTTP routes in the AsyncAPI document: method, parameters, body, tags and answers of each.

FastStream's generator knows a route's path, description and methods, and names its channel by the
letters of the path, so that of several at one path the last overwrites the others (0.7.0 - 0.7.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from faststream.specification.asyncapi.utils import move_pydantic_refs
from pydantic import Field as PydanticField

from faststream_integrations._faststream import UpstreamHttpHandler, default_logger
from faststream_integrations.asyncapi.payloads import DEFINITIONS, Schema, described
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.sources import Field

__all__ = ("HttpOperation", "add_to_document", "http_operations")

_IN_PATH = re.compile(r"\{(\w+)(:\w+)?\}")


@dataclass(frozen=True)
class HttpOperation:
    """One method of one route.

    Attributes:
        path: The path, parameters in braces.
        method: The HTTP method.
        has_head: Whether HEAD is answered as well.
        description: What the handler says of itself.
        unique_id: The id that the handler was given.
        tags: The tags' names and descriptions.
        parameters: The parameters in the path, each with what is said of it.
        query: The schema of the query string, None where nothing is read from it.
        headers: The schema of the headers, None where nothing is read from them.
        body: The schema of the body, None where it is not read.
        answers: What the handler answers: a description, and a schema where there is a body.
    """

    path: str
    method: str
    has_head: bool
    description: str | None
    unique_id: str | None
    tags: list[dict[str, Any]]
    parameters: dict[str, str | None]
    query: Schema | None
    headers: Schema | None
    body: Schema | None
    answers: dict[int, tuple[str, Schema | None]]

    @property
    def title(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"

    def schemas(self) -> Iterator[tuple[str, Schema]]:
        """Go through the schemas, each with the operation's title; they may be changed."""
        for schema in (self.query, self.headers, self.body, *(s for _, s in self.answers.values())):
            if schema is not None:
                yield self.title, schema

    def request(self) -> dict[str, Any] | None:
        """Return the message that a client sends, None where it has neither headers nor body."""
        request: dict[str, Any] = {"name": self.title, "title": self.title}
        if self.headers is not None:
            request["headers"] = self.headers
        if self.body is not None:
            request.update(contentType="application/json", payload=self.body)
        return request if len(request) > 2 else None

    def responses(self) -> dict[int, dict[str, Any]]:
        """Return the messages that a client gets, by status."""
        responses = {}
        for status, (description, schema) in self.answers.items():
            response: dict[str, Any] = {
                "title": f"{self.title}: {status}",
                "summary": description,
                "bindings": {"http": {"statusCode": status, "bindingVersion": "0.3.0"}},
            }
            if schema is not None:
                response.update(contentType="application/json", payload=schema)
            responses[status] = response
        return responses

    def binding(self) -> dict[str, Any]:
        """Return the binding of the operation (AsyncAPI HTTP bindings 0.3.0)."""
        query = {} if self.query is None else {"query": self.query}
        return {"http": {"method": self.method, **query, "bindingVersion": "0.3.0"}}


def http_operations(handlers: Iterable[tuple[str, UpstreamHttpHandler]]) -> list[HttpOperation]:
    """Read the operations of the routes that are to be in the document.

    Args:
        handlers: The paths and handlers of the specification.
    """
    return [
        _operation(path, method, handler)
        for path, handler in handlers
        if handler.include_in_schema
        for method in _methods(handler)
    ]


def _methods(handler: UpstreamHttpHandler) -> Sequence[str]:
    # HEAD comes with GET.
    return [method for method in handler.methods if method != "HEAD"] or ["HEAD"]


def _operation(path: str, method: str, handler: UpstreamHttpHandler) -> HttpOperation:
    fields, responses = _read(path, handler)
    in_path = {field.alias: field.description for field in fields if field.source.name == "path"}
    path_names = [name for name, _ in _IN_PATH.findall(path)]
    path = _IN_PATH.sub(r"{\1}", path)
    title = f"{method} {path}"
    cookies = [field for field in fields if field.source.name == "cookie"]
    headers = _object([field for field in fields if field.source.name == "header"], title)
    if cookies:
        headers = headers or {"type": "object", "title": title, "properties": {}}
        names = ", ".join(field.alias for field in cookies)
        headers["properties"]["cookie"] = {"type": "string", "description": f"Cookies: {names}"}
    bodies = [field for field in fields if not field.source.is_parameter]
    return HttpOperation(
        path=path,
        method=method,
        has_head=method == "GET" and "HEAD" in handler.methods,
        description=handler.description,
        unique_id=handler.unique_id,
        tags=[_tag(tag) for tag in handler.tags or ()],
        parameters={name: in_path.get(name) for name in path_names},
        query=_object([field for field in fields if field.source.name == "query"], title),
        headers=headers,
        body=_value(bodies[0], title) if len(bodies) == 1 else _object(bodies, title),
        answers={
            status: (
                response.get("description") or HTTPStatus(status).phrase,
                described({"answer": (response["model"], ...)}, f"{title}: {status}", title)
                if "model" in response
                else None,
            )
            for status, response in responses.items()
        },
    )


def _read(path: str, handler: UpstreamHttpHandler) -> tuple[list[Field], Mapping[int, Any]]:
    """Return what a handler reads, each once, and what it answers."""
    try:
        ours = HttpHandler.adopt(handler)
        fields = {field.loc: field for field in reversed(ours.fields)}
        return list(reversed(fields.values())), ours.responses
    except Exception as error:
        default_logger.warning("The AsyncAPI document knows no parameters of %s: %s", path, error)
        return [], {}


def _value(field: Field, title: str) -> Schema:
    return described({"value": (field.annotation, _default(field))}, title, title)


def _object(fields: Sequence[Field], title: str) -> Schema | None:
    if not fields:
        return None
    parameters = {
        f"field_{number}": (
            field.annotation,
            PydanticField(
                _default(field), alias=field.alias, title=field.alias, description=field.description
            ),
        )
        for number, field in enumerate(fields)
    }
    # A field without meaning, so that there are always several: they are the members of an object.
    schema = described({**parameters, "_": (Any, None)}, title, title)
    schema.get("properties", {}).pop("_", None)
    return {"type": "object", "properties": {}, **schema}


def _default(field: Field) -> Any:
    return ... if field.required else field.default


def _tag(tag: Any) -> dict[str, Any]:
    if isinstance(tag, Mapping):
        return dict(tag)
    description = {"description": tag.description} if tag.description else {}
    return {"name": tag.name, **description}


# Into the document.


def add_to_document(document: dict[str, Any], operations: Sequence[HttpOperation]) -> None:
    """Add HTTP operations to a document.

    Args:
        document: An AsyncAPI document of version 2.6.0 or 3.0.0; it is changed.
        operations: What to add; their schemas are changed.
    """
    if not operations:
        return
    definitions: dict[str, Schema] = {}
    for operation in operations:
        for _, schema in operation.schemas():
            moved = move_pydantic_refs(schema, DEFINITIONS)
            definitions.update(moved.pop(DEFINITIONS, {}))
            schema.clear()
            schema.update(moved)
    if definitions:
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions)
    if str(document.get("asyncapi", "")).startswith("2."):
        _add_to_2_6(document["channels"], operations)
    else:
        _add_to_3_0(document["channels"], document["operations"], operations)


def _add_to_3_0(
    channels: dict[str, Any], into: dict[str, Any], operations: Sequence[HttpOperation]
) -> None:
    for operation in operations:
        name = _unused_name(operation, channels)
        channel: dict[str, Any] = {"address": operation.path, "messages": {}}
        if operation.description:
            channel["description"] = operation.description
        if operation.parameters:
            channel["parameters"] = {
                parameter: {"description": description} if description else {}
                for parameter, description in operation.parameters.items()
            }
        described: dict[str, Any] = {
            "action": "receive",
            "title": operation.title,
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": operation.binding(),
        }
        if operation.description:
            described["description"] = operation.description
        if operation.tags:
            described["tags"] = operation.tags
        if request := operation.request():
            channel["messages"]["Request"] = request
            described["messages"] = [{"$ref": f"#/channels/{name}/messages/Request"}]
        if responses := operation.responses():
            channel["messages"].update({f"Response{s}": r for s, r in responses.items()})
            described["reply"] = {
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/Response{status}"} for status in responses
                ],
            }
        channels[name] = channel
        key = operation.unique_id
        into[key if key and key not in into else name] = described


def _unused_name(operation: HttpOperation, taken: Mapping[str, Any]) -> str:
    # FastStream's own where it is free.
    stem = re.sub(r"[^A-Za-z0-9_]", "", operation.path.strip("/").replace("/", "_"))
    names = [f"{stem}:HttpChannel", f"{stem}_{operation.method}:HttpChannel"]
    number = 1
    while names[0] in taken:
        names.pop(0)
        number += 1
        names.append(f"{stem}_{operation.method}:{number}:HttpChannel")
    return names[0]


def _add_to_2_6(channels: dict[str, Any], operations: Sequence[HttpOperation]) -> None:
    # A channel is a path, and has one operation for all of its methods here.
    paths: dict[str, list[HttpOperation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, []).append(operation)
    for path, several in paths.items():
        channel: dict[str, Any] = {}
        first = several[0]
        if description := "\n\n".join(
            dict.fromkeys(o.description for o in several if o.description)
        ):
            channel["description"] = description
        if first.parameters:
            channel["parameters"] = {
                name: {"description": description or name, "schema": {"type": "string"}}
                for name, description in first.parameters.items()
            }
        described: dict[str, Any] = {"bindings": _binding_of_several(several)}
        if first.unique_id:
            described["operationId"] = first.unique_id
        described["summary"] = ", ".join(operation.title for operation in several)
        if tags := {tag["name"]: tag for operation in several for tag in operation.tags}:
            described["tags"] = list(tags.values())
        requests = [request for operation in several if (request := operation.request())]
        if requests:
            described["message"] = requests[0] if len(requests) == 1 else {"oneOf": requests}
        if answers := {o.method: r for o in several if (r := o.responses())}:
            described["x-responses"] = answers
        channel["subscribe"] = described
        channels[path] = channel


def _binding_of_several(operations: Sequence[HttpOperation]) -> dict[str, Any]:
    binding: dict[str, Any] = operations[0].binding()
    binding["http"]["method"] = ", ".join(
        f"{operation.method}, HEAD" if operation.has_head else operation.method
        for operation in operations
    )
    queries = [operation.query for operation in operations if operation.query]
    if len(queries) > 1:
        members = {name: s for query in queries for name, s in query["properties"].items()}
        binding["http"]["query"] = {"type": "object", "properties": members}
    elif queries:
        binding["http"]["query"] = queries[0]
    return binding
