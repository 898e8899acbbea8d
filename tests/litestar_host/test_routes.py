"""FastStream's handlers as routes of Litestar: everything of Litestar's applies to them."""

import logging
import re
from typing import Annotated, Any

import pytest
from faststream import Context, Depends, FastStream
from faststream.asgi import AsgiResponse as UpstreamResponse
from faststream.asgi import get as upstream_get
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar, Response
from litestar import Request as LitestarRequest
from litestar.datastructures import Cookie as LitestarCookie
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    ClientException,
    HTTPException,
    ImproperlyConfiguredException,
    NotAuthorizedException,
    ValidationException,
)
from litestar.middleware import ASGIMiddleware
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from faststream_integrations import AsyncAPIRoute, make_ping_asgi
from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Header,
    JSONResponse,
    Path,
    Query,
    Request,
    get,
    post,
)
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client


@get
async def hello():
    return AsgiResponse(b"hello")


@get
async def paged(page: Annotated[int, Query()]):
    return JSONResponse(page)


@post(request_max_body_size=10)
async def limited(request: Request):
    return JSONResponse(len(await request.body()))


class Served:
    """A client for one application with the routes of the plugin."""

    def __init__(self, *routes, plugin=None, **options):
        self.broker = NatsBroker()
        plugin = FastStreamPlugin(self.broker, asgi_routes=routes, **(plugin or {}))
        self.app = Litestar(plugins=[plugin], **options)
        self.context = asgi_client(self.app, self.broker, raise_app_exceptions=False)

    async def __aenter__(self):
        return await self.context.__aenter__()

    async def __aexit__(self, *exception):
        return await self.context.__aexit__(*exception)


async def test_route_is_at_the_exact_path_without_a_redirect():
    async with Served(("/health", hello)) as client:
        for url in ("/health", "/health/"):
            assert (await client.get(url)).text == "hello"
        for url in ("/healthz", "/health/below"):
            assert (await client.get(url)).status_code == 404


async def test_route_at_the_root():
    async with Served(("/", hello)) as client:
        assert (await client.get("/")).text == "hello"


async def test_two_handlers_share_a_path_with_different_methods():
    @post
    async def create():
        return AsgiResponse(b"created")

    async with Served(("/it", hello), ("/it", create)) as client:
        assert (await client.get("/it")).text == "hello"
        assert (await client.post("/it")).text == "created"
        assert (await client.head("/it")).status_code == 200


def test_path_without_the_parameter_that_a_handler_reads_is_refused():
    @get
    async def handler(order_id: Annotated[int, Path()]): ...

    with pytest.raises(SetupError, match="reads the path parameter 'order_id'"):
        Served(("/orders", handler))


async def test_guards_and_opt_are_for_every_route_of_the_plugin():
    def guard(connection, handler):
        if connection.headers.get("x-token") != handler.opt["token"]:
            raise NotAuthorizedException

    async def app(scope, receive, send):
        await AsgiResponse(b"mounted")(scope, receive, send)

    served = Served(
        ("/it", hello),
        ("/app", app),
        plugin={"guards": [guard], "opt": {"token": "t"}, "asyncapi_path": "/docs"},
    )
    async with served as client:
        for url in ("/it", "/app", "/app/below", "/docs", "/docs.json"):
            assert (await client.get(url)).status_code == 401
            assert (await client.get(url, headers={"x-token": "t"})).status_code == 200
        assert (await client.get("/schema/openapi.json")).status_code == 200


async def test_two_plugins_with_different_guards_share_a_broker():
    def guard(connection, handler):
        raise NotAuthorizedException

    broker = NatsBroker()
    free = FastStreamPlugin(broker, asgi_routes=[("/free", hello)])
    guarded = FastStreamPlugin(broker, asgi_routes=[("/guarded", hello)], guards=[guard])
    async with asgi_client(Litestar(plugins=[free, guarded]), broker) as client:
        assert (await client.get("/free")).status_code == 200
        assert (await client.get("/guarded")).status_code == 401


