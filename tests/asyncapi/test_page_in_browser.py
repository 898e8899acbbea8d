"""The docs page in a real Chromium that reaches no host but the one under test."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from playwright.sync_api import Browser

from faststream_integrations.asyncapi import make_asyncapi_asgi
from faststream_integrations.types import Receive, Scope, Send
from tests.asyncapi.browsing import Document, Watched, closing_page, open_all, open_form, serving
from tests.asyncapi.shop import HOSTS, Host, in_starlette, make_specification


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_page_shows_the_application_and_dry_runs_a_message(
    host: Callable[[], Host], watched: Watched
) -> None:
    app, path = host()
    with serving(app) as url:
        page = watched.open(url + path)
        assert page.title() == "Order service | AsyncAPI"
        text = page.locator("#asyncapi").text_content() or ""
        for shown in ("Order service", "orders.new", "invoices.created", "as the shop sends it"):
            assert shown in text
        # Markdown, in which the docstring's indentation is no listing.
        assert page.locator("#operations em").get_by_text("total").count() > 0
        # An operation for each subscriber, publisher and HTTP route, a form for each subscriber.
        assert page.locator(".operation").count() == 4
        assert page.locator(".try-toggle").count() == 2

        form = open_form(page, "Takes a new order")
        form.get_by_text("What else the handler does").wait_for()
        form.get_by_role("button", name="Send as dry run").click()
        outcome = form.locator(".try-outcome")
        outcome.get_by_text("The handler succeeded.").last.wait_for()
        result = outcome.text_content() or ""
        assert re.search(r"\d ms", result)
        assert "It would have published 1 message" in result
        assert "invoices.created" in result
        assert '"total": 19.0' in result
        watched.assert_quiet()


PLUGIN = """
window.AsyncApiTryItPlugin = {
  createTryItOutPlugin: options => ({
    name: "foreign", version: "1",
    install(api) {
      api.registerComponent("operation", () => `foreign panel to ${options.resolveEndpoint()}`);
    },
  }),
};
"""


def test_files_of_another_host_take_the_place_of_the_bundled_ones(watched: Watched) -> None:
    async def files(scope: Scope, receive: Receive, send: Send) -> None:
        is_script = scope["path"].endswith(".js")
        content = PLUGIN if is_script else "html { background: rgb(1, 2, 3) }"
        media_type = b"text/javascript" if is_script else b"text/css"
        headers = [(b"content-type", media_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content.encode()})

    with serving(files) as other:
        docs = make_asyncapi_asgi(
            make_specification(),
            asyncapi_css_url=f"{other}/page.css",
            try_it_out_plugin_url=f"{other}/plugin.js",
        )
        with serving(docs) as url:
            page = watched.open(url)
            assert page.get_by_text("foreign panel to ./try").count() == 4
            assert page.locator(".try").count() == 0
            background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            assert background == "rgb(1, 2, 3)"
            watched.assert_quiet()


def test_no_forms_without_try_it_out(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(make_specification(), try_it_out=False)) as url:
        page = watched.open(url)
        assert page.locator(".operation").count() == 4
        assert page.locator(".try").count() == 0
        watched.assert_quiet()


def test_display_switches_hide_their_parts(watched: Watched) -> None:
    docs = make_asyncapi_asgi(make_specification(), sidebar=False, servers=False, schemas=False)
    with serving(docs) as url:
        page = watched.open(url)
        assert page.locator(".contents, .bar, #servers, #schemas").count() == 0
        assert page.locator("#operations, #messages").count() == 2
        watched.assert_quiet()


def test_empty_application_says_so(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(AsyncAPI(NatsBroker()))) as url:
        page = watched.open(url)
        page.get_by_text("Nothing to show yet").wait_for()
        watched.assert_quiet()


def test_broken_document_is_said_on_the_page(watched: Watched) -> None:
    class Broken(AsyncAPI):
        def to_specification(self) -> Any:
            raise LookupError("secret-detail")

    with serving(make_asyncapi_asgi(Broken(NatsBroker()))) as url:
        watched.page.goto(url)
        watched.page.get_by_text("The document could not be shown").wait_for()
        text = watched.page.locator("body").text_content() or ""
        assert "500" in text
        assert "secret-detail" not in text


HOSTILE = (
    "</script><script>window.hacked = 1</script>"
    "<img src=x onerror='window.hacked = 1'><svg onload='window.hacked = 1'></svg>"
    "<style>body { display: none }</style><iframe srcdoc='<script>1</script>'></iframe>"
    "<form action='https://evil.example'><input id='asyncapi-config'></form>"
    "<a href='javascript:window.hacked = 1' style='position: fixed' id='asyncapi'>a</a>"
    "\n\n[link](javascript:window.hacked=1) ![image](https://evil.example/x.png) "
    "[data](data:text/html,<script>window.hacked=1</script>)"
    '\n\n```html"onload=x\n</code></pre><img src=x onerror=window.hacked=1>\n```\n'
)
STRUCTURE = {"$ref", "action", "asyncapi", "defaultContentType", "location", "protocol", "type"}
ADDRESSES = {"url", "termsOfService", "email"}


def poison(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        poisoned = {name: poison(inner, name) for name, inner in value.items()}
        if key == "info" or "type" in value:
            poisoned["x-extension"] = HOSTILE
        return poisoned
    if isinstance(value, list):
        return [poison(inner, key) for inner in value]
    if not isinstance(value, str) or key in STRUCTURE:
        return value
    return "javascript:window.hacked=1//" if key in ADDRESSES else value + HOSTILE


def hostile_document(schema_version: str) -> dict[str, Any]:
    document = make_specification(schema_version).to_specification().to_jsonable()
    info = document["info"]
    info["description"] = "text"
    info["termsOfService"] = "https://a"
    info["x-logo"] = "https://evil.example/logo.png"
    info["contact"] = {"name": "name", "url": "https://a", "email": "a@b"}
    info["tags"] = [{"name": "tag", "externalDocs": {"url": "https://a", "description": "d"}}]
    info["externalDocs"] = {"url": "https://a", "description": "text"}
    for channel in document["channels"].values():
        channel["description"] = "text"
    for schema in document["components"]["schemas"].values():
        schema["externalDocs"] = {"url": "https://a"}
        schema["description"] = "text"
        schema["examples"] = ["text", {"$ref": "text"}]
    for message in document["components"]["messages"].values():
        message["summary"] = message["contentType"] = "text"
        message["examples"] = [{"name": "n", "summary": "s", "payload": {"a": "text"}}]
    poisoned: dict[str, Any] = poison(document)
    return poisoned


@pytest.mark.parametrize("schema_version", ["3.0.0", "2.6.0"])
def test_hostile_specification_runs_nothing(schema_version: str, watched: Watched) -> None:
    document = Document(hostile_document(schema_version))
    document.title = HOSTILE
    docs = make_asyncapi_asgi(document, try_it_out_url="/try")  # type: ignore[arg-type]
    with serving(docs) as url:
        page = watched.open(url)
        open_all(page, "Try it out")
        open_all(page, "Expand all")
        assert "window.hacked = 1" in (page.locator("#asyncapi").text_content() or "")
        assert page.locator(".operation").count() == 4
        assert page.evaluate("window.hacked") is None
        # The two elements of its own that the page has.
        assert page.locator("script").count() == 2
        assert page.locator("style, iframe, form, object, embed, base").count() == 0
        assert page.locator("#asyncapi img, #asyncapi [style*=fixed]").count() == 0
        assert page.locator("[id=asyncapi], [id=asyncapi-config]").count() == 2
        addresses = page.eval_on_selector_all("a[href]", "all => all.map(a => a.protocol)")
        assert set(addresses) <= {"http:", "https:", "mailto:"}
        assert page.locator("body").is_visible()
        watched.assert_quiet()


def test_dark_page_is_dark(browser: Browser) -> None:
    brightness = []
    for scheme in ("light", "dark"):
        with ExitStack() as stack:
            page = stack.enter_context(closing_page(browser, color_scheme=scheme))
            app, path = in_starlette()
            Watched(page).open(stack.enter_context(serving(app)) + path)
            for selector in ("html", ".aui-root .panel-item .shadow", ".json pre", ".contents"):
                color = page.locator(selector).first.evaluate(
                    "node => getComputedStyle(node).backgroundColor"
                )
                channels = [int(part) for part in color.strip("rgba()").split(",")[:3]]
                brightness.append((scheme, selector, sum(channels) / 3))
    assert [each for each in brightness if (each[2] > 128) != (each[0] == "light")] == []
