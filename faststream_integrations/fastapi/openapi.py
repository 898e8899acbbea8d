"""How FastAPI's OpenAPI document learns of a FastStream handler: by a signature in its terms."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any

from fastapi import Request, params
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asgi.signature import Field

__all__ = ("signature_of", "tags_of")

_PARAMETERS: dict[str, Any] = {
    "query": params.Query,
    "header": params.Header,
    "path": params.Path,
    "cookie": params.Cookie,
    "body": params.Body,
}
_IN_PATH = re.compile(r"{(\w+)(?::\w+)?}")


def signature_of(handler: HttpHandler | None, path: str) -> inspect.Signature:
    """Write the signature of a path operation that reads what a handler reads.

    Args:
        handler: The handler; `None` for an ASGI application, which says nothing of itself.
        path: Its path, whose parameters are described even where the handler reads none.
    """
    parameters = [inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)]
    fields = _fields_of(handler) if handler is not None else []
    known = {field.alias for field in fields if field.source == "path"}
    for number, field in enumerate(fields):
        parameters.append(_parameter(field, f"{field.source}_{number}"))
    parameters += [
        _path_parameter(name, str, None) for name in _IN_PATH.findall(path) if name not in known
    ]
    return inspect.Signature(parameters)


def _fields_of(handler: HttpHandler) -> list[Field]:
    """Return what is read from the request, each name once; a required one counts."""
    fields: dict[tuple[str, ...], Field] = {}
    for field in handler.call.fields():
        if field.loc not in fields or (field.required and not fields[field.loc].required):
            fields[field.loc] = field
    return list(fields.values())


def _parameter(field: Field, name: str) -> inspect.Parameter:
    if field.source == "path":
        return _path_parameter(field.alias, field.annotation, field.description)
    options: dict[str, Any] = {"alias": field.alias, "description": field.description}
    if field.source == "body":
        del options["alias"]
    fallback: Any = list[str] if field.multiple else Any if field.source == "body" else str
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=field.annotation)
    for annotation in (field.annotation, fallback):
        marker = _PARAMETERS[field.source](**options)
        parameter = parameter.replace(annotation=Annotated[annotation, marker])
        if not field.required:
            parameter = parameter.replace(default=field.default)
        if _is_understood(parameter):
            break
    return parameter


def _path_parameter(name: str, annotation: Any, description: str | None) -> inspect.Parameter:
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
    for type_ in (annotation, str):
        marker = params.Path(description=description)
        parameter = parameter.replace(annotation=Annotated[type_, marker])
        if _is_understood(parameter, f"/{{{name}}}"):
            break
    return parameter


def _is_understood(parameter: inspect.Parameter, path: str = "/") -> bool:
    """Tell whether FastAPI can describe a parameter; ours may have any type at all."""

    def endpoint() -> None: ...

    endpoint.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    try:
        get_openapi(title="", version="", routes=[APIRoute(path, endpoint, methods=["POST"])])
    except Exception:  # FastAPI asserts, pydantic has errors of its own
        return False
    return True


def tags_of(handler: HttpHandler) -> list[str]:
    """Return the names of a handler's tags."""
    return [tag["name"] if isinstance(tag, dict) else tag.name for tag in handler.tags or ()]