async def test_opt_excludes_from_authentication():
    class Authentication(ASGIMiddleware):
        exclude_opt_key = "exclude_from_auth"

        async def handle(self, scope, receive, send, next_app):
            raise NotAuthorizedException

    options = {"middleware": [Authentication()]}
    async with Served(("/it", hello), **options) as client:
        assert (await client.get("/it")).status_code == 401
    plugin = {"opt": {"exclude_from_auth": True}}
    async with Served(("/it", hello), plugin=plugin, **options) as client:
        assert (await client.get("/it")).status_code == 200


async def test_body_that_middleware_has_read_is_there_for_the_handler():
    class ReadsBody(ASGIMiddleware):
        async def handle(self, scope, receive, send, next_app):
            assert await LitestarRequest(scope, receive, send).body() == b"[1]"
            await next_app(scope, receive, send)

    @post
    async def handler(order: Annotated[list[int], Body()]):
        return JSONResponse(order)

    async with Served(("/it", handler), middleware=[ReadsBody()]) as client:
        assert (await client.post("/it", json=[1])).json() == [1]


async def test_body_streams():
    @post
    async def handler(request: Request):
        return JSONResponse([len(chunk) async for chunk in request.stream()])

    async with Served(("/it", handler)) as client:
        assert (await client.post("/it", content=b"12345")).json() == [5, 0]


async def test_body_over_the_limit_is_told_as_in_every_host():
    async with Served(("/it", limited)) as client:
        response = await client.post("/it", content=b"x" * 11)
    assert (response.status_code, response.json()) == (
        413,
        {"detail": "The body is larger than 10 bytes"},
    )


async def test_hooks_of_the_application_run():
    events = []

    async def before_request(request: LitestarRequest) -> None:
        events.append(f"before {request.url.path}")

    async def after_request(response: Response) -> Response:
        response.headers["x-after"] = "yes"
        response.set_cookie("after", "1")
        return response

    async def after_response(request: LitestarRequest) -> None:
        events.append("after")

    @get
    async def handler():
        headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/css")]
        return AsgiResponse(b"hello", 201, headers)

    @upstream_get
    async def upstreams(scope):
        return UpstreamResponse(b"hello", 201)

    @get
    async def nothing():
        return AsgiResponse(b"", 204)

    served = Served(
        ("/it", handler),
        ("/upstream", upstreams),
        ("/nothing", nothing),
        before_request=before_request,
        after_request=after_request,
        after_response=after_response,
    )
    async with served as client:
        response = await client.get("/it")
        assert (response.status_code, response.text) == (201, "hello")
        assert (response.headers["x-after"], response.headers["content-type"]) == (
            "yes",
            "text/css",
        )
        cookies = response.headers.get_list("set-cookie")
        assert sorted(cookie.partition(";")[0] for cookie in cookies) == ["a=1", "after=1", "b=2"]
        assert events == ["before /it", "after"]

        response = await client.head("/it")
        assert (response.status_code, response.content) == (201, b"")
        assert response.headers["content-length"] == "5"

        response = await client.get("/upstream")
        assert (response.text, response.headers["x-after"]) == ("hello", "yes")

        response = await client.get("/nothing")
        assert (response.status_code, response.headers["x-after"]) == (204, "yes")
        assert "content-type" not in response.headers
        assert "content-length" not in response.headers


async def test_before_request_may_answer():
    async def before_request(request: LitestarRequest) -> Response:
        return Response("instead", status_code=202)

    async with Served(("/it", hello), before_request=before_request) as client:
        response = await client.get("/it")
    assert (response.status_code, response.text) == (202, "instead")


async def test_headers_and_cookies_of_the_application_are_in_the_response():
    served = Served(
        ("/it", hello),
        response_headers=[ResponseHeader(name="x-it", value="yes")],
        response_cookies=[LitestarCookie(key="it", value="1")],
    )
    async with served as client:
        response = await client.get("/it")
    assert (response.text, response.headers["x-it"], response.cookies["it"]) == (
        "hello",
        "yes",
        "1",
    )


