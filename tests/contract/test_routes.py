"""Paths mean the same in every host that has routes for them; what cannot be served is refused."""

from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI
from faststream import FastStream
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from litestar import Litestar
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from faststream_integrations import broker_lifespan, make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, HttpHandler, Path, as_asgi, get, post
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.fastapi._fastapi import LIVE_ROUTERS
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.contract.hosts import HOSTS, Host


@pytest.fixture(params=[host for host in HOSTS if host.adopts], ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    return request.param


def handler():
    """A new handler, which reads no parameter of the path."""

    async def answer():
        return AsgiResponse(b"ok")

    return get(answer)


@get
async def read(order_id: Annotated[int, Path()]):
    return AsgiResponse(str(order_id).encode())


REFUSED = {
    "no slash": ([("health", handler())], "'health' has to begin with '/'"),
    "open brace": ([("/a/{b", handler())], "{b"),
    "closing brace": ([("/a/b}", handler())], "b}"),
    "no name": ([("/a/{}", handler())], "/a/{}"),
    "not a name": ([("/a/{b-c}", handler())], "{b-c}"),
    "unknown converter": ([("/a/{b:integer}", handler())], "{b:integer}"),
    "repeats": ([("/{a}/{a}", handler())], "A parameter repeats in the path .*/{a}/{a}"),
    "taken": ([("/a", handler()), ("/a", handler())], "/a is answered by .* already"),
    "two names": (
        [("/a/{b}", handler()), ("/a/{c}", post(lambda: AsgiResponse()))],
        "name one parameter differently",
    ),
    "not there": ([("/orders", read)], "reads the path parameter 'order_id', which the path"),
    "other name": ([("/orders/{id}", read)], "reads the path parameter 'order_id'"),
    "no handler": ([("/a", lambda: None)], "neither a handler nor an ASGI application"),
    "no function": ([("/a", "handler")], "neither a handler nor an ASGI application"),
    "mounted twice": ([("/a", Starlette()), ("/a", Starlette())], "Everything at .*/a is answered"),
}


@pytest.mark.parametrize(("routes", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_route_that_cannot_be_served_is_refused(host, broker, routes, message):
    with pytest.raises(SetupError, match=message):
        async with host.client(broker, asgi_routes=routes):
            raise AssertionError


async def test_refused_route_takes_nothing_from_the_next_one(host, broker):
    """The same routes, mended, are served: nothing of a refused application stays."""
    probe = make_ping_asgi(broker)
    with pytest.raises(SetupError):
        host.build(broker, asgi_routes=[("/health", probe), ("health", probe)])
    async with host.client(broker, asgi_routes=[("/health", probe)]) as client:
        assert (await client.get("/health")).status_code == 204


# The rest of a path


@get
async def file(name: Annotated[str, Path()]):
    return AsgiResponse(name.encode())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/files/a", "a"),
        ("/files/a/b.txt", "a/b.txt"),
        ("/files/a/b/", "a/b/"),
        ("/files/%D0%B9/%20c", "й/ c"),
    ],
)
async def test_last_parameter_takes_the_rest_of_the_path(host, broker, path, name):
    async with host.client(broker, asgi_routes=[("/files/{name:path}", file)]) as client:
        response = await client.get(path)
        assert (response.status_code, response.text) == (200, name)
        assert (await client.get("/elsewhere/a")).status_code == 404
        refused = await client.post(path)
        assert (refused.status_code, "GET" in refused.headers["allow"]) == (405, True)


async def test_rest_of_a_path_is_in_the_documents_without_its_converter(host, broker):
    routes = [("/files/{name:path}", file)]
    async with host.client(broker, asgi_routes=routes, asyncapi_path="/asyncapi") as client:
        document = (await client.get("/asyncapi.json")).json()
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert [a for a in addresses if a.endswith("/files/{name}")]


# Methods


async def test_options_tells_what_a_path_answers(host, broker):
    routes = [("/orders", handler()), ("/orders", post(lambda: AsgiResponse()))]
    async with host.client(broker, asgi_routes=routes) as client:
        response = await client.options("/orders")
    assert response.status_code == 204
    allowed = set(response.headers["allow"].split(", "))
    # Litestar answers by itself, and tells the methods of the first handler at the path.
    assert allowed >= {"GET", "OPTIONS"}
    assert host.name == "litestar" or allowed == {"GET", "HEAD", "POST", "OPTIONS"}
    assert response.content == b""


async def test_own_options_handler_comes_first(host, broker):
    if host.name == "litestar":
        pytest.skip("Litestar answers OPTIONS by itself")

    async def own():
        return AsgiResponse(b"own")

    routes = [("/orders", handler()), ("/orders", HttpHandler(own, methods=["OPTIONS"]))]
    async with host.client(broker, asgi_routes=routes) as client:
        assert (await client.options("/orders")).text == "own"


# The template


TEMPLATES = {
    "/orders/1": "/orders/{order_id}",
    "/files/a/b": "/files/{name}",
    "/health": "/health",
    "/other/1": "/other",
}


@pytest.mark.parametrize(("path", "template"), TEMPLATES.items())
async def test_scope_has_the_route_and_its_template(host, broker, path, template):
    """Where OpenTelemetry and its like look for it: `scope["route"].path_format`."""
    app = host.build(
        broker,
        asgi_routes=[
            ("/orders/{order_id}", read),
            ("/files/{name:path}", file),
            ("/health", handler()),
            (path if path == "/other/1" and "fastapi" in host.name else "/other", other()),
        ],
    )
    seen = []

    async def instrumented(scope, receive, send):
        await app(scope, receive, send)
        if scope["type"] == "http":
            seen.append(f"{scope.get('root_path', '')}{scope['route'].path_format}")

    async with asgi_client(instrumented, broker) as client:
        response = await client.get(f"{host.prefix}{path}")
    assert response.status_code == 200
    if path == "/other/1" and "fastapi" in host.name:
        template = path  # exact there
    assert seen == [f"{host.prefix}{template}"]


def other():
    async def answer(request):
        return PlainTextResponse("other")

    return Starlette(routes=[Route("/{path:path}", answer)])


# Routes that come at startup


def build_with_late_route(host, make):
    """Build an application whose hook adds a route: the first of `make()`, anew at each start."""
    hosting = []

    async def hook():
        (target,) = hosting
        target.add_asgi_route("/late", make())

    service = FastStream(silent_broker(), on_startup=[hook])
    if host.name in ("asgi", "mounted"):
        hosting.append(as_asgi(service, asyncapi_path="/asyncapi"))
        if host.name == "asgi":
            return hosting[0]
        lifespan = broker_lifespan(hosting[0])
        return Starlette(lifespan=lifespan, routes=[Mount("/mounted", hosting[0])])
    prefix = host.prefix and "/c"
    hosting.append(FastStreamRouter(service, prefix=prefix, asyncapi_path="/asyncapi"))
    app = FastAPI()
    outer = APIRouter(prefix="/b")
    outer.include_router(hosting[0])
    app.include_router(outer if prefix else hosting[0], prefix="/a" if prefix else "")
    return app


@pytest.mark.parametrize("make", [handler, lambda handler=handler(): handler, other])
async def test_route_of_a_hook_works_at_every_start(host, make):
    if host.name == "litestar":
        pytest.skip("the routes of a Litestar application are those that it is made with")
    if "fastapi" in host.name and not LIVE_ROUTERS:
        pytest.skip("before 0.137 FastAPI copies the routes of a router when it is included")
    app = build_with_late_route(host, make)
    for _ in range(3):
        async with asgi_client(app, base_url=f"http://testserver{host.prefix}") as client:
            assert (await client.get("/late")).text == ("other" if make is other else "ok")
            document = (await client.get("/asyncapi.json")).json()
        addresses = [channel["address"] for channel in document["channels"].values()]
        assert len(addresses) == (0 if make is other else 1)


async def test_late_route_of_litestar_says_what_to_do():
    plugin = FastStreamPlugin(service := FastStream(silent_broker()))
    service.on_startup(lambda: plugin.add_asgi_route("/late", handler()))
    with pytest.raises(SetupError, match="'/late' comes too late: .* when it is made"):
        async with asgi_client(Litestar(plugins=[plugin])):
            raise AssertionError


def silent_broker():
    """A broker that needs no server to start."""
    broker = NatsBroker()

    async def nothing(*args): ...

    broker.start = broker.stop = nothing
    return broker
