"""Every example of the documentation does what its page says."""

import asyncio
import json
import logging
import re
import runpy
import socket
import subprocess
import sys
from hashlib import sha256

import pytest
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream
from faststream_integrations.lifespan import BrokerUnavailable
from faststream_integrations.testing import asgi_client
from tests.docs.examples import EXAMPLES, ROOT, example

PAGES = sorted((ROOT / "docs").glob("*.md"))
INCLUDES_ALL_ITS_CODE = (
    "asgi",
    "fastapi",
    "how-it-works",
    "index",
    "lifespan",
    "litestar",
    "operations",
    "recipes",
    "reference",
    "testing",
    "write-your-own",
)


def test_every_example_is_on_a_page_and_every_snippet_exists():
    shown = {
        snippet
        for page in [*PAGES, ROOT / "README.md"]
        for snippet in re.findall(r'--8<-- "docs/examples/(.+?)"', page.read_text())
    }
    files = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # The README shows the three hosts, and cannot include files.
    assert shown == {name for name in files if not name.startswith("three_hosts/")}


@pytest.mark.parametrize("page", INCLUDES_ALL_ITS_CODE)
def test_python_on_a_page_is_an_example(page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    for title, code in re.findall(r"```python([^\n]*)\n(.*?)```", text, re.DOTALL):
        if "conftest.py" not in title:  # `test_tests_of_the_reader_pass` takes that from the page
            assert code.startswith(("--8<--", "COMPILED_HANDLER")), code


# Home


async def test_quick_start(nats_url):
    with example("quick_start.py", nats_url) as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/health")).status_code == 204
            response = await client.get("/hello/world?times=2")
            assert response.json() == {"greeted": "world", "times": 2}
            assert "greetings" in (await client.get("/asyncapi.json")).text
            error = await client.get("/hello/world?times=many")
            assert error.status_code == 422
            assert json.loads((EXAMPLES / "quick_start_error.json").read_text()) == error.json()


async def test_quick_start_publishes_to_its_subscriber():
    with example("quick_start.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            await client.get("/hello/world?times=2")
            assert main.on_greeting.mock.call_count == 2


# Plain ASGI


async def test_minimal_application():
    with example("asgi_minimal.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.get("/health")).status_code == 204


async def test_routes():
    with example("asgi_routes.py") as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/orders/5")).json() == {"id": 5}
            assert (await client.delete("/orders/5/")).status_code == 204
            assert (await client.put("/orders/5")).status_code == 405
            for path in ("/orders/newest", "/newest"):
                assert (await client.get(path)).json() == {"id": 7}
            assert (await client.get("/admin/version")).text == "1.0"


async def test_parameters():
    with example("asgi_parameters.py") as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/search?q=&tag=a&tag=b")).json() == ["", ["a", "b"], 10]
            assert (await client.get("/search?q=x&limit=101")).status_code == 422
            headers = {"x-request-id": "1", "cookie": "session=abc"}
            placed = await client.post("/shops/й/orders", json={"drink": "tea"}, headers=headers)
            assert placed.json() == ["й", {"drink": "tea", "quantity": 1}, "1", "abc"]
            assert (await client.post("/shops/a/orders", json={})).status_code == 422


async def test_request_is_streamed_up_to_its_limit():
    with example("asgi_request.py") as main:
        async with asgi_client(main.app) as client:
            for size, status_code in ((10 * 1024 * 1024, 200), (10 * 1024 * 1024 + 1, 413)):
                body = bytes(size)
                response = await client.post("/files", content=body)
                assert response.status_code == status_code
                if status_code == 200:
                    assert response.json() == {"sha256": sha256(body).hexdigest()}


async def test_responses():
    with example("asgi_responses.py") as main:
        async with asgi_client(main.app) as client:
            text = await client.get("/text")
            assert (text.text, text.headers["cache-control"]) == ("It is tea time.", "no-store")
            assert text.headers["content-type"] == "text/plain; charset=utf-8"
            login = await client.get("/login")
            assert (login.status_code, login.json()) == (201, {"since": "2026-01-02"})
            assert len(login.headers.get_list("set-cookie")) == 2
            assert (await client.get("/numbers")).text == "0\n1\n2\n"


async def test_context():
    with example("asgi_context.py") as main:
        async with asgi_client(main.app, main.app) as client:
            assert (await client.get("/tea")).json() == {
                "prices": {"tea": 2.8},
                "tea": 2.8,
                "currency": "EUR",
            }


async def test_dependencies():
    with example("asgi_dependencies.py") as main:
        async with asgi_client(main.app) as client:
            refused = await client.get("/orders/x", headers={"x-token": "wrong"})
            assert (refused.status_code, refused.json()) == (401, {"detail": "Unknown token"})
            allowed = await client.get("/orders/7", headers={"x-token": "secret"})
            assert allowed.json() == {"user": "ada", "order": 7}


async def test_functions_that_are_not_asynchronous():
    with example("asgi_sync.py") as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/numbers?page=2")).json() == list(range(10, 20))


async def test_faststream_application_as_asgi():
    with example("asgi_faststream_app.py") as main:
        async with asgi_client(main.app, main.service) as client:
            assert (await client.get("/health")).status_code == 204
            assert "Orders" in (await client.get("/asyncapi")).text


def test_routes_in_the_asyncapi_document():
    with example("asgi_document.py") as main:
        document = main.app.schema.to_specification().to_jsonable()
        assert document["info"]["title"] == "Orders"
        assert [c["address"] for c in document["channels"].values()] == ["/version"]
        assert "The version that runs" in json.dumps(document)


# Lifespan


@pytest.mark.parametrize("host", ["fastapi", "starlette", "litestar"])
async def test_lifespan_in_a_host_that_starts_twice(host, nats_url):
    with example(f"lifespan_{host}.py", nats_url) as main:
        for _ in range(2):
            async with asgi_client(main.app) as client:
                assert (await client.get("/health")).status_code == 204
                if host == "litestar":
                    assert (await client.post("/orders")).status_code == 202
                if host == "fastapi":
                    assert (await client.post("/orders/7")).status_code == 202
                    assert (await client.get("/address")).json() == [nats_url]
            assert not await main.broker.ping(0.05)


async def test_own_lifespan_and_its_state(nats_url):
    with example("lifespan_own.py", nats_url) as main:
        counts = asyncio.Queue()

        @main.broker.subscriber("counts")
        async def count(number: int):
            await counts.put(number)

        async with asgi_client(main.app) as client:
            assert (await client.get("/orders")).json() == 3
            assert await asyncio.wait_for(counts.get(), 10) == 3


async def test_several_brokers():
    with example("lifespan_brokers.py") as main:
        async with asgi_client(main.app, main.orders, main.cache) as client:
            assert (await client.get("/health")).status_code == 204


async def test_hooks_of_a_faststream_application_run_in_a_host(nats_url):
    with example("lifespan_faststream_app.py", nats_url) as main:
        messages = asyncio.Queue()
        listener = NatsBroker(nats_url)

        @listener.subscriber("services")
        async def listen(message: str):
            await messages.put(message)

        async with listener:
            await listener.start()
            async with asgi_client(main.app):
                assert await asyncio.wait_for(messages.get(), 10) == "ready"
            assert await asyncio.wait_for(messages.get(), 10) == "bye"


async def test_mounted_application_is_run_by_its_host(nats_url):
    with example("lifespan_mounted.py", nats_url) as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/service/version")).text == "2.1.0"
            assert (await client.get("/service/health")).status_code == 204


async def test_startup_that_fails_says_what_the_page_says():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        app = AsgiFastStream(NatsBroker(url), startup_timeout=0.1)
        with pytest.raises(BrokerUnavailable) as raised:
            async with asgi_client(app):
                raise AssertionError
    page = (ROOT / "docs" / "lifespan.md").read_text()
    said = re.search(r"BrokerUnavailable: (.*)", page)[1]
    said = said.replace("nats://127.0.0.1:4222", url).replace("10 seconds", "0.1 seconds")
    assert said.rstrip(".") in str(raised.value)


# Operations; tests/lifecycle has its metrics and traces


async def test_metrics_of_several_workers_of_the_operations_page(nats_url, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with example("operations_workers.py", nats_url) as page:
        async with asgi_client(page.app) as client:
            assert (await client.get("/metrics/")).status_code == 200


async def test_access_log_of_the_operations_page_has_no_probes_that_are_well(nats_url, monkeypatch):
    log = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(log, "filters", [])
    with example("operations_access_log.py", nats_url):

        def is_logged(path, status):
            arguments = ("127.0.0.1:1", "GET", path, "1.1", status)
            return log.filter(log.makeRecord(log.name, logging.INFO, "", 1, "", arguments, None))

        assert not is_logged("/ready?x", 200)
        assert is_logged("/ready", 503)
        assert is_logged("/orders", 200)


async def test_probes_of_the_operations_page(nats_url):
    with example("operations_probes.py", nats_url) as page:
        async with asgi_client(page.app) as client:
            while (await client.get("/ready")).status_code != 200:
                await asyncio.sleep(0.01)
            assert (await client.get("/live")).status_code == 200
            checks = (await client.get("/ready")).json()["checks"]
            assert [checks[name][0]["status"] for name in ("database", "disk")] == ["pass", "pass"]
            assert checks["NatsBroker:consuming"][0]["componentId"] == "Handle (orders)"


# Testing


def test_tests_of_the_reader_pass(tmp_path):
    """The page's own tests, run by pytest with the configuration that the page gives."""
    page = (ROOT / "docs" / "testing.md").read_text()
    configuration = re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1]
    conftest = re.search(r'```python title="conftest.py"\n(.*?)```', page, re.DOTALL)[1]
    (tmp_path / "pyproject.toml").write_text(configuration)
    (tmp_path / "conftest.py").write_text(conftest)
    for file in (EXAMPLES / "testing").glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text())

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in result.stdout, result.stdout + result.stderr


# The hosts


@pytest.mark.parametrize("name", ["fastapi_guarded_page.py", "litestar_guarded_page.py"])
async def test_page_alone_is_guarded_and_has_the_routes(name):
    with example(name) as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.get("/prices")).json() == {"tea": 3}
            assert (await client.get("/asyncapi")).status_code == 401
            let_in = {"X-Role": "admin"}
            page = await client.get("/asyncapi", headers=let_in, follow_redirects=True)
            assert page.status_code == 200
            document = (await client.get("/asyncapi.json", headers=let_in)).json()
            assert "/prices" in str(document)


# How it works


async def test_compiled_handler_is_the_one_that_is_shown():
    hooks = runpy.run_path(str(ROOT / "docs" / "hooks.py"))
    page = (ROOT / "docs" / "how-it-works.md").read_text()
    shown = hooks["on_page_markdown"](page)
    function = re.search(r"```python\n(async def plan\(.*?)```", shown, re.DOTALL)[1]
    with example("compiled.py") as module:
        assert function.strip() == module.search.source.strip()
    named = {"invalid", *re.findall(r"`(\w+__\w+)`", page)}
    assert len(named) > 1
    assert {name for name in named if name not in function} == set()


async def test_compiled_handler_answers():
    with example("compiled.py") as module:
        app = AsgiFastStream(asgi_routes=[("/", module.search)])
        async with asgi_client(app) as client:
            response = await client.get("/?q=tea", headers={"x-token": "ada:1"})
            assert response.json() == ["tea", 10]


async def test_middleware():
    with example("asgi_middleware.py") as main:
        async with asgi_client(main.app) as client:
            headers = {"origin": "https://example.com"}
            response = await client.get("/prices", headers=headers)
    assert response.json()["tea"] == 2.8
    assert response.headers["access-control-allow-origin"] == "https://example.com"


async def test_container_of_dependencies():
    with example("asgi_dishka.py") as main:
        async with asgi_client(main.app) as client:
            assert (await client.get("/tea")).json() == {"tea": 2.8}
