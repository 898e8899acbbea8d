"""What the page tells of subscribers and brokers at present, where that is switched on."""

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from faststream_integrations.asyncapi import make_asyncapi_asgi
from faststream_integrations.asyncapi.assets import bundled_assets
from faststream_integrations.asyncapi.page import Page, PageLinks
from faststream_integrations.types import Receive, Scope, Send
from tests.asyncapi.browsing import Watched, operation, serving
from tests.asyncapi.fleet import make_fleet


class Service:
    """Serves the page with a status that a test decides."""

    def __init__(self) -> None:
        page = Page({}, PageLinks(status="status"), bundled_assets(), real_broker=False)
        self._page = page.render("./", "Fleet")
        self._docs = make_asyncapi_asgi(make_fleet())
        self.operations: dict[str, Any] = {}
        self.servers: dict[str, Any] = {}
        self.answers = 200
        self.asked = 0
        self.at_once = self.most_at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await self._page(scope, receive, send)
        elif scope["path"] != "/status":
            await self._docs(scope, receive, send)
        else:
            self.asked += 1
            body = json.dumps({"operations": self.operations, "servers": self.servers})
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": self.answers, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})


@pytest.fixture
def service() -> Service:
    service = Service()
    service.operations = {
        "NatsStock": {"consumption": "up", "reason": ""},
        "NatsSearch": {"consumption": "idle", "reason": "No message for an hour."},
        "RabbitStock": {"consumption": "down", "reason": "RabbitMQ is away."},
        "RedisStock": {"consumption": "dead", "reason": "The task ended: ConnectionError."},
        "RedisSearch": {"consumption": "unknown", "reason": ""},
    }
    service.servers = {
        "Server1": {"connected": True, "reason": ""},
        "Server2": {"connected": False, "reason": "Connection refused."},
    }
    return service


WORDS = {
    "NatsStock": "Consuming",
    "NatsSearch": "IdleNo message for an hour.",
    "RabbitStock": "Not consumingRabbitMQ is away.",
    "RedisStock": "DeadThe task ended: ConnectionError.",
    "RedisSearch": "Unknown",
}


def test_each_operation_says_whether_its_subscriber_consumes(
    service: Service, watched: Watched
) -> None:
    with serving(service) as url:
        page = watched.open(url)
        for name, words in WORDS.items():
            anchor = f"operation-receive-{name}"
            badge = page.locator(f"[id={anchor!r}] .status")
            expect(badge).to_have_text(words)
            # A shape of its own, for who sees no difference between the colours.
            assert badge.locator(".mark").count() == 1
        shapes = page.locator(".operation .status .mark").evaluate_all(
            """all => all.map(node => {
                const style = getComputedStyle(node);
                const isFilled = style.backgroundColor !== 'rgba(0, 0, 0, 0)';
                return [style.clipPath, style.borderRadius, style.borderStyle, isFilled].join();
            })"""
        )
        assert len(set(shapes)) == len(WORDS)
        # Those without a subscriber of their own have none, nor have those that nobody knows.
        assert page.locator(".operation .status").count() == len(WORDS)
        contents = page.get_by_role("navigation")
        assert contents.get_by_role("link", name="RedisStock redis:stock").count() == 0
        expect(contents.get_by_role("link", name="RedisStock").first).to_contain_text("Dead")
        watched.assert_quiet()


def test_each_server_says_whether_its_broker_answers(service: Service, watched: Watched) -> None:
    with serving(service) as url:
        page = watched.open(url)
        expect(page.locator("#server-Server1 .status")).to_have_text("Connected")
        expect(page.locator("#server-Server2 .status")).to_have_text(
            "Not connectedConnection refused."
        )
        assert page.locator("#server-Server3 .status").count() == 0
        watched.assert_quiet()


def test_status_is_asked_again_and_while_the_page_is_visible_only(
    service: Service, watched: Watched
) -> None:
    page = watched.page
    page.clock.install()
    with serving(service) as url:
        watched.open(url)
        badge = page.locator("#operation-receive-NatsStock .status")
        expect(badge).to_have_text("Consuming")
        service.operations["NatsStock"] = {"consumption": "down", "reason": "Gone."}
        page.clock.run_for(5_000)
        expect(badge).to_have_text("Not consumingGone.")
        set_visibility(watched, "hidden")
        page.clock.run_for(1_000)
        before = service.asked
        page.clock.run_for(60_000)
        assert service.asked == before
        service.operations["NatsStock"] = {"consumption": "up", "reason": ""}
        set_visibility(watched, "visible")
        expect(badge).to_have_text("Consuming")
        assert service.asked == before + 1
        watched.assert_quiet()


def set_visibility(watched: Watched, state: str) -> None:
    watched.page.evaluate(
        """state => {
            const value = { value: state, configurable: true };
            Object.defineProperty(document, 'visibilityState', value);
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        state,
    )


@pytest.mark.parametrize("answers", [500, 401])
def test_status_that_cannot_be_had_is_unknown_not_old(
    answers: int, service: Service, watched: Watched
) -> None:
    page = watched.page
    page.clock.install()
    with serving(service) as url:
        watched.open(url)
        badge = page.locator("#operation-receive-NatsStock .status")
        expect(badge).to_have_text("Consuming")
        service.answers = answers
        page.clock.run_for(5_000)
        expect(badge).to_have_text("Unknown")
        service.answers = 200
        page.clock.run_for(5_000)
        expect(badge).to_have_text("Consuming")


def test_page_asks_for_no_status_by_itself(watched: Watched) -> None:
    requests: list[str] = []
    watched.page.on("request", lambda request: requests.append(request.url))
    with serving(make_asyncapi_asgi(make_fleet())) as url:
        page = watched.open(url)
        assert page.locator(".status").count() == 0
        assert operation(page, "ParcelsNats").count() == 1
    assert [request for request in requests if "status" in request] == []


def test_page_shows_what_its_application_says(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(make_fleet(), status=True)) as url:
        page = watched.open(url)
        badges = page.locator(".operation .status")
        expect(badges).to_have_text(["Not consumingnot started"] * 18)
        expect(page.locator(".server .status")).to_have_count(3)
        watched.assert_quiet()
