"""How FastAPI's OpenAPI document learns of a FastStream handler: by a signature in its terms."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any

from fastapi import Request, params
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from faststream_integrations.fastapi.solving import marked_parameters
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.rules import FrameworkValue
from faststream_integrations.http.sources import Field, embeds, single_fields

__all__ = ("signature_of",)

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
    fields = single_fields(handler.fields) if handler is not None else []
    known = {field.alias for field in fields if field.source.name == "path"}
    if handler is not None:
        # FastAPI knows these by the parameters that have them.
        known |= {
            parameter.marker.alias or parameter.name
            for _, parameter in handler.call.all(FrameworkValue)
            if isinstance(parameter.marker, params.Path)
        }
    embed = embeds(fields)
    taken = {"request", *_IN_PATH.findall(path)}
    for number, field in enumerate(fields):
        name = f"{field.source.name}_{number}"
        # FastAPI before 0.136 names the fields of a body by the parameters, and not by the aliases.
        if embed and not field.source.is_parameter and field.alias not in taken:
            name = field.alias
        parameters.append(_parameter(field, name, embed=embed))
    parameters += [
        _path_parameter(name, str, None) for name in _IN_PATH.findall(path) if name not in known
    ]
    if handler is not None:
        parameters += marked_parameters(handler.call)
    return inspect.Signature(parameters)


def _parameter(field: Field, name: str, *, embed: bool) -> inspect.Parameter:
    if field.source.name == "path":
        return _path_parameter(field.alias, field.annotation, field.description)
    options: dict[str, Any] = {"alias": field.alias, "description": field.description}
    if not field.source.is_parameter and embed:
        options["embed"] = True
    elif not field.source.is_parameter:
        del options["alias"]
    fallback: Any = list[str] if field.multiple else str if field.source.is_parameter else Any
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=field.annotation)
    for annotation in (field.annotation, fallback):
        marker = _PARAMETERS[field.source.name](**options)
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
