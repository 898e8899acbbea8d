"""Paths: their parameters, and what `root_path` makes of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from faststream.exceptions import SetupError

from faststream_integrations.types import Scope

if TYPE_CHECKING:
    from faststream_integrations.http.handlers import HttpHandler

__all__ = (
    "ANY_METHOD",
    "PARAMETER",
    "PathTable",
    "Template",
    "below",
    "check_names",
    "check_path_parameters",
    "path_parameters",
    "takes_rest",
    "template_of",
    "without_prefix",
)

ANY_METHOD = "*"
"""What an ASGI application answers in a `PathTable`."""

PARAMETER = re.compile(r"\{([^{}:]*)(?::(\w+))?\}")


def path_parameters(path: str) -> list[str]:
    """Return the names of the parameters in a path like ``/orders/{order_id}``.

    The last segment may take the rest of a path with its slashes, ``/files/{name:path}``.

    Raises:
        SetupError: The path does not begin with ``/``, a parameter is not a whole segment or has
            no name of its own.
    """
    if not path.startswith("/"):
        msg = f"The path {path!r} has to begin with '/'."
        raise SetupError(msg)
    names = []
    *_, last = segments = path.rstrip("/").split("/")
    for segment in segments:
        if "{" not in segment and "}" not in segment:
            continue
        match = PARAMETER.fullmatch(segment)
        if match is None or not match[1].isidentifier() or match[2] not in (None, "path"):
            msg = (
                f"The segment {segment!r} of the path {path!r}: a parameter is a whole segment "
                "with a Python name, like '/orders/{order_id}', and takes the rest of the path as "
                "'/files/{name:path}'. Its type is the annotation's: `Annotated[int, Path()]`."
            )
            raise SetupError(msg)
        if match[2] and segment is not last:
            msg = f"The segment {segment!r} of the path {path!r} takes the rest: it comes last."
            raise SetupError(msg)
        names.append(match[1])
    check_names(path, names)
    return names


def check_names(path: str, names: Sequence[str]) -> None:
    """Refuse a path that has two parameters of one name.

    Raises:
        SetupError: It has.
    """
    if len(set(names)) < len(names):
        msg = f"A parameter repeats in the path {path!r}."
        raise SetupError(msg)


def check_path_parameters(
    path: str, handler: HttpHandler, parameters: Collection[str] | None = None
) -> None:
    """Refuse a path without the parameters that a handler reads.

    Args:
        path: The path.
        handler: The handler.
        parameters: The names of the path's parameters, where a host writes them in its own way.

    Raises:
        SetupError: The path lacks a parameter, or is malformed.
    """
    if parameters is None:
        parameters = path_parameters(path)
    for field in handler.fields:
        if field.source.name == "path" and field.required and field.alias not in parameters:
            msg = (
                f"{handler!r} reads the path parameter {field.alias!r}, which the path {path!r} "
                "does not have."
            )
            raise SetupError(msg)


def template_of(path: str) -> str:
    """Return a path as documents have it: ``/files/{name}`` of ``/files/{name:path}``."""
    return PARAMETER.sub(r"{\1}", path)


class Template:
    """What `scope["route"]` is, where instrumentation of ASGI applications looks for a template.

    Attributes:
        path_format: The path with the names of its parameters, ``/orders/{order_id}``.
    """

    __slots__ = ("path_format",)

    def __init__(self, path: str) -> None:
        self.path_format = template_of(path)

    @property
    def path(self) -> str:
        """The same, under the other name that Starlette's routes have."""
        return self.path_format


def takes_rest(path: str) -> bool:
    """Tell whether the last segment takes the rest of a path, ``/files/{name:path}``."""
    return path.rstrip("/").endswith(":path}")


def shape_of(path: str) -> str:
    return PARAMETER.sub(r"{:\2}", path.rstrip("/"))


class PathTable:
    """What answers which method at which path, so that no route hides another."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, list[str], dict[str, object]]] = {}

    def take(
        self, path: str, parameters: list[str], methods: Iterable[str], route: object
    ) -> Collection[str]:
        """Let a route have some methods of a path.

        Args:
            path: The path; one that differs in the names of its parameters only is the same.
            parameters: The names of its parameters.
            methods: The methods.
            route: What answers them, for the message to another one.

        Returns:
            All methods of the path, those that are taken later too.

        Raises:
            SetupError: Another route has one of the methods, or names a parameter differently.
        """
        shape = shape_of(path)
        known, names, routes = self._taken.setdefault(shape, (path, parameters, {}))
        if names != parameters:
            msg = f"The paths {known!r} and {path!r} name one parameter differently."
            raise SetupError(msg)
        methods = tuple(methods)
        if taken := [method for method in methods if method in routes]:
            what = "Everything at" if taken == [ANY_METHOD] else ", ".join(taken)
            msg = (
                f"{what} {path} is answered by {routes[taken[0]]!r} already; {route!r} "
                "would never be called."
            )
            raise SetupError(msg)
        routes.update(dict.fromkeys(methods, route))
        return routes.keys()

    def routes(self) -> Iterator[object]:
        """Go through the routes, each once."""
        for _, _, routes in self._taken.values():
            yield from dict.fromkeys(routes.values())

    def give_back(self, path: str, methods: Iterable[str]) -> None:
        """Free what a route had taken."""
        _, _, routes = self._taken[shape_of(path)]
        for method in methods:
            del routes[method]


def without_prefix(path: str, root_path: str) -> str:
    """Take the mount's prefix off a path.

    ASGI's `path` includes `root_path`, but some hosts and proxies strip it all the same.
    """
    if path == root_path or path.startswith(f"{root_path}/"):
        return path[len(root_path) :]
    return path


def below(scope: Scope, prefix: str, path: str) -> Scope:
    """Return the scope for a mounted application: `root_path` grows by the prefix.

    Its own root ends in a slash, so that it need not redirect to itself.
    """
    root_path = scope.get("root_path", "")
    tail = "/" if path == prefix else ""
    return {**scope, "root_path": root_path + prefix, "path": root_path + path + tail}
