"""The docs page over HTTP: headers, addresses, escaping, and what is generated when."""

import gzip
import json
import logging
import re
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import anyio
import httpx
import pytest
import yaml
from fastapi import FastAPI
from faststream.asgi import AsyncAPIRoute as UpstreamRoute
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations.asyncapi import AsyncAPIRoute, TryItOut, make_asyncapi_asgi
from faststream_integrations.asyncapi.assets import Assets, AssetsMissingError
from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".yaml": "application/yaml",
}


def application(**options: Any) -> AsyncAPI:
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def handle(order_id: int) -> None: ...

    options.setdefault("description", "Long enough to be compressed. " * 40)
    return AsyncAPI(broker, **options)


def client(app: ASGIApp, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, **options)
    return httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Accept-Encoding": "identity"}
    )


def config_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script id="asyncapi-config" type="application/json">(.*?)</script>', page)
    assert match
    config: dict[str, Any] = json.loads(match[1])
    return config


def links_of(page: str) -> set[str]:
    """Every address that the page fetches or offers, but the one it posts to."""
    attributes = re.findall(r'(?:src|href)="([^"]*)"', page)
    config = config_of(page)
    addresses = {unescape(a) for a in attributes if not a.startswith("data:")}
    return addresses | {config["document"], *(link["url"] for link in config["downloads"])}


# --- Where the page is -----------------------------------------------------------------------


