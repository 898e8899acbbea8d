"""The page, its document, its files and Try It Out as one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from faststream.specification.base import SpecificationFactory
from typing_extensions import Unpack

from faststream_integrations.asyncapi.assets import Assets, bundled_assets
from faststream_integrations.asyncapi.document import Document, DocumentError
from faststream_integrations.asyncapi.hosts import OfHosts, csrf_of
from faststream_integrations.asyncapi.page import Page, PageLinks, PageOptions, page_base
from faststream_integrations.asyncapi.response import READS, Representation
from faststream_integrations.asyncapi.status import Status
from faststream_integrations.asyncapi.try_it_out import TryItOut
from faststream_integrations.http.errors import error_response
from faststream_integrations.http.protocol import NOT_FOUND, method_not_allowed, refuse
from faststream_integrations.subscribers import adopt
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("AsyncAPIApp", "form_address", "make_asyncapi_asgi", "make_try_it_out")

NOT_STORED = {"Cache-Control": "no-store"}

_PAGES_KEPT = 16


class PageApp:
    """Answers with the page, whatever the path.

    Args:
        page: Makes it: called with cookie and header of the host's protection against forged
            requests.
        document: Knows its title.
        unavailable: Called at each request: where Try It Out is not available, and why.
    """

    def __init__(
        self,
        page: Callable[[Sequence[tuple[str, str]]], Page],
        document: Document,
        unavailable: Callable[[], Mapping[str, str]],
    ) -> None:
        self._page = page
        self._document = document
        self._unavailable = unavailable
        self._rendered: dict[object, Representation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        base, title, csrf = page_base(scope), self._document.title, csrf_of(scope.get("app"))
        unavailable = self._unavailable()
        key = (base, title, csrf, *unavailable.items())
        answer = self._rendered.get(key)
        if answer is None:
            if len(self._rendered) >= _PAGES_KEPT:
                self._rendered.clear()
            answer = self._page(csrf).render(base, title, unavailable)
            self._rendered[key] = answer
        await answer(scope, receive, send)


class DocumentApp:
    """Answers with one form of the document, whatever the path.

    Args:
        read: Returns the form, or raises `DocumentError`.
    """

    def __init__(self, read: Callable[[], Awaitable[Representation]]) -> None:
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; a document that cannot be generated is 500."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        if scope["method"] not in READS:
            await method_not_allowed(READS)(scope, receive, send)
            return
        try:
            answer = await self._read()
        except DocumentError as error:
            await error_response(500, str(error), NOT_STORED)(scope, receive, send)
            return
        await answer(scope, receive, send)


class AsyncAPIApp:
    """Serves the docs page of a specification below the path it is mounted at.

    Args:
        specification: FastStream's factory, such as `AsyncAPI(broker)`.
        options: What the page shows.
        links: Where the page finds the rest, relative to the folder of its files.
        try_it_out: Answers `POST {links.try_it_out}`; None for no such endpoint. When it has a
            true attribute `real_broker`, the page offers to publish to the real broker.
        allowed_hosts: The hosts that all of it but the files is served for; empty for any.
        prefix: Where it is mounted, for a dispatcher that neither takes it off `path` nor says it
            in `root_path`.

    Attributes:
        page: The ASGI application of the page alone, for a host with routes of its own.
        json: The same of the document as JSON.
        yaml: The same of the document as YAML.
        status: The same of what the subscribers do at present; None where `links` have none.
        assets: The page's files, each an ASGI application.
        try_it_out: What was given, for the allowed hosts.

    Raises:
        AssetsMissingError: The package was installed without the page's files.
        TypeError: There is no such option.
        ValueError: An address in the options, or a host, cannot be used.
    """

    def __init__(
        self,
        specification: SpecificationFactory,
        options: PageOptions,
        links: PageLinks,
        *,
        try_it_out: ASGIApp | None = None,
        allowed_hosts: Collection[str] = (),
        prefix: str = "",
    ) -> None:
        document = Document(specification)
        self.assets: Assets = bundled_assets()

        def of_hosts(app: ASGIApp) -> ASGIApp:
            return OfHosts(app, allowed_hosts) if allowed_hosts else app

        def page(csrf: Sequence[tuple[str, str]] = ()) -> Page:
            return Page(
                options,
                links,
                self.assets,
                real_broker=bool(getattr(try_it_out, "real_broker", False)),
                reports=isinstance(try_it_out, TryItOut),
                csrf=csrf,
            )

        page()  # what cannot be used is told now
        unavailable = try_it_out.unavailable if isinstance(try_it_out, TryItOut) else dict[str, str]
        self.page = of_hosts(PageApp(page, document, unavailable))
        self.json = of_hosts(DocumentApp(document.json))
        self.yaml = of_hosts(DocumentApp(document.yaml))
        self.status = of_hosts(Status(specification)) if links.status else None
        self.try_it_out = try_it_out and of_hosts(try_it_out)
        self._prefix = prefix.rstrip("/")
        self._apps: dict[str, ASGIApp | None] = {
            "": self.page,
            links.document: self.json,
            links.yaml: self.yaml,
            **{f"static/{file.name}": file.content for file in self.assets.files.values()},
        }
        if links.status:
            self._apps[links.status] = self.status
        if links.try_it_out:
            self._apps[links.try_it_out] = self.try_it_out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below the mount point; close websockets, answer lifespan events."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        path: str = scope["path"]
        for prefix in (scope.get("root_path", "").rstrip("/"), self._prefix):
            # `root_path` is part of `path` (ASGI), but some frameworks shorten `path` in a mount.
            if prefix and (path == prefix or path.startswith(f"{prefix}/")):
                path = path[len(prefix) :]
        # Litestar ends every path below a mount with a slash.
        app = self._apps.get(path.rstrip("/").removeprefix("/")) or NOT_FOUND
        await app(scope, receive, send)


def make_asyncapi_asgi(
    schema: SpecificationFactory,
    description: str | None = None,
    tags: Sequence[Any] | None = None,
    unique_id: str | None = None,
    include_in_schema: bool = True,
    *,
    try_it_out: bool | ASGIApp = True,
    try_it_out_path: str | None = "try",
    status: bool = False,
    allowed_hosts: Collection[str] = (),
    prefix: str = "",
    **options: Unpack[PageOptions],
) -> AsyncAPIApp:
    """Make the docs page as an ASGI application, to be mounted in any framework.

    Below its mount point it serves the page, `asyncapi.json`, `asyncapi.yaml`, the page's files
    and `POST try`, under any prefix, with and without a slash at the end.

    Args:
        schema: FastStream's factory, such as `AsyncAPI(broker)`.
        description: Ignored; upstream's route has it.
        tags: Ignored; upstream's route has it.
        unique_id: Ignored; upstream's route has it.
        include_in_schema: Ignored; upstream's route has it.
        try_it_out: What answers the page's forms: True for dry runs (the default), False for no
            forms, `TryItOut(real_broker=True, ...)` for dry runs with options of your own, or
            another ASGI application.
        try_it_out_path: Where that is below the mount point. An address with a scheme is where
            the forms send to instead, and nothing answers here; None is `try_it_out=False`.
        status: Show on the page what the subscribers do at present, from `GET status` (default:
            False, since it tells about the inside).
        allowed_hosts: The names of the hosts that it is served for, `*.example.com` for all below
            one; by default any. Matters where it is not behind authentication: see "Security" in
            the documentation of the page.
        prefix: Where it is mounted, for a dispatcher that neither takes it off `path` nor says it
            in `root_path`.
        **options: What the page shows: see `PageOptions`.

    Returns:
        The ASGI application.

    Raises:
        AssetsMissingError: The package was installed without the page's files.
        TypeError: There is no such option.
        ValueError: An address in the options, or a host, cannot be used.
        SetupError: A subscriber asks for what nothing can give it.
    """
    adopt(getattr(schema, "brokers", ()))
    if address := form_address(try_it_out_path):
        options.setdefault("try_it_out_url", address)
    endpoint = make_try_it_out(try_it_out, schema) if try_it_out_path and not address else None
    links = PageLinks(
        try_it_out=try_it_out_path.strip("/") if endpoint and try_it_out_path else None,
        status="status" if status else None,
    )
    return AsyncAPIApp(
        schema,
        options,
        links,
        try_it_out=endpoint,
        allowed_hosts=allowed_hosts,
        prefix=prefix,
    )


def form_address(try_it_out_path: str | None) -> str | None:
    """Return `try_it_out_path` where it is an address of another service, as upstream takes it."""
    is_address = try_it_out_path is not None and "//" in try_it_out_path.partition("?")[0]
    return try_it_out_path if is_address else None


def make_try_it_out(wanted: bool | ASGIApp, specification: SpecificationFactory) -> ASGIApp | None:
    """Return the application that answers what the page's forms send, or None.

    Args:
        wanted: Whether there is one, or the application itself.
        specification: FastStream's factory; brokers that it gets later are seen.
    """
    if wanted is False:
        return None
    endpoint = TryItOut() if wanted is True else wanted
    if isinstance(endpoint, TryItOut):
        return endpoint.of(lambda: getattr(specification, "brokers", ()))
    return endpoint
