"""The page, its document, its files and Try It Out as one ASGI application."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from faststream.specification.base import SpecificationFactory
from typing_extensions import Unpack

from faststream_integrations.asgi.errors import error_response
from faststream_integrations.asgi.handlers import NOT_FOUND, method_not_allowed, refuse
from faststream_integrations.asyncapi.assets import Assets, bundled_assets
from faststream_integrations.asyncapi.document import Document, DocumentError
from faststream_integrations.asyncapi.page import Page, PageLinks, PageOptions, page_base
from faststream_integrations.asyncapi.response import READS, Representation
from faststream_integrations.asyncapi.try_it_out import TryItOut
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("AsyncAPIApp", "make_asyncapi_asgi", "make_try_it_out")

NOT_STORED = {"Cache-Control": "no-store"}

_PAGES_KEPT = 16


class PageEndpoint:
    """Answers with the page, whatever the path.

    Args:
        page: Renders it.
        document: Knows its title.
    """

    def __init__(self, page: Page, document: Document) -> None:
        self._page = page
        self._document = document
        self._rendered: dict[tuple[str, str], Representation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        key = (page_base(scope), self._document.title)
        answer = self._rendered.get(key)
        if answer is None:
            if len(self._rendered) >= _PAGES_KEPT:
                self._rendered.clear()
            answer = self._rendered[key] = self._page.render(*key)
        await answer(scope, receive, send)


class DocumentEndpoint:
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

    Attributes:
        page: The ASGI application of the page alone, for a host with routes of its own.
        json: The same of the document as JSON.
        yaml: The same of the document as YAML.
        assets: The page's files, each an ASGI application.
        try_it_out: What was given.

    Raises:
        AssetsMissingError: The package was installed without the page's files.
        TypeError: There is no such option.
        ValueError: An address in the options cannot be used.
    """

    def __init__(
        self,
        specification: SpecificationFactory,
        options: PageOptions,
        links: PageLinks,
        *,
        try_it_out: ASGIApp | None = None,
    ) -> None:
        real_broker = bool(getattr(try_it_out, "real_broker", False))
        document = Document(specification)
        self.assets: Assets = bundled_assets()
        self.page = PageEndpoint(
            Page(options, links, self.assets, real_broker=real_broker), document
        )
        self.json = DocumentEndpoint(document.json)
        self.yaml = DocumentEndpoint(document.yaml)
        self.try_it_out = try_it_out
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below the mount point; close websockets, answer lifespan events."""
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        endpoint = self._find(scope)
        if endpoint is None:
            await NOT_FOUND(scope, receive, send)
        else:
            await endpoint(scope, receive, send)

    def _find(self, scope: Scope) -> ASGIApp | None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "").rstrip("/")
        # `root_path` is part of `path` (ASGI), but some frameworks shorten `path` in a mount.
        is_below_root = bool(root) and (path == root or path.startswith(f"{root}/"))
        # Litestar ends every path below a mount with a slash.
        rest = (path[len(root) :] if is_below_root else path).rstrip("/")
        if not rest:
            return self.page
        if rest.endswith(f"/{self._links.document}"):
            return self.json
        if rest.endswith(f"/{self._links.yaml}"):
            return self.yaml
        if self.try_it_out is not None and rest.endswith(f"/{self._links.try_it_out}"):
            return self.try_it_out
        folder, _, name = rest.rpartition("/")
        if folder.endswith("/static"):
            return self.assets.find(name)
        if is_below_root or _is_shortened(scope) or "." in name:
            return None
        # A dispatcher that leaves the path as it was has not said where it mounted this.
        return self.page


def _is_shortened(scope: Scope) -> bool:
    """Whether a mount took a prefix off `path`; `raw_path` is what the client sent."""
    sent: bytes = (scope.get("raw_path") or b"").partition(b"?")[0]
    return len(unquote_to_bytes(sent).rstrip(b"/")) > len(scope["path"].rstrip("/").encode())


def make_asyncapi_asgi(
    schema: SpecificationFactory,
    description: str | None = None,
    tags: Sequence[Any] | None = None,
    unique_id: str | None = None,
    include_in_schema: bool = True,
    *,
    try_it_out: bool | ASGIApp = True,
    try_it_out_path: str | None = "try",
    try_it_out_real_broker: bool = False,
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
        try_it_out: Dry-run messages that the page sends (default: True). A `TryItOut` with limits
            of its own, or another ASGI application, takes the place of the usual one.
        try_it_out_path: Where below the mount point; None is the same as `try_it_out=False`.
        try_it_out_real_broker: Let the page publish to the real broker (default: False).
        **options: What the page shows: see `PageOptions`.

    Returns:
        The ASGI application.

    Raises:
        AssetsMissingError: The package was installed without the page's files.
        TypeError: There is no such option.
        ValueError: An address in the options cannot be used.
    """
    endpoint = make_try_it_out(
        try_it_out if try_it_out_path else False, schema, real_broker=try_it_out_real_broker
    )
    links = PageLinks()
    if endpoint is not None and try_it_out_path:
        links = PageLinks(try_it_out=try_it_out_path.strip("/"))
    return AsyncAPIApp(schema, options, links, try_it_out=endpoint)


def make_try_it_out(
    wanted: bool | ASGIApp, specification: SpecificationFactory, *, real_broker: bool
) -> ASGIApp | None:
    """Return the application that answers what the page's forms send, or None.

    Args:
        wanted: Whether there is one, or the application itself.
        specification: FastStream's factory; brokers that it gets later are seen.
        real_broker: Let the page publish to the real broker.
    """
    if not isinstance(wanted, bool):
        return wanted
    if not wanted:
        return None
    return TryItOut(lambda: getattr(specification, "brokers", ()), real_broker=real_broker)