def in_starlette(docs: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/docs/x", app=docs)])


def in_fastapi(docs: ASGIApp) -> ASGIApp:
    app = FastAPI()
    app.mount("/docs/x", docs)
    return app


def in_litestar(docs: ASGIApp) -> ASGIApp:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await docs(scope, receive, send)

    handler = asgi("/docs/x", is_mount=True, copy_scope=True)(mounted)
    return Litestar([handler], logging_config=None)  # type: ignore[return-value]


def in_dispatcher_that_moves_the_path(docs: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"].startswith("/docs/x")
        await docs({**scope, "path": scope["path"][len("/docs/x") :] or "/"}, receive, send)

    return app


def below_root_path(docs: ASGIApp) -> ASGIApp:
    """As `uvicorn --root-path /api` behind a proxy that strips `/api`."""
    inner = in_starlette(docs)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix("/api")
        await inner({**scope, "root_path": "/api", "path": f"/api{path}"}, receive, send)

    return app


@pytest.mark.parametrize("path", ["/docs/x", "/docs/x/"])
@pytest.mark.parametrize("prefix", ["", "/stripped/by/proxy"])
@pytest.mark.parametrize(
    "host",
    [
        in_starlette,
        in_fastapi,
        in_litestar,
        in_dispatcher_that_moves_the_path,
        below_root_path,
    ],
)
async def test_everything_the_page_links_to_is_there(
    host: Callable[[ASGIApp], ASGIApp], prefix: str, path: str
) -> None:
    app = host(make_asyncapi_asgi(application()))
    async with client(app) as http:
        response = await http.get(path, follow_redirects=True)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        seen_by_browser = f"http://test{prefix}{response.url.path}"
        links = links_of(response.text)
        assert len(links) == 4
        for link in links:
            address = urljoin(seen_by_browser, link).removeprefix(f"http://test{prefix}")
            answer = await http.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[Path(link).suffix]
        endpoint = urljoin(seen_by_browser, config_of(response.text)["tryItOut"]["url"])
        answer = await http.post(endpoint.removeprefix(f"http://test{prefix}"), json={})
        assert answer.status_code == 400


async def test_dispatcher_that_changes_nothing_is_told_the_prefix() -> None:
    async with client(make_asyncapi_asgi(application(), prefix="/docs/x/")) as http:
        for path in ("/docs/x", "/docs/x/", "/docs/x/asyncapi.json"):
            assert (await http.get(path)).status_code == 200, path


@pytest.mark.parametrize("prefix", ["", "/docs"])
async def test_only_exact_paths_are_answered(prefix: str) -> None:
    docs = make_asyncapi_asgi(application(), prefix=prefix, status=True)
    async with client(docs) as http:
        for path in ("asyncapi.json", "asyncapi.yaml", "status"):
            assert (await http.get(f"{prefix}/{path}")).status_code == 200, path
            for wrong in ("/x", "/x/y", f"{prefix}/x", f"{prefix}/static"):
                assert (await http.get(f"{wrong}/{path}")).status_code == 404, wrong
        for wrong in ("/whatever/try", f"{prefix}/x/try", "/docsx/try"):
            assert (await http.post(wrong, json={})).status_code == 404, wrong
        for wrong in ("/whatever", f"{prefix}/whatever", f"{prefix}//", "//asyncapi.json"):
            assert (await http.get(f"http://test{wrong}")).status_code in {200, 404}
            assert (await http.get(f"http://test{wrong}x")).status_code == 404, wrong


@pytest.mark.parametrize("path", ["/docs/x", "/docs/x/"])
async def test_every_endpoint_of_a_route_is_linked_to(path: str) -> None:
    endpoints = AsyncAPIRoute("/docs/x").endpoints(application())
    routes = [Route(e.path, e.app, methods=[e.method], name=e.name) for e in endpoints]
    page = endpoints[0]
    routes.append(Route("/docs/x/", page.app))
    async with client(Starlette(routes=routes)) as http:
        response = await http.get(path)
        links = {urljoin(f"http://test{path}", link) for link in links_of(response.text)}
        links.add(urljoin(f"http://test{path}", config_of(response.text)["tryItOut"]["url"]))
        for link in links:
            assert (await http.get(link)).status_code in {200, 405}, link
    licenses = "http://test/docs/x/static/LICENSES.txt"
    assert links | {licenses} == {f"http://test{e.path}" for e in endpoints if e is not page}


def test_route_has_the_paths_of_the_reference() -> None:
    endpoints = {
        (endpoint.method, endpoint.path)
        for endpoint in AsyncAPIRoute("/docs/asyncapi").endpoints(application())
        if "/static/" not in endpoint.path
    }
    assert endpoints == {
        ("GET", "/docs/asyncapi"),
        ("GET", "/docs/asyncapi.json"),
        ("GET", "/docs/asyncapi.yaml"),
        ("POST", "/docs/asyncapi/try"),
    }


def test_route_names_are_unique() -> None:
    endpoints = AsyncAPIRoute("/docs").endpoints(application())
    assert len({endpoint.name for endpoint in endpoints}) == len(endpoints)


@pytest.mark.parametrize("off", [{"try_it_out": False}, {"try_it_out_path": None}])
async def test_try_it_out_can_be_left_out_of_a_route(off: dict[str, Any]) -> None:
    endpoints = AsyncAPIRoute("/docs", **off).endpoints(application())
    assert {endpoint.method for endpoint in endpoints} == {"GET"}
    async with client(endpoints[0].app) as http:
        assert config_of((await http.get("/docs")).text)["tryItOut"] is None


async def test_try_it_out_elsewhere_keeps_the_local_endpoint() -> None:
    route = AsyncAPIRoute("/docs", try_it_out_url="https://api.example.com/asyncapi/try")
    endpoints = route.endpoints(application())
    assert "/docs/try" in {endpoint.path for endpoint in endpoints}
    async with client(endpoints[0].app) as http:
        config = config_of((await http.get("/docs")).text)
    assert config["tryItOut"]["url"] == "https://api.example.com/asyncapi/try"


def test_route_takes_other_paths() -> None:
    route = AsyncAPIRoute("/docs", asyncapi_json_path="/spec.json", try_it_out_path="/dry-run")
    paths = {endpoint.path for endpoint in route.endpoints(application())}
    assert {"/docs", "/spec.json", "/spec.yaml", "/dry-run"} < paths


def test_route_without_a_document_path_keeps_it_below_the_page() -> None:
    route = AsyncAPIRoute("/docs", asyncapi_json_path=None)
    paths = {endpoint.path for endpoint in route.endpoints(application())}
    assert {"/docs/asyncapi.json", "/docs/asyncapi.yaml"} < paths
    assert "/docs.json" not in paths


async def test_route_at_the_root() -> None:
    endpoints = {e.path: e for e in AsyncAPIRoute("/").endpoints(application())}
    assert {"/", "/asyncapi.json", "/asyncapi.yaml", "/try"} < endpoints.keys()
    async with client(endpoints["/"].app) as http:
        page = await http.get("/")
    assert urljoin("http://test/", config_of(page.text)["document"]) == "http://test/asyncapi.json"


async def test_upstream_route_shows_the_bundled_page() -> None:
    route = AsyncAPIRoute.ensure_route(UpstreamRoute("/docs", sidebar=False, try_it_out_path=None))
    endpoints = route.endpoints(application())
    async with client(endpoints[0].app) as http:
        page = await http.get("/docs")
    assert page.headers["content-security-policy"] == POLICY
    assert config_of(page.text)["component"]["show"]["sidebar"] is False
    assert config_of(page.text)["tryItOut"] is None


def test_own_route_is_an_upstream_route_and_returned_as_it_is() -> None:
    route = AsyncAPIRoute("/docs")
    assert isinstance(route, UpstreamRoute)
    assert AsyncAPIRoute.ensure_route(route) is route


class OwnTryItOut:
    real_broker = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_try_it_out_takes_an_application() -> None:
    docs = make_asyncapi_asgi(application(), try_it_out=OwnTryItOut(), try_it_out_path="/run/")
    async with client(docs) as http:
        config = config_of((await http.get("/")).text)
        assert config["tryItOut"] == {
            "url": "./run",
            "realBroker": True,
            "reports": False,
            "csrf": [["csrftoken", "x-csrftoken"], ["XSRF-TOKEN", "x-xsrf-token"]],
            "unavailable": {},
        }
        assert (await http.post("/run")).status_code == 299
    endpoints = AsyncAPIRoute("/docs", try_it_out=OwnTryItOut()).endpoints(application())
    [endpoint] = [endpoint for endpoint in endpoints if endpoint.method == "POST"]
    assert isinstance(endpoint.app, OwnTryItOut)
    async with client(endpoints[0].app) as http:
        config = config_of((await http.get("/docs")).text)
    assert (config["tryItOut"]["url"], config["tryItOut"]["realBroker"]) == ("./docs/try", True)


@pytest.mark.parametrize(
    "host", [in_starlette, in_fastapi, in_litestar, in_dispatcher_that_moves_the_path]
)
async def test_unknown_path_below_a_mount_is_not_found(
    host: Callable[[ASGIApp], ASGIApp],
) -> None:
    async with client(host(make_asyncapi_asgi(application()))) as http:
        for path in ("/docs/x/other", "/docs/x/static/other.js", "/docs/x/static/manifest.json"):
            assert (await http.get(path)).status_code == 404, path


async def test_assets_are_no_files_to_walk_through() -> None:
    async with client(in_starlette(make_asyncapi_asgi(application()))) as http:
        for name in ("..%2fpage.py", "%2e%2e/page.py", "..\\page.py", "/etc/passwd"):
            assert (await http.get(f"/docs/x/static/{name}")).status_code == 404, name


async def test_icon_request_at_the_root_is_not_found() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        assert (await http.get("/favicon.ico")).status_code == 404


async def test_last_segment_is_encoded_in_links() -> None:
    docs = make_asyncapi_asgi(application(), prefix='/a"><script>')
    async with client(docs) as http:
        page = await http.get('/a"><script>')
    assert "<script>" not in page.text.replace("\n", "")
    assert config_of(page.text)["document"] == "./a%22%3E%3Cscript%3E/asyncapi.json"


# --- Headers ---------------------------------------------------------------------------------


async def test_page_allows_its_own_assets_and_nothing_else() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        page = await http.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assert "//" not in re.sub(r"http://www\.w3\.org/2000/svg", "", page.text)


@pytest.mark.parametrize(
    ("option", "url", "directive"),
    [
        ("asyncapi_js_url", "https://cdn.example.com/x/page.js", "script-src"),
        ("try_it_out_plugin_url", "//cdn.example.com/plugin.js?v=1", "script-src"),
        ("asyncapi_css_url", "https://cdn.example.com/page.css", "style-src"),
        ("try_it_out_url", "https://user:secret@cdn.example.com/try", "connect-src"),
    ],
)
async def test_foreign_address_widens_one_directive_by_its_origin(
    option: str, url: str, directive: str
) -> None:
    async with client(make_asyncapi_asgi(application(), **{option: url})) as http:  # type: ignore[arg-type]
        page = await http.get("/")
    widened = POLICY.replace(f"{directive} 'self'", f"{directive} 'self' https://cdn.example.com")
    assert page.headers["content-security-policy"] == widened
    assert unescape(url) in unescape(page.text)


async def test_own_address_widens_nothing() -> None:
    docs = make_asyncapi_asgi(application(), asyncapi_css_url="/theme.css", try_it_out_url="/t")
    async with client(docs) as http:
        page = await http.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert '<link rel="stylesheet" href="/theme.css">' in page.text


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/javascript,1", "https://a;script-src *", "https://"]
)
def test_address_that_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="neither relative nor http or https"):
        make_asyncapi_asgi(application(), asyncapi_js_url=url)


