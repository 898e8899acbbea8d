"""Every example of FastStream's page "ASGI Support", imported from this package.

The examples are the modules beside this file: the page's own code with ``faststream.asgi`` replaced
by ``faststream_integrations.asgi``, and nothing else changed.
"""

from importlib import import_module
from typing import Any

import httpx

from faststream_integrations.asyncapi.try_it_out import REPORT_TYPE
from faststream_integrations.testing import asgi_client


def app_of(example: str) -> Any:
    return import_module(f"tests.reference.{example}").app


def http_channels(app: Any) -> set[str]:
    document = app.schema.to_specification().to_jsonable()
    return {channel["address"] for channel in document["channels"].values()}


async def test_minimal_application_starts_and_stops():
    app = app_of("minimal")
    async with asgi_client(app, app):
        pass


async def test_health_check_answers():
    app = app_of("healthcheck")
    async with asgi_client(app, app) as client:
        assert (await client.get("/health")).status_code == 204


async def test_custom_route_answers_where_it_is_listed_and_mounted():
    app = app_of("custom")
    async with asgi_client(app, app) as client:
        for path in ("/health", "/mounted"):
            response = await client.get(path)
            assert (response.status_code, response.content) == (200, b"")


async def test_request_and_logger_are_accessible(capsys):
    app = app_of("logging_app")
    async with asgi_client(app, app) as client:
        response = await client.post("/log-request-payload", json={"a": 1})
    assert response.status_code == 200


async def test_header_and_query_are_accessible(capsys):
    app = app_of("auth")
    async with asgi_client(app, app) as client:
        url = "/protected-method?foo=a&foo=b"
        assert (await client.get(url, headers={"X-auth-token": "x"})).status_code == 401
        response = await client.get(url, headers={"X-auth-token": "secret-token"})
        assert response.status_code == 200
    assert "['a', 'b']" in capsys.readouterr().out


async def test_excluded_routes_are_served_and_not_documented():
    app = app_of("excluded")
    async with asgi_client(app, app) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.get("/liveness")).status_code == 200
    assert http_channels(app) == set()


async def test_routes_are_documented_by_default():
    assert http_channels(app_of("healthcheck")) == {"/health"}
    assert http_channels(app_of("custom")) == {"/health", "/mounted"}


async def test_asyncapi_page_is_hosted():
    app = app_of("asyncapi")
    async with asgi_client(app, app) as client:
        response = await client.get("/docs/asyncapi")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        document = (await client.get("/docs/asyncapi.json")).json()
        assert document["asyncapi"] == "3.0.0"


def unconnected(example: str) -> httpx.AsyncClient:
    """A client of an example that never starts, whose broker therefore never connects."""
    module = import_module(f"tests.reference.{example}")

    @module.broker.subscriber("orders")
    @module.broker.publisher("invoices")
    async def orders(number: int) -> int:
        return 100 // number

    return httpx.AsyncClient(transport=httpx.ASGITransport(module.app), base_url="http://test")


def message(channel: str, payload: Any = None) -> dict[str, Any]:
    return {"channelName": channel, "message": {"message": payload}}


async def test_try_it_out_is_registered_automatically_and_needs_no_connection():
    async with unconnected("try_it_out") as client:
        assert "./asyncapi/try" in (await client.get("/docs/asyncapi")).text
        answer = await client.post("/docs/asyncapi/try", json=message("orders:Orders", 5))
        assert (answer.status_code, answer.json()) == (200, 20)
        failed = await client.post("/docs/asyncapi/try", json=message("orders:Orders", 0))
        assert failed.status_code == 500
        assert failed.json()["details"].startswith("ZeroDivisionError: ")
        client.headers["accept"] = REPORT_TYPE
        report = await client.post("/docs/asyncapi/try", json=message("orders:Orders", 5))
        assert report.json()["result"] == 20
        assert [each["channel"] for each in report.json()["published"]] == ["invoices"]
        for channel, status in (("", 400), ("unknown", 404)):
            refused = await client.post("/docs/asyncapi/try", json=message(channel))
            assert refused.status_code == status


async def test_try_it_out_is_disabled():
    async with unconnected("try_it_out_off") as client:
        assert "/try" not in (await client.get("/docs/asyncapi")).text
        answer = await client.post("/docs/asyncapi/try", json=message("orders:Orders", 5))
        assert answer.status_code == 404


async def test_try_it_out_elsewhere_leaves_the_local_endpoint_reachable():
    async with unconnected("try_it_out_elsewhere") as client:
        page = await client.get("/docs/asyncapi")
        assert '"https://api.example.com/asyncapi/try"' in page.text
        assert "https://api.example.com" in page.headers["content-security-policy"]
        answer = await client.post("/docs/asyncapi/try", json=message("orders:Orders", 5))
        assert answer.json() == 20


async def test_faststream_object_is_reused():
    app = app_of("reuse")
    async with asgi_client(app, app) as client:
        assert (await client.get("/liveness")).status_code == 200
        assert (await client.get("/readiness")).status_code == 204
        assert (await client.get("/docs/asyncapi")).status_code == 200


async def test_callables_are_endpoints_of_other_frameworks():
    app = app_of("other_asgi")
    broker = import_module("tests.reference.other_asgi").broker
    async with asgi_client(app, broker) as client:
        assert (await client.get("/health", follow_redirects=True)).status_code == 204
        page = await client.get("/asyncapi", follow_redirects=True)
        assert page.status_code == 200
        assert "/try" not in page.text
        assert (await client.post("/asyncapi/try", json={})).status_code == 404
