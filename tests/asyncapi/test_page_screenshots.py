"""The pictures of README and docs, made by `make screenshots`."""

import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.asyncapi.browsing import Watched, closing_page, operation, serving
from tests.asyncapi.shop import in_starlette

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.mark.skipif(not os.environ.get("SCREENSHOTS"), reason="made by `make screenshots`")
@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("asyncapi-light", 1280, 1190, "light"),
        ("asyncapi-dark", 1280, 1190, "dark"),
        ("asyncapi-phone", 390, 1260, "light"),
    ],
)
def test_screenshot(
    browser: Browser, name: str, width: int, height: int, scheme: Literal["light", "dark"]
) -> None:
    app, path = in_starlette()
    viewport = {"width": width, "height": height}
    with closing_page(browser, viewport=viewport, color_scheme=scheme) as page, serving(app) as url:
        Watched(page).open(url + path)
        form = operation(page, "Takes a new order")
        form.get_by_role("button", name="Try it out").click()
        form.get_by_role("button", name="Send as dry run").click()
        form.locator(".try-messages").wait_for()
        form.evaluate("node => node.scrollIntoView()")
        page.screenshot(path=IMAGES / f"{name}.png")
