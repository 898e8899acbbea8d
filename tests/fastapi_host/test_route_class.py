"""`route_class` is the class of every route of the router: handlers, probes, the page."""

import functools
import gzip
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, StreamingResponse

from faststream_integrations import make_ping_asgi
from faststream_integrations.asgi import AsgiResponse, Body, JSONResponse, get, post
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client


class Item(BaseModel):
    name: str


@get
async def ok():
    return AsgiResponse(b"ok")


@get
async def streamed():
    async def pieces():
        yield b"a"
        yield b"b"

    return StreamingResponse(pieces(), headers={"x-time": "mine"})


@get
async def by_starlette():
    return PlainTextResponse("ok")


@post
async def take(item: Annotated[Item, Body()]):
    return JSONResponse(item)


@post(request_max_body_size=100)
async def take_small(item: Annotated[Item, Body()]):
    return JSONResponse(item)


class Guarded(APIRoute):
    """Wants a key, in the way of FastAPI's documentation."""

    def get_route_handler(self):
        original = super().get_route_handler()

        async def guard(request: Request) -> Response:
            if request.headers.get("x-key") != "secret":
                raise HTTPException(401)
            response = await original(request)
            response.headers["x-time"] = "1"
            return response

        return guard


class Bare(Guarded):
    """The same, past the class that it inherits from."""

    def get_route_handler(self):
        original = APIRoute.get_route_handler(self)

        async def guard(request: Request) -> Response:
            if request.headers.get("x-key") != "secret":
                raise HTTPException(401)
            response = await original(request)
            response.headers["x-time"] = "1"
            return response

        return guard


class Handling(APIRoute):
    """Guards by what every route of Starlette's has."""

    async def handle(self, scope, receive, send):
        if (b"x-key", b"secret") not in scope["headers"]:
            raise HTTPException(401)

        async def send_timed(message):
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-time", b"1"))
            await send(message)

        await super().handle(scope, receive, send_timed)


class Wrapping(APIRoute):
    """Wraps the endpoint, as containers of dependencies do."""

    def __init__(self, path, endpoint, **options):
        @functools.wraps(endpoint)
        async def wrapper(*args, request: Request, **kwargs):
            if request.headers.get("x-key") != "secret":
                raise HTTPException(401)
            response = await endpoint(*args, request=request, **kwargs)
            response.headers["x-time"] = "1"
            return response

        super().__init__(path, wrapper, **options)


class Gzipped(Request):
    async def body(self):
        if not hasattr(self, "_body"):
            body = await super().body()
            if "gzip" in self.headers.getlist("content-encoding"):
                body = gzip.decompress(body)
            self._body = body
        return self._body


class GzipRoute(APIRoute):
    """Changes the body, in the way of FastAPI's documentation."""

    def get_route_handler(self):
        original = super().get_route_handler()

        async def unzip(request: Request) -> Response:
            return await original(Gzipped(request.scope, request.receive))

        return unzip


class LoggingRoute(APIRoute):
    """Reads the body first, and tells what did not validate."""

    def get_route_handler(self):
        original = super().get_route_handler()

        async def tell(request: Request) -> Response:
            body = await request.body()
            try:
                return await original(request)
            except RequestValidationError as error:
                detail = {"errors": len(error.errors()), "body": body.decode()}
                raise HTTPException(422, detail) from error

        return tell


async def dependency(request: Request):
    return await request.body()


@pytest.fixture(params=["plain", "included", "with a dependency", "native dependency"])
def client_of(request):
    """Make a client of a router with a route class, included in several ways."""

    def make(route_class, *routes, **options):
        broker = NatsBroker()
        dependencies = [Depends(dependency)] if "dependency" in request.param else []
        router = FastStreamRouter(
            broker,
            asgi_routes=[*routes, ("/health", make_ping_asgi(broker))],
            route_class=route_class,
            dependencies=dependencies if request.param == "native dependency" else [],
            **options,
        )
        app = FastAPI(dependencies=dependencies)
        if request.param == "included":
            outer = APIRouter(prefix="/b")
            outer.include_router(router, prefix="/c")
            app.include_router(outer, prefix="/a")
        else:
            app.include_router(router, prefix="/a/b/c")
        return asgi_client(app, broker, base_url="http://testserver/a/b/c")

    return make


