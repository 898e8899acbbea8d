"""The page for everybody: axe-core's rules, the keyboard, small screens, print and motion."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from faststream_integrations.asyncapi import make_asyncapi_asgi
from tests.asyncapi.browsing import (
    ABOUT_THE_TOP,
    Watched,
    closing_page,
    eventually,
    open_all,
    open_form,
    serving,
)
from tests.asyncapi.fleet import make_fleet

UI = Path(__file__).parents[2] / "ui"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 800}
NARROWEST = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(make_asyncapi_asgi(make_fleet())) as url:
        yield url


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, of npm's lock file."""
    source = UI / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        npm = shutil.which("npm")
        if npm is None:
            message = "neither ui/node_modules/axe-core nor npm is here"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        subprocess.run([npm, "ci", "--silent"], cwd=UI, check=True, timeout=300)
    return source.read_text(encoding="utf-8")


def findings(page: Page, axe: str) -> list[str]:
    """What axe-core finds on the page as it is now, but for what is minor."""
    page.evaluate(axe)
    result: dict[str, Any] = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{each['impact']} {each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in result["violations"]
        for node in each["nodes"][:3]
        if each["impact"] != "minor"
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(
    viewport: Any, scheme: Literal["light", "dark"], browser: Browser, url: str, axe: str
) -> None:
    with closing_page(browser, viewport=viewport, color_scheme=scheme) as page:
        watched = Watched(page)
        watched.open(url)
        assert findings(page, axe) == []
        # All that a reader can open: forms with their results, problems, schemas, the contents.
        for name in ("Try it out", "Headers", "Expand all"):
            open_all(page, name)
        open_all(page, "Send as dry run")
        page.locator(".try-result").nth(5).wait_for()
        payload = page.get_by_label("Payload", exact=True).first
        payload.fill('{"id": "x", "kind": 1}')
        page.get_by_role("button", name="Send as dry run").first.click()
        page.locator(".try-problems").first.wait_for()
        page.get_by_label("Payload", exact=True).nth(1).fill("{")
        page.get_by_role("button", name="Send as dry run").nth(1).click()
        page.get_by_role("alert").wait_for()
        assert findings(page, axe) == []
        if viewport is PHONE:
            page.get_by_role("button", name="Contents").click()
            assert findings(page, axe) == []
        watched.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, NARROWEST], ids=["phone", "320 pixels"])
def test_small_screen_scrolls_in_one_direction_only(
    viewport: Any, scheme: Literal["light", "dark"], browser: Browser, url: str
) -> None:
    with closing_page(browser, viewport=viewport, color_scheme=scheme) as page:
        watched = Watched(page)
        watched.open(url)
        for name in ("Try it out", "Headers", "Expand all"):
            open_all(page, name)
        open_all(page, "Send as dry run")
        page.locator(".try-result").nth(5).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        # No part is cut off either, but for what scrolls on its own.
        outside = page.evaluate(
            """width => [...document.querySelectorAll('main *')]
                .filter(node => node.getClientRects().length && !node.closest('pre, table'))
                .filter(node => !node.closest('.for-readers, svg'))
                .filter(node => node.getBoundingClientRect().right > width + 1)
                .map(node => node.outerHTML.slice(0, 100))""",
            viewport["width"],
        )
        assert outside == []
        page.get_by_role("button", name="Contents").click()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        watched.assert_quiet()


def test_menu_of_a_small_screen_works_by_keyboard(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=PHONE) as page:
        Watched(page).open(url)
        menu = page.get_by_role("button", name="Contents")
        assert menu.get_attribute("aria-expanded") == "false"
        contents = page.get_by_role("navigation", name="Contents")
        assert not contents.is_visible()
        menu.focus()
        page.keyboard.press("Enter")
        expect(contents).to_be_visible()
        close = page.get_by_role("button", name="Close", exact=True)
        assert close.get_attribute("aria-expanded") == "true"
        # The next stop is in the menu, and none is in what the menu covers.
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('nav')")
        assert page.locator("main").get_attribute("inert") is not None
        page.keyboard.press("Escape")
        expect(contents).not_to_be_visible()
        expect(menu).to_be_focused()
        page.keyboard.press("Enter")
        contents.get_by_role("link", name="recv ParcelsRedis").press("Enter")
        expect(contents).not_to_be_visible()
        eventually(page, ABOUT_THE_TOP, "operation-receive-ParcelsRedis")


def test_everything_is_done_by_keyboard_alone(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=DESKTOP) as page:
        watched = Watched(page)
        watched.open(url)
        press = page.keyboard.press
        press("Tab")
        assert focused(page) == "Skip to the content"
        press("Tab")
        assert focused(page) == "Skip to the operations"
        press("Enter")
        stops = 0
        while not focused(page).startswith("Try it out"):
            press("Tab")
            stops += 1
            assert stops < 10
        press("Enter")
        while page.evaluate("document.activeElement.tagName") != "TEXTAREA":
            press("Tab")
        page.keyboard.insert_text(" ")
        press("Control+Enter")
        # The focus stays in the field, from which it was sent.
        page.locator(".try-result").wait_for()
        assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
        while focused(page) != "Send as dry run":
            press("Tab")
        press("Enter")
        page.locator(".try-result").wait_for()
        assert focused(page) == "Send as dry run"
        watched.assert_quiet()


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.textContent")
    return text


def test_parts_have_roles_and_names(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=DESKTOP) as page:
        Watched(page).open(url)
        for role in ("main", "navigation", "search"):
            assert page.get_by_role(role).count() == 1  # type: ignore[arg-type]
        levels: list[int] = page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => +h.tagName[1])"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert max(below - above for above, below in pairwise(levels)) == 1
        # A heading of a description's Markdown is none of the page's.
        assert page.get_by_role("heading", name="With a heading").count() == 0
        folds = page.locator("button.fold")
        assert folds.count() > 50
        assert page.locator("button.fold:not([aria-expanded])").count() == 0
        unknown = page.evaluate(
            """[...document.querySelectorAll('[aria-controls]')]
                .filter(node => !document.getElementById(node.getAttribute('aria-controls')))
                .length"""
        )
        assert unknown == 0


def test_what_happened_is_announced(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=DESKTOP) as page:
        Watched(page).open(url)
        form = open_form(page, "ParcelsNats")
        form.get_by_role("button", name="Send as dry run").click()
        expect(form.locator(".try-form > [role=status]")).to_have_text(
            "The handler succeeded and returned nothing."
        )


def test_print_has_the_document_alone(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=DESKTOP) as page:
        Watched(page).open(url)
        page.emulate_media(media="print")
        for hidden in (".bar", ".contents", ".skip", ".permalink", ".try", ".copy", ".filter"):
            assert page.locator(hidden).locator("visible=true").count() == 0, hidden
        assert page.locator(".operation").locator("visible=true").count() == 32
        heights = (
            "[...document.querySelectorAll('pre')].every(p => p.scrollHeight <= p.clientHeight)"
        )
        assert page.evaluate(heights)


def test_nothing_moves_where_that_is_not_wanted(browser: Browser, url: str) -> None:
    durations = """[...document.querySelectorAll('*')].filter(node => {
        const style = getComputedStyle(node);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
    }).length"""
    with closing_page(browser, viewport=DESKTOP, reduced_motion="reduce") as page:
        Watched(page).open(url)
        assert page.evaluate(durations) == 0
