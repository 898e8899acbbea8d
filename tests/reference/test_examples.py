"""Every example of FastStream's page "ASGI Support", imported from this package.

The examples are the modules beside this file: the page's own code with ``faststream.asgi`` replaced
by ``faststream_integrations.asgi``, and nothing else changed.
"""

from importlib import import_module
from typing import Any

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
        assert (await client.get("/asyncapi", follow_redirects=True)).status_code == 200