@pytest.mark.parametrize("route_class", [Guarded, Bare, Handling, Wrapping])
async def test_route_class_guards_every_route(client_of, route_class):
    routes = [
        ("/ok", ok),
        ("/starlette", by_starlette),
        ("/streamed", streamed),
        ("/take", take),
        ("/app", PlainTextResponse("app")),
    ]
    answers = {
        "/ok": (200, "ok"),
        "/starlette": (200, "ok"),
        "/streamed": (200, "ab"),
        "/app": (200, "app"),
        "/health": (204, ""),
        "/asyncapi.json": (200, None),
        "/asyncapi": (200, None),
    }
    key = {"x-key": "secret"}
    async with client_of(route_class, *routes, asyncapi_path="/asyncapi") as client:
        for path, (status, text) in answers.items():
            assert (await client.get(path)).status_code == 401, path
            response = await client.get(path, headers=key)
            assert response.status_code == status, path
            assert text is None or response.text == text, path
            assert "1" in response.headers.get_list("x-time"), path
            head = await client.head(path, headers=key)
            assert (head.status_code, head.content) == (status, b""), path
        assert (await client.post("/take", json={"name": "a"})).status_code == 401
        taken = await client.post("/take", json={"name": "a"}, headers=key)
        assert (taken.json(), taken.headers["x-time"]) == ({"name": "a"}, "1")
        invalid = await client.post("/take", json={}, headers=key)
        assert invalid.status_code == 422


async def test_route_class_may_change_the_body(client_of):
    async with client_of(GzipRoute, ("/take", take), ("/small", take_small)) as client:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        body = gzip.compress(b'{"name": "zipped"}')
        response = await client.post("/take", content=body, headers=headers)
        assert (response.status_code, response.json()) == (200, {"name": "zipped"})
        assert (await client.post("/take", json={"name": "plain"})).json() == {"name": "plain"}
        large = gzip.compress(b'{"name": "%s"}' % (b"x" * 200))
        assert len(large) < 100
        response = await client.post("/small", content=large, headers=headers)
        assert response.status_code == 413


async def test_route_class_may_read_the_body_and_see_what_does_not_validate(client_of):
    async with client_of(LoggingRoute, ("/take", take), ("/small", take_small)) as client:
        assert (await client.post("/take", json={"name": "a"})).json() == {"name": "a"}
        response = await client.post("/take", json={"nom": "a"})
        assert response.json() == {"detail": {"errors": 1, "body": '{"nom":"a"}'}}

        async def chunks():
            for _ in range(10):
                yield b"x" * 20

        response = await client.post("/small", content=chunks())
        assert response.status_code == 413


async def test_route_class_of_the_router_is_the_one_of_its_path_operations_too(client_of):
    broker = NatsBroker()
    router = FastStreamRouter(broker, route_class=Guarded)
    router.get("/native")(lambda: "ok")
    app = FastAPI()
    app.include_router(router)
    async with asgi_client(app, broker) as client:
        assert (await client.get("/native")).status_code == 401
        assert (await client.get("/native", headers={"x-key": "secret"})).json() == "ok"


class Hiding(APIRoute):
    def __init__(self, path, endpoint, **options):
        async def hidden():
            return "hidden"

        super().__init__(path, hidden, **options)


def test_route_class_that_hides_the_handler_is_refused():
    with pytest.raises(SetupError, match="Hiding puts .* in the place of the route '/ok'"):
        FastStreamRouter(NatsBroker(), asgi_routes=[("/ok", ok)], route_class=Hiding)


def test_class_that_can_be_no_route_class_is_refused():
    class Meta(type):
        pass

    class Other(metaclass=Meta):
        pass

    for wrong in (Other, object, 3):
        with pytest.raises(SetupError, match="route_class="):
            FastStreamRouter(NatsBroker(), route_class=wrong)
