"""FastStream handlers and other ASGI applications as routes of FastAPI."""

import inspect
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import BackgroundTasks, Body, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Route

from faststream_integrations import asgi, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, JSONResponse, Path, Query, get, post
from faststream_integrations.fastapi import FastStreamRouter, _fastapi
from faststream_integrations.testing import asgi_client


class Order(BaseModel):
    item: str


@get
async def ok():
    return AsgiResponse(b"ok")


@post
async def take(order: Annotated[Order, asgi.Body()]):
    return JSONResponse(order)


@pytest.fixture
def broker():
    return NatsBroker()


@pytest.fixture
def app():
    return FastAPI()


def client_of(app, broker, *routes, include: Any = None, **options):
    router = FastStreamRouter(broker, asgi_routes=routes, **options)
    app.include_router(router, **(include or {}))
    return asgi_client(app, broker)


async def test_path_is_exact_and_needs_no_redirect(app, broker):
    async with client_of(app, broker, ("/health", make_ping_asgi(broker))) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.head("/health")).status_code == 204
        assert (await client.get("/health/below")).status_code == 404


@pytest.mark.parametrize("where", ["router", "include", "application"])
@pytest.mark.parametrize("route", [ok, PlainTextResponse("ok")])
async def test_dependency_guards_the_route(broker, where, route):
    async def authenticate(authorization: Annotated[str | None, fastapi.Header()] = None):
        if authorization != "me":
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})

    guard = {"dependencies": [fastapi.Depends(authenticate)]}
    app = FastAPI(**(guard if where == "application" else {}))
    client = client_of(
        app, broker, ("/it", route),
        include=guard if where == "include" else None,
        **(guard if where == "router" else {}),
    )  # fmt: skip
    async with client as client:
        response = await client.get("/it")
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/it", headers={"authorization": "me"})).text == "ok"
        assert (await client.head("/it")).status_code == 401
        app.dependency_overrides[authenticate] = lambda: None
        assert (await client.get("/it")).text == "ok"


async def test_dependency_reads_path_query_and_body_before_the_handler_does(app, broker):
    seen = []

    async def dependency(order: Annotated[dict, Body()], tenant: str, q: int):
        seen.append((order, tenant, q))

    options = {
        "prefix": "/{tenant}",
        "dependencies": [fastapi.Depends(dependency)],
    }
    async with client_of(app, broker, ("/it", take), **options) as client:
        response = await client.post("/t/it?q=1", json={"item": "x"})
        assert (response.status_code, response.json()) == (200, {"item": "x"})
        assert seen == [({"item": "x"}, "t", 1)]
        response = await client.post("/t/it?q=x", json={"item": "x"})
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["query", "q"]


async def test_dependencies_close_and_their_background_tasks_run(app, broker):
    events = []

    async def resource(tasks: BackgroundTasks):
        tasks.add_task(events.append, "task")
        events.append("open")
        yield
        events.append("close")

    @get
    async def handler():
        events.append("handle")
        return AsgiResponse()

    options = {"dependencies": [fastapi.Depends(resource)]}
    async with client_of(app, broker, ("/it", handler), **options) as client:
        await client.get("/it")
    assert events == ["open", "handle", "task", "close"]


async def test_exceptions_reach_the_handlers_of_the_application(app, broker):
    class OutOfStock(Exception):
        pass

    @app.exception_handler(OutOfStock)
    async def out_of_stock(request, error):
        return PlainTextResponse(request.url.path, 409)

    @app.exception_handler(RequestValidationError)
    async def invalid(request, error):
        return fastapi.responses.JSONResponse([error.body, error.errors()[0]["loc"]], 400)

    @get
    async def raises():
        raise OutOfStock

    @get
    async def forbids():
        raise HTTPException(403, "no", headers={"x-why": "because"})

    routes = [("/raises", raises), ("/forbids", forbids), ("/take", take)]
    async with client_of(app, broker, *routes) as client:
        response = await client.get("/raises")
        assert (response.status_code, response.text) == (409, "/raises")
        response = await client.get("/forbids")
        assert (response.status_code, response.json()) == (403, {"detail": "no"})
        assert response.headers["x-why"] == "because"
        response = await client.post("/take", json={"no": 1})
        assert (response.status_code, response.json()) == (400, [{"no": 1}, ["body", "item"]])
        response = await client.post(
            "/take", content=b"{", headers={"content-type": "application/json"}
        )
        assert (response.status_code, response.json()) == (400, ["{", ["body"]])


