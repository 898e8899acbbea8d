"""A page in a real browser, and what must not happen there."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Locator, Page

from faststream_integrations.types import ASGIApp


class Document:
    """A specification that is what a test says."""

    title = "Test"

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def to_specification(self) -> "Document":
        return self

    def to_jsonable(self) -> dict[str, Any]:
        return self._document


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application with uvicorn at a free port.

    The page and a dry run need no broker, and so no lifespan and no server to connect to.
    """
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn did not start"
            time.sleep(0.01)
        [listener] = [s for each in server.servers for s in each.sockets]
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class Watched:
    """A page that remembers what must not happen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', event =>"
            " window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))"
        )

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:")):
            self.complaints.append(f"request: {request.url}")

    def open(self, url: str) -> Page:
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready=true]", timeout=30_000)
        return self.page

    def assert_quiet(self) -> None:
        assert self.page.evaluate("window.violations") == []
        assert self.complaints == []


@contextmanager
def closing_page(browser: Browser, **options: Any) -> Iterator[Page]:
    page = browser.new_page(**options)
    page.set_default_timeout(15_000)
    try:
        yield page
    finally:
        page.close()


def open_all(page: Page, name: str) -> None:
    """Click every button of that name."""
    buttons = page.get_by_role("button", name=name)
    assert buttons.count() > 0
    buttons.evaluate_all("all => all.forEach(button => button.click())")


def operation(page: Page, text: str) -> Locator:
    """The operation that has that text."""
    return page.locator(".operation").filter(has_text=text)


def open_form(page: Page, text: str) -> Locator:
    """Open the form of the operation that has that text; return the operation."""
    found = operation(page, text)
    found.get_by_role("button", name="Try it out").click()
    found.locator(".try-form").wait_for()
    return found


def eventually(page: Page, function: str, argument: Any = None) -> None:
    """Wait until a JavaScript function returns true.

    Playwright's `wait_for_function` compiles code in the page, which the page's policy forbids.
    """
    deadline = time.monotonic() + 15
    while not page.evaluate(function, argument):
        assert time.monotonic() < deadline, function
        page.wait_for_timeout(20)


ABOUT_THE_TOP = """anchor => {
    const { top } = document.getElementById(anchor).getBoundingClientRect();
    return top >= -1 && top < 120;
}"""
"""Whether the element of an id is where a link to it should lead."""
