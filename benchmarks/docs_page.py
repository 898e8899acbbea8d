"""The AsyncAPI page: bytes and requests to show it, time to show it, and CPU per request.

Goals: no request costs more than upstream's, one for the document a hundredth.

Upstream's page loads its script and stylesheet from public hosts. Their sizes are known, and npm's
registry has the same files: from there the browser gets them here, without the way through the
internet. The script of upstream's Try It Out is not there, so upstream's page is shown without it.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import AsyncAPIRoute as UpstreamRoute
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from faststream.specification.asyncapi import site
from pydantic import BaseModel, create_model

from benchmarks.measure import OURS, Answer, Case, Connection, Request, measure, report, table
from faststream_integrations import AsgiFastStream, AsyncAPIRoute
from faststream_integrations.asyncapi.response import Representation
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("main",)

UPSTREAM = "faststream.asgi"
CHANNELS = 20
MANY_CHANNELS = 300
DENSE_MODELS = 8
LOADS = 3
SECONDS_PER_LOAD = 60
SECONDS_FOR_DENSE = 20


@dataclass(frozen=True)
class File:
    """A file that upstream's page loads from another host.

    Attributes:
        path: Where npm's package has it.
        size: Its size in bytes.
        compressed: Its size as `gzip -9` makes it; the hosts compress it as well.
    """

    path: str
    size: int
    compressed: int


COMPONENT = "@asyncapi/react-component@3.1.5"
FILES = {
    f"https://unpkg.com/{COMPONENT}/browser/standalone/index.js": File(
        "package/browser/standalone/index.js", 3_032_156, 637_654
    ),
    f"https://unpkg.com/{COMPONENT}/styles/default.min.css": File(
        "package/styles/default.min.css", 24_647, 5_246
    ),
}


# --- The application -------------------------------------------------------------------------


class Order(BaseModel):
    id: int
    customer: str
    items: list[str]
    note: str | None = None


def make_broker(channels: int) -> NatsBroker:
    broker = NatsBroker(logger=None)
    for number in range(channels):

        @broker.subscriber(f"orders.{number}", title=f"orders-{number}")
        async def take_order(order: Order) -> None:
            """Takes one of many kinds of orders."""

    return broker


def make_dense_broker(models: int) -> NatsBroker:
    """Subscribers of models each of which has a required list of each: a document of 10 kB."""
    broker = NatsBroker(logger=None)
    names = [f"Model{number}" for number in range(models)]
    fields: dict[str, Any] = {f"to_{name}".lower(): (f"list[{name}]", ...) for name in names}
    namespace = {name: create_model(name, id=(int, ...), **fields) for name in names}
    for number, model in enumerate(namespace.values()):
        model.model_rebuild(_types_namespace=namespace)

        async def take(body: Any) -> None: ...

        take.__annotations__["body"] = model
        broker.subscriber(f"models.{number}", title=f"models-{number}")(take)

    return broker


def our_app(broker: NatsBroker) -> ASGIApp:
    return AsgiFastStream(
        broker,
        specification=AsyncAPI(title="Orders"),
        asyncapi_path=AsyncAPIRoute("/docs"),
    )


def upstream_app(broker: NatsBroker, **options: Any) -> ASGIApp:
    return UpstreamAsgiFastStream(
        broker,
        specification=AsyncAPI(title="Orders"),
        asyncapi_path=UpstreamRoute("/docs", **options),
    )


# --- Bytes and requests ----------------------------------------------------------------------


BROWSER = ((b"host", b"127.0.0.1"), (b"accept-encoding", b"gzip, deflate, br, zstd"))


async def fetch(app: ASGIApp, path: str, *headers: tuple[bytes, bytes]) -> Connection:
    """Answer a request as a browser sends it."""
    connection = Connection(Request(path, headers=(*BROWSER, *headers)))
    await app(connection.scope, connection.receive, connection.send)
    return connection


async def size(app: ASGIApp, path: str) -> int:
    connection = await fetch(app, path)
    assert connection.status == 200, path
    return len(connection.body)


async def print_sizes() -> None:
    ours, upstream = our_app(make_broker(CHANNELS)), upstream_app(make_broker(CHANNELS))
    loaded = {"asyncapi", "asyncapi_json", "asyncapi_script", "asyncapi_stylesheet"}
    endpoints = AsyncAPIRoute("/docs").endpoints(AsyncAPI())
    our_sizes = [await size(ours, each.path) for each in endpoints if each.name in loaded]
    their_page = await size(upstream, "/docs")
    their_files = [
        FILES.get(url) for url in (site.ASYNCAPI_JS_DEFAULT_URL, site.ASYNCAPI_CSS_DEFAULT_URL)
    ]
    known = [file for file in their_files if file is not None]
    their_bytes = their_page + sum(file.compressed for file in known)
    # Page, script, stylesheet, Try It Out's script and one of four icons.
    their_requests, their_foreign = 5, 4
    print(f"To show {CHANNELS} channels; bodies in bytes, compressed where the server does it:\n")
    print(
        table(
            ["", OURS, UPSTREAM, "times less"],
            [
                _row("requests", len(our_sizes), their_requests),
                _row("of them to other hosts", 0, their_foreign),
                _row("bytes, first visit", sum(our_sizes), their_bytes),
                _row("bytes, second visit", 0, their_page),
            ],
        )
    )
    print(
        f"\nOf {UPSTREAM} not counted: the icon, and the script of Try It Out, which cannot be "
        "had here."
    )
    if len(known) < len(their_files):
        print("This version of FastStream loads files of unknown size, which are not counted.")


def _row(name: str, ours: int, theirs: int) -> list[str]:
    ratio = f"{theirs / ours:.3g}" if ours else ""
    return [name, f"{ours:,}", f"{theirs:,}", ratio]


# --- Time in the browser ---------------------------------------------------------------------


def fetch_upstream_files() -> Mapping[str, Representation]:
    """Take upstream's files from npm's registry.

    Raises:
        OSError: There is no npm.
        subprocess.SubprocessError: It could not fetch them.
    """
    npm = shutil.which("npm")
    if npm is None:
        msg = "no npm on PATH"
        raise OSError(msg)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [npm, "pack", "--silent", COMPONENT],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )
        [package] = Path(folder).glob("*.tgz")
        content = package.read_bytes()
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for file in FILES.values():
            member = archive.extractfile(file.path)
            assert member is not None, file.path
            body = member.read()
            assert len(body) == file.size, file.path
            kind = "text/javascript" if file.path.endswith(".js") else "text/css"
            files[f"/{Path(file.path).name}"] = Representation(body, kind)
    return files


def upstream_page(broker: NatsBroker, files: Mapping[str, Representation]) -> ASGIApp:
    page = upstream_app(
        broker,
        asyncapi_js_url="/index.js",
        asyncapi_css_url="/default.min.css",
        try_it_out_path=None,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await files.get(scope["path"], page)(scope, receive, send)

    return app


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application with uvicorn at a free port."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        [listener] = [s for each in server.servers for s in each.sockets]
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


WATCH = """
new MutationObserver((_, observer) => {
  if (document.querySelector("#operations li")) {
    observer.disconnect();
    requestAnimationFrame(() => { document.documentElement.dataset.shown = performance.now(); });
  }
}).observe(document, { childList: true, subtree: true });
"""


def milliseconds_to_show(browser: Any, url: str, seconds: float) -> float:
    """Open a page with an empty cache; return when the first operation was painted.

    Returns infinity for a page that did not show it in the seconds given.
    """
    from playwright.sync_api import TimeoutError as NotShown

    context = browser.new_context()
    try:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url, wait_until="commit")
        try:
            shown = page.wait_for_selector("html[data-shown]", timeout=seconds * 1000)
        except NotShown:
            return inf
        return float(shown.get_attribute("data-shown"))
    finally:
        context.close()


def print_times() -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        print(f"Time to the first operation: SKIPPED, no browser on PATH ({', '.join(names)}).")
        return
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("Time to the first operation: SKIPPED, playwright is not installed.")
        return
    try:
        files = fetch_upstream_files()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{UPSTREAM}: SKIPPED, its files cannot be fetched: {error}.\n")
        files = {}
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        for name, make, size, seconds in (
            (f"{CHANNELS} channels", make_broker, CHANNELS, SECONDS_PER_LOAD),
            (f"{MANY_CHANNELS} channels", make_broker, MANY_CHANNELS, SECONDS_PER_LOAD),
            (
                f"{DENSE_MODELS} models of each other",
                make_dense_broker,
                DENSE_MODELS,
                SECONDS_FOR_DENSE,
            ),
        ):
            apps = {OURS: our_app(make(size))}
            if files:
                apps[UPSTREAM] = upstream_page(make(size), files)
            rows.append([name, *_times(browser, apps, seconds)])
        browser.close()
    print("Milliseconds until the browser shows the first operation, with an empty cache:\n")
    print(table(["", OURS, UPSTREAM, "times faster"], rows))


def _times(browser: Any, apps: Mapping[str, ASGIApp], seconds: float) -> list[str]:
    times: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(LOADS):
        for name, app in apps.items():
            with serving(app) as url:
                if inf in times[name]:
                    continue
                times[name].append(milliseconds_to_show(browser, f"{url}/docs", seconds))
    ours, theirs = times[OURS], times.get(UPSTREAM)
    if theirs is None:
        return [f"{median(ours):,.0f}", "", ""]
    if inf in theirs:
        return [
            f"{median(ours):,.0f}",
            f"not in {seconds:g} s",
            f"over {seconds * 1000 / median(ours):.3g}",
        ]
    ratio = median(their / our for our, their in zip(ours, theirs, strict=True))
    return [f"{median(ours):,.0f}", f"{median(theirs):,.0f}", f"{ratio:.3g}"]


# --- CPU per request -------------------------------------------------------------------------


class Answered(Answer):
    """Equals every answer that is no failure: the bodies differ, and only ours knows 304."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and other.status in {200, 304}

    __hash__ = None  # type: ignore[assignment]


async def cases() -> list[Case]:
    apps = {OURS: our_app(make_broker(CHANNELS)), UPSTREAM: upstream_app(make_broker(CHANNELS))}
    cases = []
    # Upstream keeps the page, but generates the document for each request.
    for name, path, goal in (("page", "/docs", 1.0), ("JSON", "/docs.json", 100.0)):
        first = await fetch(apps[OURS], path)
        tag = dict(first.headers)[b"etag"]
        unchanged = await fetch(apps[OURS], path, (b"if-none-match", tag))
        assert (first.status, unchanged.status) == (200, 304)
        for case, headers in (
            (name, BROWSER),
            (f"{name}, unchanged (304)", (*BROWSER, (b"if-none-match", tag))),
        ):
            request = Request(path, headers=headers)
            cases.append(Case(case, request, Answered(200, b""), apps, goals={UPSTREAM: goal}))
    return cases


async def print_costs() -> None:
    report([await measure(case) for case in await cases()])


def main() -> None:
    asyncio.run(print_sizes())
    print()
    print_times()
    print()
    asyncio.run(print_costs())