@pytest.mark.parametrize(
    "key", [422, ValidationException, ClientException, HTTPException, Exception]
)
async def test_exception_handler_of_the_application_sees_an_invalid_request(key):
    seen = []

    def handle(request: LitestarRequest, error: HTTPException) -> Response[str]:
        seen.append(error)
        return Response("mine", status_code=error.status_code)

    async with Served(("/it", paged), exception_handlers={key: handle}) as client:
        response = await client.get("/it?page=x")
    assert (response.status_code, response.text) == (422, "mine")
    assert [error["loc"] for error in seen[0].extra] == [("query", "page")]


async def test_invalid_request_is_told_as_in_every_host():
    async with Served(("/it", paged)) as client:
        response = await client.get("/it?page=x")
    assert response.status_code == 422
    assert list(response.json()) == ["detail"]
    assert response.json()["detail"][0]["loc"] == ["query", "page"]


async def test_exception_of_the_user_gets_its_handler():
    class OrderError(Exception):
        pass

    def handle(request: LitestarRequest, error: OrderError) -> Response[str]:
        return Response(str(error), status_code=418)

    @get
    async def handler():
        raise OrderError("out of coffee")

    async with Served(("/it", handler), exception_handlers={OrderError: handle}) as client:
        response = await client.get("/it")
    assert (response.status_code, response.text) == (418, "out of coffee")


async def test_exception_of_litestar_has_its_status():
    @get
    async def handler():
        raise NotAuthorizedException(detail="who are you?")

    async with Served(("/it", handler)) as client:
        response = await client.get("/it")
    assert (response.status_code, response.json()["detail"]) == (401, "who are you?")


async def test_missing_context_value_is_named_in_the_log():
    @get
    async def handler(absent: Annotated[str, Context()]): ...

    class Recorder(logging.Logger):
        def log(self, level, message, **options):
            logged.append(message)

    logged = []
    served = Served(("/it", handler))
    served.app.plugins.get(FastStreamPlugin).environment.logger = Recorder("recorder")
    async with served as client:
        assert (await client.get("/it")).status_code == 500
    assert len(logged) == 1
    assert "asks for Context('absent')" in logged[0]


# Litestar's dependency injection


async def test_parameters_that_are_not_faststreams_are_filled_by_litestar():
    closed = []

    async def provide_session():
        yield "session"
        closed.append("session")

    async def user(session: str, x_user: Annotated[str, Header()]):
        return f"{x_user} of {session}"

    @get
    async def handler(
        scope,
        session: str,
        q: Annotated[int, Query()],
        request: LitestarRequest,
        user: Annotated[str, Depends(user)],
        option: int = 3,
        absent: int = 4,
    ):
        assert not closed
        assert isinstance(request, LitestarRequest)
        return JSONResponse([scope["type"], session, q, user, option, absent])

    served = Served(
        ("/it", handler),
        dependencies={
            "session": Provide(provide_session),
            "option": Provide(lambda: 5, sync_to_thread=False),
        },
    )
    async with served as client:
        response = await client.get("/it?q=1&absent=9", headers={"x-user": "me"})
    assert response.json() == ["http", "session", 1, "me of session", 5, 4]
    assert closed == ["session"]


async def test_first_parameter_may_be_litestars():
    class Database:
        pass

    @get
    async def handler(database: Database):
        return JSONResponse(type(database).__name__)

    dependencies = {"database": Provide(Database, sync_to_thread=False)}
    async with Served(("/it", handler), dependencies=dependencies) as client:
        assert (await client.get("/it")).json() == "Database"


async def test_first_parameter_with_a_marker_of_litestars_is_not_the_scope():
    @get
    async def handler(settings: NamedDependency[dict[str, int]]):
        return JSONResponse(settings)

    dependencies = {"settings": Provide(lambda: {"limit": 5}, sync_to_thread=False)}
    async with Served(("/it", handler), dependencies=dependencies) as client:
        assert (await client.get("/it")).json() == {"limit": 5}


