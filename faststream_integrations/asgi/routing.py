"""Which route answers a path: handlers at exact paths, other ASGI applications below a prefix."""

from __future__ import annotations

from collections.abc import Iterable

from faststream_integrations.http.paths import (
    Template,
    below,
    path_parameters,
    takes_rest,
    without_prefix,
)
from faststream_integrations.http.protocol import (
    NOT_FOUND,
    method_not_allowed,
    options,
    refuse,
)
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("Router",)


class Route(Template):
    """What answers at one path, by method."""

    __slots__ = ("endpoints", "parameters", "takes_rest")

    def __init__(self, path: str, parameters: list[str]) -> None:
        super().__init__(path)
        self.parameters = parameters
        self.takes_rest = takes_rest(path)
        self.endpoints: dict[str, ASGIApp] = {}

    def find(self, scope: Scope) -> ASGIApp:
        """Return the handler of the request's method, or what refuses the request."""
        scope["route"] = self
        try:
            return self.endpoints[scope["method"]]
        except KeyError:  # a websocket has no method
            if scope["type"] != "http":
                return refuse
            answer = options if scope["method"] == "OPTIONS" else method_not_allowed
            return answer(tuple(self.endpoints))


class Mount(Template):
    """An ASGI application that answers at a prefix and below it."""

    __slots__ = ("app", "prefix")

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path.rstrip("/") or "/")
        self.prefix = path.rstrip("/")
        self.app = app


class Node:
    """A segment in the tree of the paths that have parameters."""

    __slots__ = ("children", "parameter", "rest", "route")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.rest: Route | None = None
        self.route: Route | None = None


class Router:
    """Finds the route of a request.

    A static path comes before one with parameters, and a handler before a mount; a parameter that
    takes the rest of a path comes after those that take a segment; of several mounts the longest
    prefix counts. A handler answers with and without the trailing slash.
    """

    __slots__ = ("_mounts", "_root", "_static")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all routes."""
        self._static: dict[str, Route] = {}
        self._root = Node()
        self._mounts: list[Mount] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a websocket."""
        app, scope = self.find(scope)
        await app(scope, receive, send)

    def add(self, path: str, methods: Iterable[str], app: ASGIApp) -> None:
        """Let an ASGI application answer some methods at a path, exactly."""
        route = self._route_at(path)
        route.endpoints.update(dict.fromkeys(methods, app))

    def _route_at(self, path: str) -> Route:
        parameters = path_parameters(path)
        route = Route(path.rstrip("/") or "/", parameters)
        if not parameters:
            stem = path.rstrip("/")
            route = self._static.setdefault(stem, route)
            self._static[f"{stem}/"] = route
            return route
        node = self._root
        for segment in path.rstrip("/").split("/")[1:]:
            if takes_rest(segment):
                node.rest = node.rest or route
                return node.rest
            if segment.startswith("{"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.children.setdefault(segment, Node())
        node.route = node.route or route
        return node.route

    def mount(self, path: str, app: ASGIApp) -> None:
        """Hand everything at a prefix and below it to an ASGI application."""
        self._mounts.append(Mount(path, app))
        self._mounts.sort(key=lambda mount: len(mount.prefix), reverse=True)

    def find(self, scope: Scope) -> tuple[ASGIApp, Scope]:
        """Return what answers a request or a websocket, and the scope that it gets.

        Nothing at a path is a 404, or a websocket closed.
        """
        path: str = scope["path"]
        if root_path := scope.get("root_path"):
            path = without_prefix(path, root_path)
        if (route := self._static.get(path)) is not None:
            return route.find(scope), scope
        root = self._root
        if root.children or root.parameter or root.rest:
            segments = path.removesuffix("/").split("/")
            if (match := _match(root, segments, 1, ())) is not None:
                route, values = match
                if route.takes_rest and values[-1] and path.endswith("/"):
                    values = (*values[:-1], f"{values[-1]}/")
                endpoint = route.find(scope)
                parameters = dict(zip(route.parameters, values))  # noqa: B905 - as many of each
                if outer := scope.get("path_params"):
                    parameters = {**outer, **parameters}
                return endpoint, {**scope, "path_params": parameters}
        for mount in self._mounts:
            prefix = mount.prefix
            if path == prefix or path.startswith(f"{prefix}/"):
                scope["route"] = mount
                return mount.app, below(scope, prefix, path)
        return (NOT_FOUND if scope["type"] == "http" else refuse), scope


def _match(
    node: Node, segments: list[str], position: int, values: tuple[str, ...]
) -> tuple[Route, tuple[str, ...]] | None:
    """Find the route of a path; a segment that is named comes before a parameter."""
    for index in range(position, len(segments)):
        segment = segments[index]
        child = node.children.get(segment)
        if node.rest is not None:
            return (
                (child is not None and _match(child, segments, index + 1, values))
                or (
                    node.parameter is not None
                    and segment
                    and _match(node.parameter, segments, index + 1, (*values, segment))
                )
                or (node.rest, (*values, "/".join(segments[index:])))
            )
        if node.parameter is not None and segment:
            if child is not None and (found := _match(child, segments, index + 1, values)):
                return found
            child = node.parameter
            values = (*values, segment)
        if child is None:
            return None
        node = child
    if node.route is not None:
        return node.route, values
    return None if node.rest is None else (node.rest, (*values, ""))
