"""The form of Try It Out: what is sent, what is shown, and that nothing is claimed or lost."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from faststream import Header
from faststream.exceptions import AckMessage, NackMessage, RejectMessage
from faststream.nats import JStream, NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from playwright.sync_api import Locator, expect
from pydantic import BaseModel, Field

from faststream_integrations.asyncapi import TryItOut, make_asyncapi_asgi
from faststream_integrations.asyncapi.assets import bundled_assets
from faststream_integrations.asyncapi.page import Page, PageLinks
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.types import ASGIApp, Receive, Scope, Send
from tests.asyncapi.browsing import Watched, open_form, operation, serving
from tests.asyncapi.shop import make_specification

DRY_RUN = "Send as dry run"


class Answering:
    """Stands in for the endpoint: remembers what was sent and answers what a test says."""

    real_broker = True

    def __init__(
        self,
        body: bytes | dict[str, Any],
        *,
        status: int = 200,
        media_type: bytes = b"application/json",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.sent: list[bytes] = []
        self.received: list[dict[bytes, bytes]] = []
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = [(b"content-type", media_type), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        self.sent.append(body)
        self.received.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


OK = {"status": "ok", "result": None, "published": []}


@contextmanager
def form_of(
    watched: Watched, endpoint: ASGIApp | bool, text: str = "Takes a new order"
) -> Iterator[Locator]:
    """The open form of an operation, in front of an endpoint."""
    with serving(make_asyncapi_asgi(make_specification(), try_it_out=endpoint)) as url:
        yield open_form(watched.open(url), text)


def send(form: Locator) -> Locator:
    """Send what the form holds; return what comes of it."""
    form.get_by_role("button", name=DRY_RUN).click()
    result = form.locator(".try-result")
    result.wait_for()
    return result


def test_payload_that_is_no_json_is_not_sent(watched: Watched) -> None:
    endpoint = Answering(OK)
    with form_of(watched, endpoint) as form:
        payload = form.get_by_label("Payload", exact=True)
        payload.fill('{\n  "id" 1\n}')
        form.get_by_role("button", name=DRY_RUN).click()
        alert = form.get_by_role("alert")
        assert alert.text_content() == (
            "The payload is not JSON. Line 2, column 8: a colon is missing."
        )
        assert payload.get_attribute("aria-invalid") == "true"
        assert endpoint.sent == []
        form.get_by_label("send as plain text").check()
        send(form)
        assert json.loads(endpoint.sent[0])["message"]["message"] == '{\n  "id" 1\n}'
        assert form.get_by_role("alert").count() == 0
        watched.assert_quiet()


def test_headers_that_are_no_object_are_the_headers_fault(watched: Watched) -> None:
    endpoint = Answering(OK)
    with form_of(watched, endpoint) as form:
        form.get_by_role("button", name="Headers").click()
        headers = form.get_by_label("Headers, as a JSON object")
        for wrong in ("[1]", "{", '"a"'):
            headers.fill(wrong)
            form.get_by_role("button", name=DRY_RUN).click()
            form.get_by_text("The headers are not a JSON object.").wait_for()
            assert headers.get_attribute("aria-invalid") == "true"
            assert form.get_by_label("Payload", exact=True).get_attribute("aria-invalid") == "false"
        assert endpoint.sent == []
        watched.assert_quiet()


def test_switch_for_the_real_broker_is_there_only_when_allowed(watched: Watched) -> None:
    for allowed in (False, True):
        docs = make_asyncapi_asgi(make_specification(), try_it_out=TryItOut(real_broker=allowed))
        with serving(docs) as url:
            page = watched.open(url)
            page.get_by_role("button", name="Try it out").first.click()
            assert page.get_by_label("publish to the real broker").count() == int(allowed)


def test_button_says_what_it_does(watched: Watched) -> None:
    endpoint = Answering(OK)
    with form_of(watched, endpoint, "Forgets an order") as form:
        form.get_by_label("Payload", exact=True).fill('{"order_id": 1}')
        form.get_by_label("Address").fill("orders.eu.cancelled")
        form.get_by_role("button", name="Headers").click()
        form.get_by_label("Headers, as a JSON object").fill('{"tenant": "a", "attempt": 2.0}')
        assert "The handler succeeded" in (send(form).text_content() or "")
        form.get_by_label("publish to the real broker").check()
        # What the dry run came to says nothing of the real broker.
        assert form.locator(".try-result").count() == 0
        assert form.get_by_role("button", name=DRY_RUN).count() == 0
        form.get_by_role("button", name="Publish to the real broker").click()
        form.locator(".try-result").get_by_text("Published to the real broker.").wait_for()
        dry, real = map(json.loads, endpoint.sent)
        assert dry == {
            "channelName": "orders.*.cancelled:Cancel",
            "message": {
                "operation_id": "orders.*.cancelled:CancelSubscribe",
                "operation_type": "receive",
                "message": {"order_id": 1},
            },
            "headers": {"tenant": "a", "attempt": "2.0"},
            "address": "orders.eu.cancelled",
            "options": {"sendToRealBroker": False},
        }
        assert real == {**dry, "options": {"sendToRealBroker": True}}
        watched.assert_quiet()


# --- What was typed is sent, what came is shown ----------------------------------------------

TYPED = '{ "a":9007199254740993,\n "b": 1.0, "c":[1e2,-0], "a":"\\u00e9" }'


def test_what_was_typed_is_what_is_sent(watched: Watched) -> None:
    endpoint = Answering(OK)
    with form_of(watched, endpoint) as form:
        form.get_by_label("Payload", exact=True).fill(TYPED)
        form.get_by_role("button", name="Headers").click()
        form.get_by_label("Headers, as a JSON object").fill('{"id": 9007199254740993, "v": 1.0}')
        send(form)
        assert f'"message":{TYPED}'.encode() in endpoint.sent[0]
        assert json.loads(endpoint.sent[0])["headers"] == {"id": "9007199254740993", "v": "1.0"}
        watched.assert_quiet()


def test_what_came_is_what_is_shown(watched: Watched) -> None:
    published = (
        b'[{"channel": "audit", "payload": 1.0, "headers": {"n": 9007199254740993}},'
        b' {"channel": "text", "payload": "1"}]'
    )
    answer = (
        b'{"status": "ok", "result": {"id": 9007199254740993, "rate": 1.0, "e": 1E5},'
        b' "published": ' + published + b"}"
    )
    with form_of(watched, Answering(answer)) as form:
        text = send(form).text_content() or ""
        for shown in ('"id": 9007199254740993', '"rate": 1.0', '"e": 1E5', '"n": 9007199254740993'):
            assert shown in text
        # A text is told from a number.
        assert send(form).locator("pre").all_text_contents()[-1] == '"1"'
        watched.assert_quiet()


def test_numbers_arrive_at_the_handler_and_return_as_they_are(watched: Watched) -> None:
    broker = NatsBroker(logger=None)

    @broker.subscriber("echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return {"is": repr(body), **body}

    with serving(make_asyncapi_asgi(AsyncAPI(broker))) as url:
        form = open_form(watched.open(url), "echo")
        form.get_by_label("Payload", exact=True).fill('{"n": 9007199254740993, "f": 1.0}')
        text = send(form).text_content() or ""
        assert "{'n': 9007199254740993, 'f': 1.0}" in text
        assert '"n": 9007199254740993' in text
        assert '"f": 1.0' in text
        watched.assert_quiet()


# --- Only an answer of the protocol is a success ---------------------------------------------

LOGIN = b"<html><form>Sign in</form></html>"
NO_SUCCESS = {
    "a login page": (Answering(LOGIN, media_type=b"text/html"), "not one of Try It Out"),
    "a login page that says JSON": (Answering(LOGIN), "not one of Try It Out"),
    "a redirect": (
        Answering(b"", status=302, headers=((b"location", b"/login"),)),
        "redirected the request",
    ),
    "a redirect to another host": (
        Answering(b"", status=307, headers=((b"location", b"https://login.example.com"),)),
        "redirected the request",
    ),
    "nothing": (Answering(b""), "not one of Try It Out"),
    "text": (Answering(b"ok", media_type=b"text/plain"), "not one of Try It Out"),
    "half an answer": (Answering(b'{"status": "ok"'), "not one of Try It Out"),
    "401": (Answering({"detail": "Sign in."}, status=401), "You are not signed in. Sign in."),
    "403": (Answering({"details": "CSRF"}, status=403), "The service refuses the message. CSRF"),
    "413": (Answering({"details": "Why."}, status=413), "The message is too large. Why."),
    "500": (
        Answering(b"Internal Server Error", status=500, media_type=b"text/plain"),
        "status 500",
    ),
    "502": (Answering(LOGIN, status=502, media_type=b"text/html"), "did not take the message"),
}


@pytest.mark.parametrize(("endpoint", "said"), NO_SUCCESS.values(), ids=NO_SUCCESS.keys())
def test_what_is_no_answer_is_no_success(endpoint: Answering, said: str, watched: Watched) -> None:
    with form_of(watched, endpoint) as form:
        result = send(form)
        text = " ".join(part for p in result.locator("p, pre").all() if (part := p.text_content()))
        assert said in text
        assert "<form>" not in text
        assert "succeeded" not in text
        assert "try-bad" in (result.get_attribute("class") or "")
        assert form.page.evaluate("window.violations") == []
    # The browser itself logs an answer that is not 200, and a redirect that is not followed.
    known = ("Failed to load resource", "failed: ", "request: https://login.example.com/")
    assert [c for c in watched.complaints if not any(each in c for each in known)] == []


def test_redirect_is_not_followed(watched: Watched) -> None:
    elsewhere = Answering(OK)
    with serving(elsewhere) as other:
        location = (b"location", f"{other}/login".encode())
        with form_of(watched, Answering(b"", status=302, headers=(location,))) as form:
            send(form)
    assert elsewhere.sent == []


@pytest.mark.parametrize("answer", [{"login": "required"}, {"status": "ok"}, [], "ok", None])
def test_own_endpoint_answers_with_a_report_or_not_at_all(answer: Any, watched: Watched) -> None:
    docs = make_asyncapi_asgi(make_specification())
    instead = Answering(json.dumps(answer).encode())

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        await (instead if scope["method"] == "POST" else docs)(scope, receive, send)

    with serving(proxy) as url:
        result = send(open_form(watched.open(url), "Takes a new order"))
        assert "not one of Try It Out" in (result.text_content() or "")
        watched.assert_quiet()


def test_service_that_knows_only_the_protocol_of_the_plugin_is_understood(
    watched: Watched,
) -> None:
    with form_of(watched, Answering(b'{"total": 1.0}')) as form:
        text = send(form).text_content() or ""
        assert "The service ran the handler and sent its reply." in text
        assert '"total": 1.0' in text
    failing = Answering({"details": "no stock"}, status=500)
    with form_of(watched, failing) as form:
        text = send(form).text_content() or ""
        assert "The handler failed, says the service." in text
        assert "no stock" in text


def test_service_that_is_gone_is_said_so(watched: Watched) -> None:
    with form_of(watched, True) as form:
        form.page.context.set_offline(True)
        assert "The service could not be reached. Is it still running?" in (
            send(form).text_content() or ""
        )


# --- Each outcome is one sentence ------------------------------------------------------------


def outcomes() -> NatsBroker:
    broker = NatsBroker(logger=None)

    class Item(BaseModel):
        amount: int = Field(gt=0)

    @broker.subscriber("handler", stream=JStream("page-outcomes"))
    async def handle(
        kind: str,
        items: list[Item],
        tenant: str = Header(default="none"),
    ) -> str | None:
        await broker.publish("done", "audit")
        match kind:
            case "ack":
                raise AckMessage
            case "nack":
                raise NackMessage
            case "reject":
                raise RejectMessage
            case "bug":
                msg = "no stock"
                raise RuntimeError(msg)
            case "nothing":
                return None
        return f"{kind}!"

    @broker.subscriber("limited")
    async def limited(body: int, level: int = Header()) -> None: ...

    return broker


SENTENCES = {
    "good": "The handler succeeded.",
    "nothing": "The handler succeeded and returned nothing.",
    "ack": "The handler acknowledged the message at once (AckMessage).",
    "nack": "The handler asked for the message to be delivered again (NackMessage).",
    "reject": "The handler rejected the message (RejectMessage).",
    "bug": "The handler raised RuntimeError.",
}


def test_each_outcome_is_one_sentence_in_one_box(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(AsyncAPI(outcomes()))) as url:
        form = open_form(watched.open(url), "handler")
        for kind, sentence in SENTENCES.items():
            payload = json.dumps({"kind": kind, "items": []})
            form.get_by_label("Payload", exact=True).fill(payload)
            form.get_by_role("button", name=DRY_RUN).click()
            expect(form.locator(".try-sentence strong")).to_have_text(sentence)
            expect(form.locator(".try-form > [role=status]")).to_have_text(sentence)
            assert form.locator(".try-result").count() == 1
            assert form.get_by_text("It would have published 1 message:").count() == 1
        assert "no stock" in (form.locator(".try-result").text_content() or "")
        watched.assert_quiet()


def test_problems_of_a_message_are_listed_at_their_field(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(AsyncAPI(outcomes()))) as url:
        page = watched.open(url)
        form = open_form(page, "handler")
        payload = form.get_by_label("Payload", exact=True)
        payload.fill('{"kind": 1, "items": [{"amount": 2}, {"amount": -7}]}')
        text = send(form).text_content() or ""
        assert "The message was refused before the handler ran. 2 problems." in text
        assert "The handler failed" not in text
        assert payload.get_attribute("aria-invalid") == "true"
        listed = form.locator(".try-problems li").all_text_contents()
        assert listed == [
            "kind Input should be a valid string",
            "items → 1 → amount Input should be greater than 0",
        ]
        described = payload.get_attribute("aria-describedby") or ""
        assert form.locator(".try-problems").evaluate("n => n.parentElement.id") in described
        # The place is a button that goes there.
        form.get_by_role("button", name="items → 1 → amount").click()
        expect(payload).to_be_focused()
        selected = payload.evaluate("f => f.value.slice(f.selectionStart, f.selectionEnd)")
        assert selected == "-7"
        watched.assert_quiet()


def test_problem_of_a_header_is_the_headers(watched: Watched) -> None:
    with serving(make_asyncapi_asgi(AsyncAPI(outcomes()))) as url:
        form = open_form(watched.open(url), "limited")
        form.get_by_label("Payload", exact=True).fill("1")
        form.get_by_role("button", name="Headers").click()
        headers = form.get_by_label("Headers, as a JSON object")
        headers.fill('{"level": "high"}')
        send(form)
        assert headers.get_attribute("aria-invalid") == "true"
        assert form.get_by_label("Payload", exact=True).get_attribute("aria-invalid") == "false"
        watched.assert_quiet()


# --- Nothing stale, nothing lost, nothing without an end -------------------------------------


class Waiting(Answering):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(OK)
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.arrived.set()
        while not self.go_on.is_set():
            await anyio.sleep(0.01)
        await super().__call__(scope, receive, send)


def test_nothing_stale_is_left(watched: Watched) -> None:
    endpoint = Waiting()
    endpoint.go_on.set()
    with form_of(watched, endpoint) as form:
        result, payload = send(form), form.get_by_label("Payload", exact=True)
        payload.fill("{}")
        result.get_by_text("The message above was edited since.").wait_for()
        payload.fill("{")
        form.get_by_role("button", name=DRY_RUN).click()
        form.get_by_role("alert").wait_for()
        assert result.count() == 0
        payload.fill("{}")
        endpoint.go_on.clear()
        form.get_by_role("button", name=DRY_RUN).click()
        form.get_by_text("Running…").wait_for()
        assert result.count() == 0
        assert form.get_by_role("alert").count() == 0
        endpoint.go_on.set()
        result.wait_for()
        form.get_by_role("button", name="Reset").click()
        assert result.count() == 0
        assert json.loads(payload.input_value())["customer"] == "Ada"
        watched.assert_quiet()


def test_run_shows_its_time_and_can_be_cancelled(watched: Watched) -> None:
    endpoint = Waiting()
    with form_of(watched, endpoint) as form:
        button = form.get_by_role("button", name=DRY_RUN)
        button.click()
        expect(form.locator(".try-running")).to_have_text(re.compile(r"Running… [1-9]\d*\.\d s"))
        # A second click sends nothing, and the button keeps the focus.
        assert button.get_attribute("aria-disabled") == "true"
        expect(button).to_be_focused()
        button.press("Enter")
        form.get_by_role("button", name="Cancel").click()
        form.get_by_text("Cancelled.").first.wait_for()
        expect(button).to_be_focused()
        assert form.get_by_role("button", name="Cancel").count() == 0
        endpoint.go_on.set()
        assert "succeeded" in (send(form).text_content() or "")
    assert [c for c in watched.complaints if not c.startswith("failed: ")] == []


def test_edits_survive_close_another_example_and_a_reload(watched: Watched) -> None:
    broker = NatsBroker(logger=None)
    subscriber = broker.subscriber("orders.*.new")

    @subscriber(filter=lambda message: True)
    async def one(body: int) -> None: ...

    @subscriber
    async def other(body: str) -> None: ...

    with serving(make_asyncapi_asgi(AsyncAPI(broker))) as url:
        page = watched.open(url)
        form = open_form(page, "orders.*.new")
        payload, examples = form.get_by_label("Payload", exact=True), form.get_by_label("Example")
        first = payload.input_value()
        payload.fill("12345")
        form.get_by_label("Address").fill("orders.eu.new")
        examples.select_option(index=1)
        assert payload.input_value() not in {"12345", first}
        payload.fill('"second"')
        examples.select_option(index=0)
        assert payload.input_value() == "12345"
        form.get_by_role("button", name="Close").click()
        form.get_by_role("button", name="Try it out").click()
        assert payload.input_value() == "12345"
        page.reload()
        page.wait_for_selector("html[data-ready=true]")
        form = open_form(page, "orders.*.new")
        assert payload.input_value() == "12345"
        assert form.get_by_label("Address").input_value() == "orders.eu.new"
        examples.select_option(index=1)
        assert payload.input_value() == '"second"'
        form.get_by_role("button", name="Reset").click()
        assert payload.input_value() == '"string"'
        assert form.get_by_label("Address").input_value() == ""
        # In this tab alone, and nothing of it anywhere else.
        assert page.evaluate("localStorage.length") == 0
        watched.assert_quiet()


def test_form_works_where_the_browser_keeps_nothing(watched: Watched) -> None:
    watched.page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('denied') } })"
    )
    with form_of(watched, Answering(OK)) as form:
        payload = form.get_by_label("Payload", exact=True)
        payload.fill("1")
        form.get_by_role("button", name="Close").click()
        form.get_by_role("button", name="Try it out").click()
        assert payload.input_value() == "1"
        send(form)
        watched.assert_quiet()


# --- At home behind hosts --------------------------------------------------------------------


def test_cookie_against_forged_requests_is_sent_back(watched: Watched) -> None:
    endpoint = Answering(OK)
    with serving(make_asyncapi_asgi(make_specification(), try_it_out=endpoint)) as url:
        watched.page.context.add_cookies(
            [
                {"name": "csrftoken", "value": "abc%3D=", "url": url},
                {"name": "b", "value": "1", "url": url},
            ]
        )
        form = open_form(watched.open(url), "Takes a new order")
        send(form)
        assert endpoint.received[0][b"x-csrftoken"] == b"abc%3D="
        watched.assert_quiet()


def test_cookie_of_this_host_is_not_sent_to_another(watched: Watched) -> None:
    cors = (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-headers", b"*"),
        (b"access-control-allow-methods", b"*"),
    )
    endpoint = Answering(OK, headers=cors)
    with serving(endpoint) as other:
        docs = make_asyncapi_asgi(make_specification(), try_it_out_url=f"{other}/try")
        with serving(docs) as url:
            watched.page.context.add_cookies([{"name": "csrftoken", "value": "abc", "url": url}])
            send(open_form(watched.open(url), "Takes a new order"))
    assert all(b"x-csrftoken" not in headers for headers in endpoint.received)


def test_litestar_with_csrf_lets_the_form_through(watched: Watched) -> None:
    specification = make_specification()
    plugin = FastStreamPlugin(
        *specification.brokers, specification=specification, asyncapi_path="/docs"
    )
    app = Litestar(plugins=[plugin], csrf_config=CSRFConfig(secret="secret"), logging_config=None)
    with serving(app) as url:
        form = open_form(watched.open(f"{url}/docs"), "Takes a new order")
        assert "The handler succeeded." in (send(form).text_content() or "")
        watched.assert_quiet()


def test_no_form_where_a_broker_cannot_be_dry_run(watched: Watched) -> None:
    page = Page({}, PageLinks(try_it_out="try"), bundled_assets(), real_broker=False)
    reason = "its client library is too old."
    unavailable = {"orders.new:TakeOrder": reason}
    docs = make_asyncapi_asgi(make_specification())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = page.render("./", "Order service", unavailable) if scope["path"] == "/" else docs
        await answer(scope, receive, send)

    with serving(app) as url:
        opened = watched.open(url)
        found = operation(opened, "Takes a new order")
        assert found.get_by_text(f"Try It Out is not available here: {reason}").is_visible()
        assert found.get_by_role("button", name="Try it out").count() == 0
        assert opened.get_by_role("button", name="Try it out").count() == 1
        watched.assert_quiet()