async def test_broker_of_the_plugin_is_a_dependency_there_too():
    @get
    async def handler(scope, broker: NatsBroker):
        return JSONResponse(type(broker).__name__)

    async with Served(("/it", handler)) as client:
        assert (await client.get("/it")).json() == "NatsBroker"


async def test_markers_of_litestar_stay_its_own():
    @get
    async def handler(scope, session: NamedDependency[str]):
        return JSONResponse(session)

    dependencies = {"session": Provide(lambda: "s", sync_to_thread=False)}
    async with Served(("/it", handler), dependencies=dependencies) as client:
        assert (await client.get("/it")).json() == "s"


def test_parameter_that_no_dependency_fills_is_refused_at_startup():
    @get
    async def handler(scope, session: str): ...

    with pytest.raises(ImproperlyConfiguredException, match="dependency 'session' for 'handler'"):
        Served(("/it", handler))


def test_dependency_of_two_types_is_refused():
    async def dependency(session: int): ...

    @get
    async def handler(scope, session: str, _: Annotated[Any, Depends(dependency)]): ...

    with pytest.raises(SetupError, match="'session' is .* in one function and .* in another"):
        Served(("/it", handler))


async def test_override_gets_litestars_values_and_may_not_want_more():
    async def dependency(session: str):
        return session

    async def with_the_same(session: str):
        return f"overridden {session}"

    async def with_another(other: str):
        raise AssertionError

    @get
    async def handler(it: Annotated[str, Depends(dependency)]):
        return JSONResponse(it)

    served = Served(
        ("/it", handler), dependencies={"session": Provide(lambda: "s", sync_to_thread=False)}
    )
    async with served as client:
        with served.broker.provider.scope(dependency, with_the_same):
            assert (await client.get("/it")).json() == "overridden s"
        with served.broker.provider.scope(dependency, with_another):
            assert (await client.get("/it")).status_code == 500


# Other ASGI applications


async def echo(request):
    return PlainTextResponse(f"{request.scope['root_path']} {request.url.path}")


STARLETTE = Starlette(
    routes=[Route("/", echo), Route("/below", echo), Route("/slash/", echo), Route("/{any}", echo)]
)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/app", "/app /app/"),
        ("/app/", "/app /app/"),
        ("/app/below", "/app /app/below"),
        ("/app/slash/", "/app /app/slash/"),
        ("/app/%D0%B9", "/app /app/й"),
    ],
)
async def test_application_answers_at_its_prefix_and_below(url, text):
    async with Served(("/app", STARLETTE)) as client:
        response = await client.get(url)
        assert (response.status_code, response.text) == (200, text)
        assert (await client.get("/apps")).status_code == 404


@pytest.mark.parametrize("options", [{"path": "/api"}, {}])
async def test_prefix_of_the_whole_application_counts(options):
    @get
    async def handler(request: Request, name: Annotated[str, Path()]):
        return JSONResponse([request.path, name])

    served = Served(("/it/{name}", handler), ("/app", STARLETTE), **options)
    app = served.app if options else Starlette(routes=[Mount("/api", served.app)])
    async with asgi_client(app) as client:
        assert (await client.get("/api/it/ada")).json() == ["/api/it/ada", "ada"]
        assert (await client.get("/api/app/below")).text == "/api/app /api/app/below"
        assert (await client.get("/api/app/")).text == "/api/app /api/app/"


async def test_application_at_the_root_leaves_the_other_routes():
    async with Served(("/", STARLETTE), ("/it", hello)) as client:
        assert (await client.get("/it")).text == "hello"
        assert (await client.get("/below")).text == " /below"
        assert (await client.get("/")).text == " /"


async def test_application_answers_every_method():
    async def app(scope, receive, send):
        await AsgiResponse(scope["method"].encode())(scope, receive, send)

    async with Served(("/app", app)) as client:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            assert method == (await client.request(method, "/app/it")).text