async def test_validation_error_is_the_one_of_fastapi(app, broker):
    @get
    async def handler(page: Annotated[int, Query()]):
        raise AssertionError

    @app.get("/native")
    async def native(page: int):
        raise AssertionError

    async with client_of(app, broker, ("/ours", handler)) as client:
        for query in ("", "?page=x"):
            ours, natives = await client.get(f"/ours{query}"), await client.get(f"/native{query}")
            assert ours.status_code == natives.status_code == 422
            assert ours.json() == natives.json()


async def test_middleware_sees_the_route(app, broker):
    seen = []

    @app.middleware("http")
    async def middleware(request: Request, call_next):
        response = await call_next(request)
        seen.append((request.scope["route"].path, request.scope["endpoint"].__name__))
        response.headers["x-seen"] = "yes"
        return response

    @get
    async def handler(order_id: Annotated[int, Path()]):
        return JSONResponse(order_id)

    async with client_of(app, broker, ("/orders/{order_id}", handler)) as client:
        for method in ("GET", "HEAD"):
            response = await client.request(method, "/orders/7")
            assert response.headers["x-seen"] == "yes"
    assert seen == [("/orders/{order_id}", "handler")] * 2


@pytest.mark.parametrize("routes", [[("/it", ok), ("/it", take)], [("/it", take), ("/it", ok)]])
async def test_handlers_of_one_path_share_it(app, broker, routes):
    async with client_of(app, broker, *routes, prefix="/p") as client:
        assert (await client.get("/p/it")).text == "ok"
        assert (await client.head("/p/it")).status_code == 200
        assert (await client.post("/p/it", json={"item": "x"})).status_code == 200
        response = await client.delete("/p/it")
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
        assert response.json() == {"detail": "Method Not Allowed"}


async def test_head_keeps_its_method_for_handlers(app, broker):
    @get
    async def handler(scope):
        return AsgiResponse(b"body", headers={"x-method": scope["method"]})

    async with client_of(app, broker, ("/it", handler)) as client:
        response = await client.head("/it")
    assert (response.headers["x-method"], response.content) == ("HEAD", b"")
    assert response.headers["content-length"] == "4"


async def test_head_sends_no_body(app, broker):
    sent = []

    async def watch(scope, receive, send):
        async def send_and_note(message):
            sent.append(message)
            await send(message)

        await app(scope, receive, send_and_note)

    app.include_router(FastStreamRouter(broker, asgi_routes=[("/it", ok)]))
    async with asgi_client(watch, broker) as client:
        await client.head("/it")
    assert [message.get("body") for message in sent if "body" in message] == [b""]


async def test_application_answers_at_its_path_as_at_its_root(app, broker):
    async def home(request: Request):
        body = (await request.body()).decode()
        return PlainTextResponse(f"{request.method} {body} {request.url.path}")

    nested = Starlette(routes=[Route("/", home, methods=["GET", "POST"])])
    async with client_of(app, broker, ("/nested", nested), prefix="/p") as client:
        assert (await client.get("/p/nested")).text == "GET  /p/nested/"
        assert (await client.post("/p/nested", content="b")).text == "POST b /p/nested/"
        assert (await client.delete("/p/nested")).status_code == 405
        response = await client.head("/p/nested")
        assert (response.status_code, response.content) == (200, b"")
        assert (await client.get("/p/nested/below")).status_code == 404