def test_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no option side_bar"):
        make_asyncapi_asgi(application(), side_bar=False)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option side_bar"):
        AsyncAPIRoute("/docs", side_bar=False)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "name", ["sidebar", "info", "servers", "operations", "messages", "schemas", "errors"]
)
async def test_display_switch_reaches_the_page(name: str) -> None:
    docs = make_asyncapi_asgi(application(), **{name: False})  # type: ignore[arg-type]
    async with client(docs) as http:
        show = config_of((await http.get("/")).text)["component"]["show"]
    assert [key for key, value in show.items() if not value] == [name]


async def test_examples_can_start_folded() -> None:
    docs = make_asyncapi_asgi(application(), expand_message_examples=False)
    async with client(docs) as http:
        component = config_of((await http.get("/")).text)["component"]
    assert component["expand"] == {"messageExamples": False}


async def test_real_broker_is_offered_only_when_switched_on() -> None:
    for switched in (False, True):
        docs = make_asyncapi_asgi(application(), try_it_out=TryItOut(real_broker=switched))
        async with client(docs) as http:
            config = config_of((await http.get("/")).text)
        assert config["tryItOut"]["url"] == "./try"
        assert config["tryItOut"]["realBroker"] == switched
        assert config["tryItOut"]["reports"]


@pytest.mark.parametrize("path", ["/", "/asyncapi.json", "/asyncapi.yaml"])
async def test_unchanged_answer_is_304_with_its_tag(path: str) -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        first = await http.get(path)
        tag = first.headers["etag"]
        assert re.fullmatch(r'"[^"]+"', tag)
        for known in (tag, f'"other", W/{tag}', "*"):
            again = await http.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert again.headers["cache-control"] == "no-cache"
        assert (await http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_compressed_answer_has_a_tag_of_its_own() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        plain = await http.get("/asyncapi.yaml")
        packed = await http.get("/asyncapi.yaml", headers={"Accept-Encoding": "br, gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == plain.text
        assert packed.headers["etag"] != plain.headers["etag"]
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
        for tag in (plain.headers["etag"], packed.headers["etag"]):
            again = await http.get("/asyncapi.yaml", headers={"If-None-Match": tag})
            assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("gzip;q=none", False),
        ("", False),
    ],
)
async def test_accept_encoding_is_respected(accepted: str, compressed: bool) -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        response = await http.get("/asyncapi.json", headers={"Accept-Encoding": accepted})
    assert (response.headers.get("content-encoding") == "gzip") is compressed


async def test_assets_may_be_kept_for_ever() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        page = await http.get("/")
        assets = [link for link in links_of(page.text) if "/static/" in link]
        assert len(assets) == 2
        for link in assets:
            assert re.search(r"-[0-9a-f]{16}\.(js|css)$", link)
            asset = await http.get(link, headers={"Accept-Encoding": "gzip"})
            assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert asset.headers["content-encoding"] == "gzip"
            assert asset.headers["content-type"].startswith(("text/javascript", "text/css"))
            assert asset.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/asyncapi.json", "/asyncapi.yaml", "/static/LICENSES.txt"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_head_is_get_without_a_body(path: str, encoding: str) -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        get = await http.get(path, headers={"Accept-Encoding": encoding})
        head = await http.head(path, headers={"Accept-Encoding": encoding})
    assert head.status_code == 200
    assert head.content == b""
    assert dict(head.headers) == dict(get.headers)
    sent = gzip.compress(get.content, 9, mtime=0) if "content-encoding" in get.headers else None
    assert int(get.headers["content-length"]) == len(sent or get.content)


@pytest.mark.parametrize("path", ["/", "/asyncapi.json", "/asyncapi.yaml", "/static/LICENSES.txt"])
async def test_other_methods_are_405_and_say_what_is_allowed(path: str) -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        response = await http.post(path)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


async def test_get_of_the_try_endpoint_is_405() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        response = await http.get("/try")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("off", [{"try_it_out": False}, {"try_it_out_path": None}])
async def test_try_endpoint_is_not_there_when_off(off: dict[str, Any]) -> None:
    app = in_starlette(make_asyncapi_asgi(application(), **off))
    async with client(app) as http:
        assert (await http.post("/docs/x/try", json={})).status_code == 404


async def _events(app: ASGIApp, scope: Scope, *received: str) -> list[str]:
    pending = [{"type": kind} for kind in received]
    sent: list[str] = []

    async def receive() -> Message:
        return pending.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app(scope, receive, send)
    return sent


async def test_websocket_is_closed() -> None:
    docs = make_asyncapi_asgi(application())
    scope = {"type": "websocket", "path": "/", "headers": []}
    assert await _events(docs, scope, "websocket.connect") == ["websocket.close"]
    assert await _events(docs.json, scope, "websocket.connect") == ["websocket.close"]


async def test_lifespan_is_answered() -> None:
    docs = make_asyncapi_asgi(application())
    sent = await _events(docs, {"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# --- The document ----------------------------------------------------------------------------


class CountingAsyncAPI(AsyncAPI):
    def __init__(self, *brokers: Any) -> None:
        super().__init__(*brokers)
        self.generated: list[None] = []

    def to_specification(self) -> Any:
        self.generated.append(None)
        return super().to_specification()


async def test_document_is_generated_once() -> None:
    specification = CountingAsyncAPI(NatsBroker())
    async with (
        client(make_asyncapi_asgi(specification)) as http,
        anyio.create_task_group() as group,
    ):
        for path in ("/", "/asyncapi.json", "/asyncapi.yaml") * 3:
            group.start_soon(http.get, path)
    assert len(specification.generated) == 1


async def test_document_follows_brokers_subscribers_and_publishers_added_later() -> None:
    broker = NatsBroker()
    specification = CountingAsyncAPI(broker)
    async with client(make_asyncapi_asgi(specification)) as http:
        tags = [(await http.get("/asyncapi.json")).headers["etag"]]

        async def more() -> str:
            response = await http.get("/asyncapi.json")
            assert response.headers["etag"] not in tags
            tags.append(response.headers["etag"])
            assert yaml.safe_load((await http.get("/asyncapi.yaml")).text) == response.json()
            return response.text

        subscriber = broker.subscriber("orders")
        await http.get("/asyncapi.json")

        @subscriber
        async def handle_order(order_id: int) -> None: ...

        assert "HandleOrder" in await more()

        broker.publisher("invoices")
        assert "invoices" in await more()

        other = NatsBroker("nats://other:4222")
        specification.add_broker(other)
        assert "other:4222" in await more()


async def test_document_is_in_the_order_of_names_in_every_process() -> None:
    broker = NatsBroker()
    for name in ("b", "d", "a", "e", "c"):

        @broker.subscriber(name, title=name)
        async def handle(order_id: int) -> None: ...

        broker.publisher(f"{name}.out", title=f"{name}.out", schema=int)
    async with client(make_asyncapi_asgi(AsyncAPI(broker))) as http:
        document = (await http.get("/asyncapi.json")).json()
    for part in (document["channels"], document["operations"], *document["components"].values()):
        assert len(part) >= 2
        assert list(part) == sorted(part)


async def test_yaml_says_the_same_as_json() -> None:
    specification = application(title="Zahlungen, Übersicht", description="a: b\n# c")
    async with client(make_asyncapi_asgi(specification)) as http:
        as_json = await http.get("/asyncapi.json")
        as_yaml = await http.get("/asyncapi.yaml")
    assert as_json.headers["content-type"] == "application/json"
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == as_json.json()
    assert "Übersicht" in as_yaml.text


async def test_yaml_is_json_where_pyyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    async with client(make_asyncapi_asgi(application())) as http:
        as_json = await http.get("/asyncapi.json")
        as_yaml = await http.get("/asyncapi.yaml")
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert as_yaml.content == as_json.content


class BrokenAsyncAPI(AsyncAPI):
    def to_specification(self) -> Any:
        raise LookupError("secret-detail")


@pytest.mark.parametrize("path", ["/asyncapi.json", "/asyncapi.yaml"])
async def test_broken_document_is_500_and_logged(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with client(make_asyncapi_asgi(BrokenAsyncAPI(NatsBroker()))) as http:
            response = await http.get(path)
    assert response.status_code == 500
    assert "secret-detail" not in response.text
    assert response.headers["cache-control"] == "no-store"
    [record] = caplog.records
    assert record.exc_info is not None
    assert "secret-detail" in str(record.exc_info[1])


async def test_title_is_escaped() -> None:
    specification = application(title="</title><script>alert(1)</script>&")
    async with client(make_asyncapi_asgi(specification)) as http:
        page = (await http.get("/")).text
    assert (
        "<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp; | AsyncAPI</title>" in page
    )
    assert page.count("<script") == 2


async def test_address_cannot_end_the_script_it_is_written_into() -> None:
    docs = make_asyncapi_asgi(application(), try_it_out_url="/try?</script><script>alert(1)//<!--")
    async with client(docs) as http:
        page = (await http.get("/")).text
    assert page.count("<script") == 2
    assert config_of(page)["tryItOut"]["url"] == "/try?</script><script>alert(1)//<!--"


# --- The assets ------------------------------------------------------------------------------


def test_missing_assets_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssetsMissingError, match=re.escape(str(tmp_path))):
        Assets(tmp_path)


async def test_licences_of_what_is_bundled_are_served() -> None:
    async with client(make_asyncapi_asgi(application())) as http:
        text = (await http.get("/static/LICENSES.txt")).text
    for package in ("@asyncapi/react-component", "react-dom", "dompurify", "marked"):
        assert re.search(rf"^{package} \d+\.\d+\.\d+ \(", text, re.MULTILINE), package