async def test_application_gets_websockets():
    async def app(scope, receive, send):
        sent.append((scope["type"], scope["root_path"], scope["path"], scope["path_params"]))
        await send({"type": "websocket.close"})

    sent = []
    served = Served(("/app", app))
    path = "/app/it"
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
        "subprotocols": [], "state": {}, "client": ("c", 1), "server": ("s", 1),
        "http_version": "1.1",
    }  # fmt: skip

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    await served.app(scope, receive, send)
    assert sent == [("websocket", "/app", "/app/it", {}), "websocket.close"]


def test_mount_takes_no_path_parameters():
    with pytest.raises(SetupError, match="takes no path parameters"):
        Served(("/{it}", STARLETTE))


# Documents


async def test_probe_and_docs_are_native_routes():
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def subscriber(order: int): ...

    plugin = FastStreamPlugin(
        broker, asgi_routes=[("/health", make_ping_asgi(broker))], asyncapi_path="/docs"
    )
    async with asgi_client(Litestar(plugins=[plugin]), broker) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.post("/docs")).status_code == 405
        assert (await client.get("/docs.json")).json()["asyncapi"] == "3.0.0"
        assert (await client.get("/docs.yaml")).status_code == 200
        for url in ("/docs", "/docs/"):
            page = await client.get(url)
            assert "text/html" in page.headers["content-type"]
            script = re.search('<script[^>]* src="([^"]+)"', page.text)[1]
            asset = await client.get(page.url.join(script))
            assert (asset.status_code, "javascript" in asset.headers["content-type"]) == (200, True)
        head = await client.head("/docs")
        assert (head.status_code, head.content) == (200, b"")
        tried = await client.post("/docs/try", content=b"{}")
        assert tried.status_code not in {404, 405, 500}


async def test_guards_are_for_page_document_files_and_try_it_out():
    def guard(connection, handler):
        if connection.headers.get("authorization") != "me":
            raise NotAuthorizedException

    broker = NatsBroker()

    @broker.subscriber("orders")
    async def subscriber(order: str): ...

    form = {"channelName": "orders", "message": {"message": "m"}}
    endpoints = AsyncAPIRoute("/docs").endpoints(AsyncAPI())
    assert len(endpoints) == 7
    for plugin, options in (({"guards": [guard]}, {}), ({}, {"guards": [guard]})):
        docs = FastStreamPlugin(broker, asyncapi_path="/docs", **plugin)
        async with asgi_client(Litestar(plugins=[docs], **options), broker) as client:
            for path, method, _, _ in endpoints:
                request = client.build_request(method, path, json=form)
                assert (await client.send(request)).status_code == 401, path
                request.headers["authorization"] = "me"
                assert (await client.send(request)).status_code == 200, path


async def test_broker_that_comes_at_startup_is_in_a_document_of_the_users():
    app, broker = FastStream(), NatsBroker()
    broker.subscriber("late")(lambda message: None)
    app.on_startup(lambda: app.add_broker(broker))
    plugin = FastStreamPlugin(app, asyncapi_path="/docs", specification=AsyncAPI(title="Mine"))
    async with asgi_client(Litestar(plugins=[plugin]), broker) as client:
        document = (await client.get("/docs.json")).json()
    assert document["info"]["title"] == "Mine"
    (channel,) = document["channels"].values()
    assert channel["address"].partition(":")[0] == "late"  # 0.7.0 names the subscriber, too


async def test_docs_at_another_path_with_options():
    broker = NatsBroker()
    route = AsyncAPIRoute("/a/docs", try_it_out=False)
    plugin = FastStreamPlugin(broker, asyncapi_path=route)
    async with asgi_client(Litestar(plugins=[plugin]), broker) as client:
        assert (await client.get("/a/docs")).status_code == 200
        assert (await client.post("/a/docs/try")).status_code == 404