async def test_application_gets_the_body_that_a_dependency_has_read(app, broker):
    async def dependency(request: Request):
        await request.body()

    async def echo(scope, receive, send):
        await Response((await receive())["body"])(scope, receive, send)

    options = {"dependencies": [fastapi.Depends(dependency)]}
    async with client_of(app, broker, ("/echo", echo), **options) as client:
        assert (await client.put("/echo", content="body")).text == "body"


async def test_routes_can_be_added_later(app, broker):
    router = FastStreamRouter(broker, prefix="/p")
    router.add_asgi_route("/it", ok)
    app.include_router(router)
    async with asgi_client(app, broker) as client:
        assert (await client.get("/p/it")).text == "ok"
        router.add_asgi_route("/late", ok)
        expected = 200 if _fastapi.LIVE_ROUTERS else 404  # as for every route of a router
        assert (await client.get("/p/late")).status_code == expected


async def test_handler_may_read_a_parameter_of_the_prefix(app, broker):
    @get
    async def handler(tenant: Annotated[int, Path()], order_id: Annotated[str, Path()]):
        return JSONResponse([tenant, order_id])

    include = {"prefix": "/{tenant}"}
    async with client_of(
        app, broker, ("/orders/{order_id:path}", handler), include=include
    ) as client:
        assert (await client.get("/7/orders/a/b")).json() == [7, "a/b"]
        response = await client.get("/x/orders/a")
        assert response.json()["detail"][0]["loc"] == ["path", "tenant"]


def test_path_and_method_are_answered_once(broker):
    with pytest.raises(SetupError, match="GET, HEAD /p/it is answered by .* already"):
        FastStreamRouter(broker, prefix="/p", asgi_routes=[("/it", ok), ("/it", ok)])


@pytest.mark.parametrize("route", [lambda: None, lambda request: None, "ok"])
def test_what_is_no_asgi_application_is_refused(broker, route):
    with pytest.raises(SetupError, match="'/it'.*neither a handler nor an ASGI application"):
        FastStreamRouter(broker, asgi_routes=[("/it", route)])


def test_handler_with_a_mistake_is_refused_at_registration(broker):
    async def handler(value: "Missing"):  # noqa: F821
        raise AssertionError

    with pytest.raises(SetupError, match="value refer to names that do not exist"):
        FastStreamRouter(broker, asgi_routes=[("/it", get(handler))])


@pytest.mark.skipif(
    "max_body_size" not in inspect.signature(FastAPI).parameters, reason="not in this FastAPI"
)
async def test_body_limit_of_the_application_counts(broker):
    app = FastAPI(max_body_size=10)
    async with client_of(app, broker, ("/it", take)) as client:
        response = await client.post("/it", json={"item": "x" * 20})
    assert response.status_code == 413


@pytest.mark.skipif(not _fastapi.LIVE_ROUTERS, reason="this FastAPI copies its routes")
async def test_routes_work_where_the_private_name_is_gone(app, broker, monkeypatch):
    monkeypatch.setattr(_fastapi, "_route_context", None)
    calls = []

    async def dependency(request: Request):
        calls.append(request.method)

    @post
    async def handler(order: Annotated[Order, asgi.Body()], q: Annotated[int, Query()] = 1):
        return JSONResponse([order, q])

    include = {"dependencies": [fastapi.Depends(dependency)], "prefix": "/p"}
    async with client_of(app, broker, ("/it", handler), ("/ok", ok), include=include) as client:
        response = await client.post("/p/it?q=2", json={"item": "x"})
        assert (response.status_code, response.json()) == (200, [{"item": "x"}, 2])
        assert (await client.post("/p/it", json={})).status_code == 422
        assert (await client.get("/p/ok")).text == "ok"
        assert (await client.head("/p/ok")).status_code == 200
    assert calls == ["POST", "POST", "GET", "GET"]
