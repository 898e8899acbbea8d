"""Where a handler's parameter comes from: `Query`, `Header`, `Path`, `Cookie` and `Body`.

Used as ``limit: Annotated[int, Query()] = 10`` or ``limit: int = Query(default=10)``, in handlers
and in their dependencies. The annotation decides what comes out: one validated value, or all the
values where it is a list, tuple or set.
"""

from __future__ import annotations

from typing import Any, Literal

from faststream_integrations._faststream import EMPTY, ContextMarker

__all__ = ("Body", "Cookie", "Header", "Parameter", "Path", "Query", "Source")

Source = Literal["query", "header", "path", "cookie", "body"]

_PREFIXES: dict[Source, str] = {
    # The first two are upstream's, so that its markers mean the same here.
    "query": "request.query_params.",
    "header": "request.headers.",
    "path": "request.path_params.",
    "cookie": "request.cookies.",
    "body": "request.body.",
}


class Parameter(ContextMarker):
    """The marker that the functions of this module return."""

    def __init__(self, source: Source, real_name: str, default: Any, description: str | None):
        super().__init__(real_name, default=default, prefix=_PREFIXES[source])
        self.source = source
        self.description = description


def source_of(marker: ContextMarker) -> Source | None:
    """Tell which part of a request a marker reads; upstream's own markers are known too."""
    if isinstance(marker, Parameter):
        return marker.source
    return next((source for source, prefix in _PREFIXES.items() if prefix == marker.prefix), None)


def Query(  # noqa: N802
    real_name: str = "",
    *,
    cast: bool = True,
    default: Any = EMPTY,
    description: str | None = None,
) -> Any:
    """Read a parameter of the query string, percent-decoded as UTF-8.

    A blank value (``?q=``) is a value. Where a name repeats, a list takes all, anything else the
    last. Without an annotation it is the list of strings.

    Args:
        real_name: The name in the query string; by default the name of the Python parameter.
        cast: Taken for upstream's sake; the annotation decides.
        default: The value where the request has none; without one the parameter is required.
        description: For the OpenAPI document of the host.
    """
    return Parameter("query", real_name, default, description)


def Header(  # noqa: N802
    real_name: str = "",
    *,
    cast: bool = True,
    default: Any = EMPTY,
    description: str | None = None,
) -> Any:
    """Read a header; names are case-insensitive (RFC 9110, section 5.1).

    Where a header repeats, a list takes all values, anything else the values joined by commas
    (RFC 9110, section 5.2).

    Args:
        real_name: The header's name; by default the name of the Python parameter, each ``_``
            turned into ``-``.
        cast: Taken for upstream's sake; the annotation decides.
        default: The value where the request has none; without one the parameter is required.
        description: For the OpenAPI document of the host.
    """
    return Parameter("header", real_name.lower(), default, description)


def Path(real_name: str = "", *, description: str | None = None) -> Any:  # noqa: N802
    """Read a parameter of the path, ``{order_id}`` in ``/orders/{order_id}``.

    Args:
        real_name: The name in the path; by default the name of the Python parameter.
        description: For the OpenAPI document of the host.
    """
    return Parameter("path", real_name, EMPTY, description)


def Cookie(  # noqa: N802
    real_name: str = "",
    *,
    default: Any = EMPTY,
    description: str | None = None,
) -> Any:
    """Read a cookie (RFC 6265, section 5.4).

    Args:
        real_name: The cookie's name; by default the name of the Python parameter.
        default: The value where the request has none; without one the parameter is required.
        description: For the OpenAPI document of the host.
    """
    return Parameter("cookie", real_name, default, description)


def Body(*, default: Any = EMPTY, description: str | None = None) -> Any:  # noqa: N802
    """Read the JSON body into a pydantic model, dataclass, TypedDict or any other annotation.

    The request needs a JSON content type (else 415): a form on a foreign page can then not post
    to the handler. JSON that cannot be parsed is 400, and a body over the handler's
    ``request_max_body_size`` 413.

    Args:
        default: The value where the body is empty; without one the body is required.
        description: For the OpenAPI document of the host.
    """
    return Parameter("body", "", default, description)
