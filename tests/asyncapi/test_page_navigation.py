"""Finding one's way: links, names, groups, the filter, and what can be copied."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from faststream_integrations.asyncapi import make_asyncapi_asgi
from tests.asyncapi.browsing import (
    ABOUT_THE_TOP,
    Document,
    Watched,
    closing_page,
    eventually,
    open_form,
    operation,
    serving,
)
from tests.asyncapi.fleet import make_fleet
from tests.asyncapi.shop import make_specification

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 375, "height": 800}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(make_asyncapi_asgi(make_fleet())) as url:
        yield url


# --- Links -----------------------------------------------------------------------------------

# Follows every link of the contents; returns those that do not lead to their place.
MISSES = """async () => {
    const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const misses = [];
    const links = [...document.querySelectorAll('nav a[href^="#"]')];
    for (const link of links) {
        link.click();
        await frame(); await frame();
        const anchor = decodeURIComponent(link.getAttribute('href').slice(1));
        const target = document.getElementById(anchor);
        const root = document.documentElement;
        const atEnd = root.scrollTop + innerHeight >= root.scrollHeight - 2;
        const top = target?.getBoundingClientRect().top;
        if (!(top >= -1 && (top < 120 || (atEnd && top < innerHeight)))) misses.push([anchor, top]);
    }
    return [links.length, misses];
}"""


@pytest.mark.parametrize("size", SIZES)
def test_every_link_of_the_contents_lands(size: str, browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=SIZES[size]) as page:
        watched = Watched(page)
        watched.open(url)
        links, misses = page.evaluate(MISSES)
        assert links > 70
        assert misses == []
        watched.assert_quiet()


@pytest.mark.parametrize("size", SIZES)
def test_address_with_a_place_lands_there_and_back_returns(
    size: str, browser: Browser, url: str
) -> None:
    places = ("operation-receive-RedisStock", "operation-send-billing-done:_:Publisher", "messages")
    with closing_page(browser, viewport=SIZES[size]) as page:
        for place in places:
            page.goto("about:blank")
            Watched(page).open(f"{url}/#{place}")
            assert page.evaluate(ABOUT_THE_TOP, place), place
        before = page.evaluate("scrollY")
        page.evaluate("location.hash = 'operations'")
        eventually(page, "before => Math.abs(scrollY - before) > 500", before)
        page.go_back()
        eventually(page, "before => Math.abs(scrollY - before) < 3", before)


def test_each_heading_has_a_link_to_itself(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=SIZES["desktop"]) as page:
        Watched(page).open(url)
        heading = operation(page, "ParcelsRabbit").locator(".heading").first
        heading.hover()
        heading.get_by_role("link", name="Link to ParcelsRabbit").click()
        assert page.url.endswith("/#operation-receive-ParcelsRabbit")
        eventually(page, ABOUT_THE_TOP, "operation-receive-ParcelsRabbit")
        own = page.locator(".heading").count()
        assert page.locator(".heading .permalink").count() == own
        assert own > 35


# --- Names and groups ------------------------------------------------------------------------


def headings(page: Page, level: int) -> list[str]:
    texts: list[str] = page.locator(f"#operations h{level}").all_text_contents()
    return [" ".join(text.split()) for text in texts]


def test_operations_are_grouped_by_broker_and_named_by_handler_then_address(
    browser: Browser, url: str
) -> None:
    with closing_page(browser, viewport=SIZES["desktop"]) as page:
        Watched(page).open(url)
        groups = headings(page, 3)
        assert [group.partition(" ")[0] for group in groups] == [
            "NATS",
            "RabbitMQ",
            "Redis",
            "HTTP",
        ]
        names = headings(page, 4)
        assert "receive ParcelsNats" in names
        assert "send billing.done" in names
        # Nothing is called by what FastStream's ids are made of.
        assert [name for name in names if "Subscribe" in name or ":_:" in name] == []
        assert operation(page, "ParcelsRedis").locator(".whereabouts").text_content() == "parcels"


def test_older_document_names_its_operations_alike(watched: Watched) -> None:
    names = []
    for version in ("3.0.0", "2.6.0"):
        with serving(make_asyncapi_asgi(make_specification(version))) as url:
            page = watched.open(url)
            addresses = page.locator(".operation .whereabouts").all_text_contents()
            names.append((headings(page, 4), addresses))
            form = open_form(page, "Forgets an order")
            assert form.get_by_text("One that matches orders.*.cancelled.").is_visible()
    assert names[0] == names[1]
    watched.assert_quiet()


def test_http_routes_are_called_by_method_and_path(browser: Browser, url: str) -> None:
    with closing_page(browser, viewport=SIZES["desktop"]) as page:
        Watched(page).open(url)
        assert headings(page, 4)[-2:] == ["POST /orders/{order_id}", "GET /version"]
        route = operation(page, "/version")
        for said in ("Available only on servers", "Accepts the following message"):
            assert said not in (route.text_content() or "")
        assert route.locator(".messages").count() == 0


def test_http_route_shows_parameters_body_and_answer(watched: Watched) -> None:
    document = Document(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "HTTP", "version": "1"},
            "channels": {
                "orders": {
                    "address": "/orders/{order_id}",
                    "parameters": {"order_id": {"description": "Which order"}},
                    "messages": {
                        "Request": {
                            "headers": {
                                "type": "object",
                                "properties": {"x-tenant": {"type": "string"}},
                            },
                            "payload": {
                                "type": "object",
                                "properties": {"amount": {"type": "integer"}},
                            },
                        },
                        "Response": {
                            "payload": {
                                "type": "object",
                                "properties": {"total": {"type": "number"}},
                            },
                            "bindings": {"http": {"statusCode": 201}},
                        },
                    },
                }
            },
            "operations": {
                "create": {
                    "action": "receive",
                    "title": "create_order",
                    "channel": {"$ref": "#/channels/orders"},
                    "bindings": {
                        "http": {
                            "method": "POST",
                            "query": {
                                "type": "object",
                                "properties": {"limit": {"type": "integer", "default": 10}},
                            },
                        }
                    },
                    "messages": [{"$ref": "#/channels/orders/messages/Request"}],
                    "reply": {"messages": [{"$ref": "#/channels/orders/messages/Response"}]},
                    "tags": [{"name": "shop"}],
                }
            },
        }
    )
    with serving(make_asyncapi_asgi(document)) as url:  # type: ignore[arg-type]
        page = watched.open(url)
        route = page.locator(".operation")
        text = " ".join((route.text_content() or "").split())
        for shown in (
            "POST /orders/{order_id}", "create_order", "Path", "Which order", "Query", "limit",
            "default10", "x-tenant", "amount", "Response", "201", "total", "#shop",
        ):  # fmt: skip
            assert shown in text, shown
        assert route.locator(".try").count() == 0
        page.get_by_label("Group by").select_option("tag")
        expect(page.locator(".contents-group, .contents-part ul")).not_to_have_count(0)
        watched.assert_quiet()


# --- The filter ------------------------------------------------------------------------------


def shown(page: Page) -> int:
    return page.locator(".operation").locator("visible=true").count()


@pytest.mark.parametrize("size", SIZES)
def test_filter_leaves_the_operations_that_have_all_words(
    size: str, browser: Browser, url: str
) -> None:
    with closing_page(browser, viewport=SIZES[size]) as page:
        watched = Watched(page)
        watched.open(url)
        page.keyboard.press("/")
        field = page.get_by_role("searchbox", name="Filter operations")
        expect(field).to_be_focused()
        page.keyboard.type("parcels REDIS")
        expect(page.get_by_text("1 of 32 operations")).to_be_visible()
        assert page.locator("nav").get_by_role("link", name="ParcelsRedis").is_visible()
        if size == "phone":
            page.get_by_role("button", name="Close", exact=True).click()
        expect(page.locator(".operation").locator("visible=true")).to_have_count(1)
        # A link to an operation that is hidden shows it.
        page.evaluate("location.hash = 'operation-receive-NatsStock'")
        expect(page.locator(".operation").locator("visible=true")).to_have_count(32)
        eventually(page, ABOUT_THE_TOP, "operation-receive-NatsStock")
        page.keyboard.press("/")
        page.keyboard.type("no such thing")
        if size == "phone":
            page.get_by_role("button", name="Close", exact=True).click()
        page.get_by_text("No operation has").wait_for()
        page.get_by_role("button", name="Show all").click()
        expect(page.locator(".operation").locator("visible=true")).to_have_count(32)
        watched.assert_quiet()


def test_escape_empties_the_filter_and_a_slash_in_a_field_is_a_slash(
    browser: Browser, url: str
) -> None:
    with closing_page(browser, viewport=SIZES["desktop"]) as page:
        Watched(page).open(url)
        page.keyboard.press("/")
        page.keyboard.type("a/b")
        field = page.get_by_role("searchbox")
        assert field.input_value() == "a/b"
        page.keyboard.press("Escape")
        assert field.input_value() == ""
        payload = open_form(page, "ParcelsNats").get_by_label("Payload", exact=True)
        payload.fill("")
        payload.press("/")
        assert payload.input_value() == "/"


def test_filter_is_there_without_the_contents(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(make_fleet(), sidebar=False)) as url:
        page = watched.open(url)
        page.get_by_role("searchbox", name="Filter operations").fill("stock")
        expect(page.locator(".operation").locator("visible=true")).to_have_count(6)
        watched.assert_quiet()


# --- Copying ---------------------------------------------------------------------------------


@pytest.fixture
def copying(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_example_and_result_are_copied(copying: Page) -> None:
    with serving(make_asyncapi_asgi(make_specification())) as url:
        page = Watched(copying).open(url)
        found = operation(page, "Takes a new order")
        found.get_by_role("button", name="Copy the payload of Order").click()
        found.get_by_text("Copied").first.wait_for()
        assert json.loads(copied(page))["customer"] == "Ada"
        form = open_form(page, "Takes a new order")
        form.get_by_role("button", name="Send as dry run").click()
        form.get_by_role("button", name="Copy the result").click()
        form.get_by_text("Copied").first.wait_for()
        assert copied(page) == '{\n  "order_id": 42,\n  "total": 19.0\n}'


def test_curl_does_what_the_form_does(copying: Page) -> None:
    with serving(make_asyncapi_asgi(make_specification())) as url:
        page = Watched(copying).open(url)
        form = open_form(page, "Forgets an order")
        text = """{"order_id": 9007199254740993, "reason": "it's $HOME `id` \\\\ é"}"""
        form.get_by_label("Payload", exact=True).fill(text)
        form.get_by_label("Address").fill("orders.eu.cancelled")
        form.get_by_role("button", name="Copy as curl").click()
        form.get_by_text("Copied").first.wait_for()
        command = copied(page)
        assert text.replace("'", "'\\''") in command
        answer = subprocess.run(
            ["sh", "-c", f"{command} --silent --fail"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert json.loads(answer.stdout)["status"] == "ok"


def test_copying_works_where_the_browser_has_no_clipboard(copying: Page) -> None:
    copying.add_init_script(
        "window.kept = navigator.clipboard;"
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )
    with serving(make_asyncapi_asgi(make_specification())) as url:
        page = Watched(copying).open(url)
        button = operation(page, "Takes a new order").get_by_role("button", name="Copy the payload")
        button.click()
        operation(page, "Takes a new order").get_by_text("Copied").first.wait_for()
        assert '"customer": "Ada"' in page.evaluate("kept.readText()")
        expect(button).to_be_focused()


def test_curl_of_what_is_no_message_is_not_copied(copying: Page) -> None:
    with serving(make_asyncapi_asgi(make_specification())) as url:
        form = open_form(Watched(copying).open(url), "Forgets an order")
        form.get_by_label("Payload", exact=True).fill("{")
        form.get_by_role("button", name="Copy as curl").click()
        form.get_by_text("Not copied").first.wait_for()
        form.get_by_role("alert").wait_for()
