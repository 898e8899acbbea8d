"""The built documentation, walked by a real Chromium that reaches no other host."""

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urldefrag, urljoin
from xml.etree import ElementTree as ET

import pytest

from tests.asyncapi.conftest import browser
from tests.docs.examples import ROOT
from tools.pictures import PICTURES

__all__ = ("browser",)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=300,
    )
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_page_has_its_pictures_and_links_and_no_error(url, site, browser):
    pages = [
        url + path.relative_to(site).as_posix().removesuffix("index.html")
        for path in sorted(site.rglob("index.html"))
    ]
    assert len(pages) > 15
    faults: list[str] = []
    anchors: dict[str, set[str]] = {}
    links: list[tuple[str, str]] = []
    page = browser.new_page()
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith(url) or faults.append(request.url))
    page.on(
        "response",
        lambda answer: answer.status < 400 or faults.append(f"{answer.status}: {answer.url}"),
    )
    for address in pages:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        for image in page.locator("article img").all():
            image.scroll_into_view_if_needed()
            width = image.evaluate(
                "async image => { await image.decode(); return image.naturalWidth }"
            )
            assert width > 0, (address, image.get_attribute("src"))
            assert image.get_attribute("alt"), (address, image.get_attribute("src"))
        anchors[address] = set(
            page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        )
        found = page.evaluate(
            "[...document.querySelectorAll('a[href]')].map(each => each.getAttribute('href'))"
        )
        links += [(address, urljoin(address, link)) for link in found]
    page.close()

    assert faults == []
    here = [(source, *urldefrag(link)) for source, link in links if link.startswith(url)]
    assert len(here) > 300
    files = {url + path.relative_to(site).as_posix() for path in site.rglob("*.*")}
    for source, link, anchor in here:
        target = link.removesuffix("index.html")
        assert target in anchors or target in files, (source, link)
        assert not anchor or anchor in anchors[target], (source, link, anchor)


def test_search_finds_without_another_host(url, browser):
    page = browser.new_page()
    other: list[str] = []
    page.on("request", lambda request: request.url.startswith(url) or other.append(request.url))
    page.goto(url)
    page.keyboard.press("/")
    page.keyboard.type("readiness")
    first = page.locator(".md-search-result__item a, [data-md-component=search-result] a").first
    first.wait_for()
    first.click()
    page.wait_for_load_state("networkidle")
    assert "readiness" in page.locator("article").inner_text().lower()
    assert other == []
    page.close()


def test_links_to_other_hosts_are_few_and_known(site):
    """They cannot be followed here: a new one wants a look, and a line."""
    hosts = {
        host
        for path in site.rglob("*.html")
        for host in re.findall(r'<a [^>]*href="https?://([^/"]+)', path.read_text())
    }
    assert hosts <= {
        *("127.0.0.1:8000", "github.com", "keepachangelog.com", "semver.org"),
        *("squidfunk.github.io", "www.rfc-editor.org", "asgi.readthedocs.io"),
    }


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_the_one_that_is_drawn(name):
    drawn = str(PICTURES[name]())
    assert (ROOT / "docs" / "images" / name).read_text() == drawn, "python -m tools.pictures"
    tree = ET.fromstring(drawn)
    assert tree.find("{http://www.w3.org/2000/svg}title").text
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_on_a_page(name):
    assert any(f"images/{name}" in page.read_text() for page in (ROOT / "docs").glob("*.md"))
