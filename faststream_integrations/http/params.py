"""Where a handler's parameter comes from: `Query`, `Header`, `Path`, `Cookie` and `Body`.

Used as ``limit: Annotated[int, Query()] = 10`` or ``limit: int = Query(default=10)``, in handlers
and in their dependencies. The annotation decides what comes out: one validated value, or all the
values where it is a list, tuple or set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faststream.exceptions import SetupError
from typing_extensions import Never

from faststream_integrations._faststream import EMPTY, ContextMarker
from faststream_integrations.http import sources
from faststream_integrations.http.sources import SOURCES, Source

__all__ = ("Body", "Cookie", "Header", "Parameter", "Path", "Query", "source_of")


class Parameter(ContextMarker):
    """The marker that the functions of this module return."""

    def __init__(
        self,
        source: type[Source],
        real_name: str = "",
        default: Any = EMPTY,
        description: str | None = None,
    ) -> None:
        super().__init__(real_name, default=default, prefix=source.prefix)
        self.description = description
        self.embed = False


def _mark(
    source: type[Source], positional: tuple[Any, ...], unknown: Mapping[str, Any], **options: Any
) -> Parameter:
    """Make a marker of what was given, or say what to write instead.

    Raises:
        SetupError: What FastAPI would take there, and means nothing here.
    """
    name = source.__name__
    if source is sources.Body and positional:  # it has no name
        positional = ("", *positional)
    real_name = positional[0] if positional else ""
    if len(positional) > 1 or not isinstance(real_name, str):
        value = positional[-1]
        if value is ...:
            msg = f"{name}(...): leave the dots out; what has no default is required."
        else:
            takes = (
                "takes its arguments"
                if source is sources.Body
                else "takes the name first, and all else"
            )
            msg = f"{name}({value!r}) {takes} by name: write {name}(default={value!r})."
        raise SetupError(msg)
    if unknown:
        option, value = next(iter(unknown.items()))
        if option in ("alias", "validation_alias"):
            advice = f"the name in the request comes first: {name}({value!r})."
        else:
            advice = (
                "what a value has to be stands in the annotation: "
                f"Annotated[int, {name}(), Field({option}={value!r})] with pydantic's Field."
            )
        msg = f"{name}() does not take {option!r}; {advice}"
        raise SetupError(msg)
    return Parameter(source, real_name, **options)


def source_of(marker: ContextMarker) -> Source | None:
    """Tell which part of a request a marker reads; upstream's own markers are known too."""
    return next((source for source in SOURCES if source.prefix == marker.prefix), None)


def Query(  # noqa: N802
    real_name: str = "",
    *given: Never,
    cast: bool = True,
    default: Any = EMPTY,
    description: str | None = None,
    **unknown: Never,
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
    return _mark(
        sources.Query, (real_name, *given), unknown, default=default, description=description
    )


def Header(  # noqa: N802
    real_name: str = "",
    *given: Never,
    cast: bool = True,
    default: Any = EMPTY,
    description: str | None = None,
    **unknown: Never,
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
    return _mark(
        sources.Header, (real_name, *given), unknown, default=default, description=description
    )


def Path(  # noqa: N802
    real_name: str = "", *given: Never, description: str | None = None, **unknown: Never
) -> Any:
    """Read a parameter of the path, ``{order_id}`` in ``/orders/{order_id}``.

    Args:
        real_name: The name in the path; by default the name of the Python parameter.
        description: For the OpenAPI document of the host.
    """
    return _mark(sources.Path, (real_name, *given), unknown, description=description)


def Cookie(  # noqa: N802
    real_name: str = "",
    *given: Never,
    default: Any = EMPTY,
    description: str | None = None,
    **unknown: Never,
) -> Any:
    """Read a cookie (RFC 6265, section 5.4).

    Args:
        real_name: The cookie's name; by default the name of the Python parameter.
        default: The value where the request has none; without one the parameter is required.
        description: For the OpenAPI document of the host.
    """
    return _mark(
        sources.Cookie, (real_name, *given), unknown, default=default, description=description
    )


def Body(  # noqa: N802
    *given: Never,
    default: Any = EMPTY,
    embed: bool = False,
    description: str | None = None,
    **unknown: Never,
) -> Any:
    """Read the JSON body into a pydantic model, dataclass, TypedDict or any other annotation.

    The request needs a JSON content type (else 415): a form on a foreign page can then not post
    to the handler. JSON that cannot be parsed is 400, and a body over the handler's
    ``request_max_body_size`` 413.

    Args:
        default: The value where the body is empty; without one the body is required.
        embed: Whether the value is a field of the body, by the name of the Python parameter. Where
            a handler and its dependencies take several values from the body, all are.
        description: For the OpenAPI document of the host.
    """
    marker = _mark(sources.Body, given, unknown, default=default, description=description)
    marker.embed = embed
    return marker
