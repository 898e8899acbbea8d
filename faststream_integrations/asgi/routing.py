"""Which route answers a path: handlers at exact paths, other ASGI applications below a prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable

from faststream.exceptions import SetupError

from faststream_integrations.asgi.handlers import (
    NOT_FOUND,
    HttpHandler,
    method_not_allowed,
    refuse,
)
from faststream_integrations.types import ASGIApp, Scope

__all__ = ("Router", "below", "check_path_parameters", "path_parameters")

_PARAMETER = re.compile(r"\{([^{}]*)\}")


def path_parameters(path: str) -> list[str]:
    """Return the names of the parameters in a path like ``/orders/{order_id}``.

    Raises:
        SetupError: The path does not begin with ``/``, a parameter is not a whole segment or has
            no name of its own.
    """
    if not path.startswith("/"):
        msg = f"The path {path!r} has to begin with '/'."
        raise SetupError(msg)
    names = []
    for segment in path.split("/"):
        if "{" not in segment and "}" not in segment:
            continue
        match = _PARAMETER.fullmatch(segment)
        if match is None or not match[1].isidentifier():
            msg = (
                f"The segment {segment!r} of the path {path!r}: a parameter is a whole segment "
                "with a Python name, like '/orders/{order_id}'."
            )
            raise SetupError(msg)
        names.append(match[1])
    if len(set(names)) < len(names):
        msg = f"A parameter repeats in the path {path!r}."
        raise SetupError(msg)
    return names


def check_path_parameters(path: str, handler: HttpHandler) -> None:
    """Refuse a path without the parameters that a handler reads.

    Raises:
        SetupError: The path lacks a parameter, or is malformed.
    """
    parameters = path_parameters(path)
    for field in handler.call.fields():
        if field.source == "path" and field.required and field.alias not in parameters:
            msg = (
                f"{handler!r} reads the path parameter {field.alias!r}, which the path {path!r} "
                "does not have."
            )
            raise SetupError(msg)


class Route:
    """What answers at one path, by method."""

    __slots__ = ("endpoints", "parameters", "path")

    def __init__(self, path: str, parameters: list[str]) -> None:
        self.path = path
        self.parameters = parameters
        self.endpoints: dict[str, ASGIApp] = {}

    def add(self, methods: Iterable[str], app: ASGIApp) -> None:
        for method in methods:
            if method in self.endpoints:
                msg = (
                    f"{method} {self.path} is answered by {self.endpoints[method]!r}; "
                    f"{app!r} would never be called."
                )
                raise SetupError(msg)
            self.endpoints[method] = app

    def find(self, scope: Scope) -> ASGIApp:
        """Return the handler of the request's method, or what refuses the request."""
        try:
            return self.endpoints[scope["method"]]
        except KeyError:  # a websocket has no method
            return method_not_allowed(tuple(self.endpoints)) if scope["type"] == "http" else refuse


class Node:
    """A segment in the tree of the paths that have parameters."""

    __slots__ = ("children", "parameter", "route")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.route: Route | None = None


class Router:
    """Finds the route of a request.

    A static path comes before one with parameters, and a handler before a mount; of several
    mounts the longest prefix counts. A handler answers with and without the trailing slash.
    """

    __slots__ = ("_mounts", "_root", "_static")

    def __init__(self) -> None:
        self._static: dict[str, Route] = {}
        self._root = Node()
        self._mounts: list[tuple[str, ASGIApp]] = []

    def add(self, path: str, methods: Iterable[str], app: ASGIApp) -> None:
        """Let an ASGI application answer at a path, exactly.

        Raises:
            SetupError: The path is malformed, or one of the methods is answered there already.
        """
        parameters = path_parameters(path)
        path = path.rstrip("/")
        if not parameters:
            route = self._static.get(path) or Route(path or "/", parameters)
            route.add(methods, app)
            self._static[path] = self._static[path + "/"] = route
            return
        node = self._root
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.children.setdefault(segment, Node())
        if node.route is None:
            node.route = Route(path, parameters)
        elif node.route.parameters != parameters:
            msg = f"The paths {node.route.path!r} and {path!r} name one parameter differently."
            raise SetupError(msg)
        node.route.add(methods, app)

    def mount(self, path: str, app: ASGIApp) -> None:
        """Hand everything at a prefix and below it to an ASGI application.

        Raises:
            SetupError: The path does not begin with ``/`` or has parameters.
        """
        if path_parameters(path):
            msg = f"The path {path!r}: a mounted application takes no path parameters."
            raise SetupError(msg)
        prefix = path.rstrip("/")
        if any(prefix == mounted for mounted, _ in self._mounts):
            msg = f"Another application is mounted at {path!r}."
            raise SetupError(msg)
        self._mounts.append((prefix, app))
        self._mounts.sort(key=lambda mount: len(mount[0]), reverse=True)

    def find(self, scope: Scope) -> tuple[ASGIApp, Scope]:
        """Return what answers a request or a websocket, and the scope that it gets.

        Nothing at a path is a 404, or a websocket closed.
        """
        path: str = scope["path"]
        if root_path := scope.get("root_path"):
            path = _without_prefix(path, root_path)
        if (route := self._static.get(path)) is not None:
            return route.find(scope), scope
        if self._root.children or self._root.parameter:
            segments = path.removesuffix("/").split("/")
            if (match := _match(self._root, segments, 1, ())) is not None:
                route, values = match
                parameters = dict(zip(route.parameters, values))  # noqa: B905 - as many of each
                if outer := scope.get("path_params"):
                    parameters = {**outer, **parameters}
                scope = dict(scope)
                scope["path_params"] = parameters
                return route.find(scope), scope
        for prefix, app in self._mounts:
            if path == prefix or path.startswith(f"{prefix}/"):
                return app, below(scope, prefix, path)
        return (NOT_FOUND if scope["type"] == "http" else refuse), scope


def _without_prefix(path: str, root_path: str) -> str:
    """Take the mount's prefix off a path.

    ASGI's `path` includes `root_path`, but some hosts and proxies strip it all the same.
    """
    if path == root_path or path.startswith(f"{root_path}/"):
        return path[len(root_path) :]
    return path


def _match(
    node: Node, segments: list[str], position: int, values: tuple[str, ...]
) -> tuple[Route, tuple[str, ...]] | None:
    """Find the route of a path; a segment that is named comes before a parameter."""
    for index in range(position, len(segments)):
        segment = segments[index]
        child = node.children.get(segment)
        if node.parameter is not None and segment:
            if child is not None and (found := _match(child, segments, index + 1, values)):
                return found
            child = node.parameter
            values = (*values, segment)
        if child is None:
            return None
        node = child
    return None if node.route is None else (node.route, values)


def below(scope: Scope, prefix: str, path: str) -> Scope:
    """Return the scope for a mounted application: `root_path` grows by the prefix.

    Its own root ends in a slash, so that it need not redirect to itself.
    """
    root_path = scope.get("root_path", "")
    tail = "/" if path == prefix else ""
    return {**scope, "root_path": root_path + prefix, "path": root_path + path + tail}
