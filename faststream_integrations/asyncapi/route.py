"""Where an application serves the docs page, as `asyncapi_path` takes it."""

import posixpath
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple

from faststream.asgi import AsyncAPIRoute as UpstreamRoute
from faststream.specification.base import SpecificationFactory
from typing_extensions import Self, Unpack

from faststream_integrations._faststream import EMPTY
from faststream_integrations.asyncapi.app import AsyncAPIApp, form_address, make_try_it_out
from faststream_integrations.asyncapi.page import (
    DEFAULT_OPTIONS,
    PageLinks,
    PageOptions,
    check_options,
)
from faststream_integrations.asyncapi.response import Representation
from faststream_integrations.asyncapi.try_it_out import RESPONSES, TryItOutRequest
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.sources import Body, Field
from faststream_integrations.types import ASGIApp

__all__ = ("AsyncAPIRoute", "Endpoint")


class Endpoint(NamedTuple):
    """One route of the docs page.

    Attributes:
        path: Its whole path, without parameters.
        method: GET, whose application answers HEAD as well, or POST.
        app: The ASGI application that answers it.
        name: Its name, unique among the endpoints of one page.
    """

    path: str
    method: str
    app: ASGIApp
    name: str


class AsyncAPIRoute(UpstreamRoute):
    """The paths of the docs page, and what the page shows.

    Args:
        path: Where the page is.
        description: The page's description in the schema of the host.
        tags: The page's tags in the schema of the host.
        unique_id: The page's id in the schema of the host.
        include_in_schema: Show the page's routes in the schema of the host (default: False).
        asyncapi_json_path: Where the document is, by default `{path}.json`; the YAML is beside
            it. With None it is only where the page itself needs it, below `path`.
        try_it_out: What answers the page's forms: True for dry runs (the default), False for no
            forms, `TryItOut(real_broker=True, ...)` for dry runs with options of your own, or
            another ASGI application.
        try_it_out_path: Where that is, by default `{path}/try`. An address with a scheme is where
            the forms send to instead, and nothing answers here; None is `try_it_out=False`.
        status: Show on the page what the subscribers do at present, from `GET {path}/status`
            (default: False, since it tells about the inside).
        allowed_hosts: The names of the hosts that all of it but the page's files is served for,
            `*.example.com` for all below one; by default any.
        **options: What the page shows: see `PageOptions`.

    Raises:
        TypeError: There is no such option.
    """

    def __init__(
        self,
        path: str,
        description: str | None = None,
        tags: Sequence[Any] | None = None,
        unique_id: str | None = None,
        include_in_schema: bool = False,
        asyncapi_json_path: str | None = EMPTY,
        *,
        try_it_out: bool | ASGIApp = True,
        try_it_out_path: str | None = EMPTY,
        status: bool = False,
        allowed_hosts: Collection[str] = (),
        **options: Unpack[PageOptions],
    ) -> None:
        check_options("AsyncAPIRoute", options)
        stem = path.rstrip("/")
        if asyncapi_json_path is EMPTY:
            asyncapi_json_path = f"{stem or '/asyncapi'}.json"
        if try_it_out_path is EMPTY:
            try_it_out_path = f"{stem}/try"
        if address := form_address(try_it_out_path):
            options.setdefault("try_it_out_url", address)
            try_it_out = False
        # Upstream's attributes, for upstream's application; not its arguments, which vary.
        self.path = path
        self.description = description
        self.tags = tags
        self.unique_id = unique_id
        self.include_in_schema = include_in_schema
        self.asyncapi_json_path = asyncapi_json_path
        self.try_it_out = try_it_out if try_it_out_path else False
        self.try_it_out_path = try_it_out_path if try_it_out else None
        self.status = status
        self.allowed_hosts = allowed_hosts
        self.options = options
        vars(self).update({**DEFAULT_OPTIONS, **options})

    @classmethod
    def ensure_route(cls, path: str | UpstreamRoute) -> Self:
        """Make a route of a path or of upstream's route; a route of ours is returned as it is."""
        if isinstance(path, cls):
            return path
        if isinstance(path, str):
            return cls(path)
        options = {name: getattr(path, name) for name in DEFAULT_OPTIONS if hasattr(path, name)}
        return cls(
            path.path,
            path.description,
            path.tags,
            path.unique_id,
            path.include_in_schema,
            path.asyncapi_json_path,
            try_it_out_path=path.try_it_out_path,
            **options,
        )

    def endpoints(self, specification: SpecificationFactory) -> list[Endpoint]:
        """Return the routes that a host registers, each as an ASGI application.

        Args:
            specification: FastStream's factory, such as `AsyncAPI(broker)`.

        Raises:
            AssetsMissingError: The package was installed without the page's files.
            ValueError: An address in the options, or a host, cannot be used.
        """
        stem = self.path.rstrip("/")
        json_path = self.asyncapi_json_path or f"{stem}/asyncapi.json"
        yaml_path = f"{json_path.removesuffix('.json')}.yaml"
        try_it_out = make_try_it_out(self.try_it_out, specification)
        links = PageLinks(
            document=_relative(json_path, stem),
            yaml=_relative(yaml_path, stem),
            try_it_out=self.try_it_out_path and _relative(self.try_it_out_path, stem),
            status=_relative(f"{stem}/status", stem) if self.status else None,
        )
        app = AsyncAPIApp(
            specification,
            self.options,
            links,
            try_it_out=try_it_out,
            allowed_hosts=self.allowed_hosts,
        )
        endpoints = [
            Endpoint(self.path, "GET", app.page, "asyncapi"),
            Endpoint(json_path, "GET", app.json, "asyncapi_json"),
            Endpoint(yaml_path, "GET", app.yaml, "asyncapi_yaml"),
        ]
        for kind, file in app.assets.files.items():
            endpoints.append(
                Endpoint(f"{stem}/static/{file.name}", "GET", file.content, f"asyncapi_{kind}")
            )
        if app.status:
            endpoints.append(Endpoint(f"{stem}/status", "GET", app.status, "asyncapi_status"))
        if app.try_it_out and self.try_it_out_path:
            endpoints.append(Endpoint(self.try_it_out_path, "POST", app.try_it_out, "asyncapi_try"))
        return endpoints

    def handlers(self, specification: SpecificationFactory) -> list[tuple[str, HttpHandler]]:
        """Return the same routes as handlers, for a host that serves those.

        With `include_in_schema` the page, the document and Try It Out are in the host's schema;
        the page's files never are.

        Args:
            specification: FastStream's factory, such as `AsyncAPI(broker)`.

        Raises:
            AssetsMissingError: The package was installed without the page's files.
            ValueError: An address in the options, or a host, cannot be used.
        """
        return [
            (
                endpoint.path,
                (_TryItOutHandler if endpoint.method == "POST" else HttpHandler)(
                    _returning(endpoint.app, endpoint.name),
                    methods=(endpoint.method,),
                    include_in_schema=self.include_in_schema
                    and not isinstance(endpoint.app, Representation),
                    description=self.description if endpoint.path == self.path else None,
                    tags=self.tags,
                    unique_id=self.unique_id if endpoint.path == self.path else None,
                    request_max_body_size=None,
                    responses=RESPONSES if endpoint.method == "POST" else None,
                ),
            )
            for endpoint in self.endpoints(specification)
        ]


class _TryItOutHandler(HttpHandler):
    """Says in the documents what the application that it returns reads of the request."""

    @property
    def fields(self) -> list[Field]:
        return [Field("form", True, Body(), "form", TryItOutRequest, EMPTY)]


def _returning(app: ASGIApp, name: str) -> Callable[[], Awaitable[ASGIApp]]:
    """Make a function that returns an application, to answer in its place."""

    async def function() -> ASGIApp:
        return app

    function.__name__ = function.__qualname__ = name
    return function


def _relative(path: str, page: str) -> str:
    return posixpath.relpath(path, page or "/")
