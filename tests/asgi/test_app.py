"""`AsgiFastStream`: routes, lifespan, and what it takes over from a `FastStream` application."""

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fast_depends import Provider
from fast_depends.msgspec import MsgSpecSerializer
from fast_depends.pydantic import PydanticSerializer
from faststream import Context, ContextRepo, Depends, FastStream
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    Body,
    JSONResponse,
    Path,
    Query,
    as_asgi,
    delete,
    get,
    post,
)
from faststream_integrations.testing import asgi_client


def echo(name: str):
    return get(lambda scope: AsgiResponse(f"{name} {scope.get('path_params', {})}".encode()))


async def texts_of(app, *paths: str, client_options=None) -> list[str]:
    async with asgi_client(app) as client:
        return [(await client.get(path)).text for path in paths]


# Routing


async def test_handler_answers_with_and_without_the_trailing_slash():
    routes = [("/a", echo("a")), ("/b/", echo("b")), ("/", echo("root")), ("/c/{x}", echo("c"))]
    app = AsgiFastStream(asgi_routes=routes)
    paths = ("/a", "/a/", "/b", "/b/", "/", "/c/1", "/c/1/")
    assert [text.split()[0] for text in await texts_of(app, *paths)] == [*"aabb", "root", "c", "c"]


async def test_handler_does_not_answer_below_its_path():
    async with asgi_client(AsgiFastStream(asgi_routes=[("/a", echo("a"))])) as client:
        for path in ("/a/b", "/ab", "/a//", "//a"):
            assert (await client.get(path)).status_code == 404


async def test_static_paths_come_before_parameters_and_handlers_before_mounts():
    async def mounted(scope, receive, send):
        await PlainTextResponse("mounted")(scope, receive, send)

    app = AsgiFastStream(
        asgi_routes=[
            ("/", mounted),
            ("/orders/{order_id}", echo("parameter")),
            ("/orders/new", echo("static")),
            ("/orders/{order_id}/items/{item_id}", echo("nested")),
            ("/orders/new/items/all", echo("deep")),
        ]
    )
    assert await texts_of(
        app, "/orders/1", "/orders/new", "/orders/new/items/2", "/orders/new/items/all", "/orders/"
    ) == [
        "parameter {'order_id': '1'}",
        "static {}",
        "nested {'order_id': 'new', 'item_id': '2'}",
        "deep {}",
        "mounted",
    ]


async def test_handlers_share_a_path_by_their_methods():
    app = AsgiFastStream(
        asgi_routes=[
            ("/orders/{i}", get(lambda i=Path(): AsgiResponse(b"read " + i.encode()))),
            ("/orders/{i}", delete(lambda i=Path(): AsgiResponse(b"deleted " + i.encode()))),
        ]
    )
    async with asgi_client(app) as client:
        assert (await client.get("/orders/1")).text == "read 1"
        assert (await client.delete("/orders/1")).text == "deleted 1"
        response = await client.put("/orders/1")
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ([("a", echo(""))], "has to begin with '/'"),
        ([("/a{b}", echo(""))], "a parameter is a whole segment"),
        ([("/{a-b}", echo(""))], "with a Python name"),
        ([("/{a}/{a}", echo(""))], "parameter repeats"),
        ([("/a", echo("")), ("/a/", echo(""))], "would never be called"),
        ([("/a/{b}", echo("")), ("/a/{c}", echo(""))], "name one parameter differently"),
        ([("/a", get(lambda b=Path(): None))], "the path '/a' does not have"),
        ([("/a/{b}", Starlette())], "takes no path parameters"),
        ([("/a", Starlette()), ("/a", Starlette())], "Everything at /a is answered by"),
    ],
)
def test_route_that_cannot_be_served_is_refused(routes, message):
    with pytest.raises(SetupError, match=message):
        AsgiFastStream(asgi_routes=routes)


async def test_other_applications_are_mounted_at_their_prefix(tmp_path):
    (tmp_path / "style.css").write_text("body {}")

    async def root(request):
        return PlainTextResponse(f"{request.url.path} of {request.scope['root_path']}")

    inner = Starlette(routes=[Route("/", root), Route("/deep", root)])
    app = AsgiFastStream(
        asgi_routes=[
            ("/static", StaticFiles(directory=tmp_path)),
            ("/inner", inner),
            ("/inner/other", AsgiFastStream(asgi_routes=[("/it", echo("other"))])),
        ]
    )
    assert await texts_of(
        app, "/static/style.css", "/inner", "/inner/", "/inner/deep", "/inner/other/it", "/innerx"
    ) == [
        "body {}",
        "/inner/ of /inner",
        "/inner/ of /inner",
        "/inner/deep of /inner",
        "other {}",
        '{"detail":"Not Found"}',
    ]


@pytest.mark.parametrize(
    ("root_path", "path"), [("", "/it"), ("/api", "/api/it"), ("/api", "/it"), ("/i", "/it")]
)
async def test_root_path_is_taken_off_where_it_is_there(root_path, path):
    app = AsgiFastStream(asgi_routes=[("/it", echo("it"))])
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "root_path": root_path,
        "headers": [], "query_string": b"",
    }  # fmt: skip
    await app(scope, None, send)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("host", ["starlette", "litestar"])
async def test_mounted_application_runs_with_its_broker(host):
    broker = NatsBroker()

    @get
    async def publish(broker_: Annotated[NatsBroker, Context("broker")]):
        await broker_.publish("x", "mounted")
        return AsgiResponse(b"published")

    received = []

    @broker.subscriber("mounted")
    async def subscriber(message: str):
        received.append(message)

    inner = AsgiFastStream(broker, asgi_routes=[("/publish", publish), ("/o/{x}", echo("o"))])
    if host == "starlette":
        app = Starlette(lifespan=broker_lifespan(inner), routes=[Mount("/sub", inner)])
    else:
        mount = asgi("/sub", is_mount=True, copy_scope=True)(inner)
        app = Litestar([mount], lifespan=[broker_lifespan(inner)], openapi_config=None)
    async with asgi_client(app, broker) as client:
        assert (await client.get("/sub/publish")).text == "published"
        assert (await client.get("/sub/o/1")).text.startswith("o {")
        assert (await client.get("/sub/nothing")).status_code == 404
    assert received == ["x"]


async def test_websocket_is_handed_to_mounted_applications_and_closed_elsewhere():
    async def mounted(scope, receive, send):
        await send({"type": "websocket.accept"})

    app = AsgiFastStream(asgi_routes=[("/ws", mounted), ("/it", echo("it"))])

    async def open_at(path):
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message["type"])

        await app({"type": "websocket", "path": path, "root_path": ""}, receive, send)
        return sent

    assert await open_at("/ws") == ["websocket.accept"]
    assert await open_at("/it") == ["websocket.close"]
    assert await open_at("/nothing") == ["websocket.close"]


# Parameters of the application


async def test_provider_of_the_application_is_used():
    async def dependency():
        return "original"

    @get
    async def handler(x: Annotated[str, Depends(dependency)]):
        return JSONResponse(x)

    provider = Provider()
    provider.override(dependency, lambda: "overridden")
    app = AsgiFastStream(asgi_routes=[("/it", handler)], provider=provider)
    assert await texts_of(app, "/it") == ['"overridden"']


@pytest.mark.parametrize(
    ("serializer", "answer", "status_code"),
    [
        (PydanticSerializer(), [5, [1, 2]], 422),
        (PydanticSerializer({"strict": False}), [5, [1, 2]], 422),
        (MsgSpecSerializer(), [5, [1, 2]], 422),
        (None, ["5", ["1", "2"]], 200),
    ],
)
async def test_serializer_of_the_application_validates(serializer, answer, status_code):
    @get
    async def handler(a: Annotated[int, Query()], b: Annotated[list[int], Query()]):
        return JSONResponse([a, b])

    @post
    async def with_body(body: Annotated[dict[str, int], Body()]):
        return JSONResponse(body)

    app = AsgiFastStream(
        asgi_routes=[("/it", handler), ("/body", with_body)], serializer=serializer
    )
    async with asgi_client(app) as client:
        assert (await client.get("/it?a=5&b=1&b=2")).json() == answer
        response = await client.get("/it?a=x&b=1")
        assert response.status_code == status_code
        if status_code == 422:
            assert [e["loc"] for e in response.json()["detail"]] == [["query", "a"]]
        assert (await client.post("/body", json={"a": 1})).json() == {"a": 1}
        assert (await client.post("/body", json={"a": "x"})).status_code == status_code
        headers = {"content-type": "application/json"}
        assert (await client.post("/body", content=b"{", headers=headers)).status_code == 400


async def test_pydantic_configuration_of_the_application_counts():
    @get
    async def handler(a: Annotated[str, Query()]):
        return JSONResponse(a)

    serializer = PydanticSerializer({"str_to_upper": True})
    app = AsgiFastStream(asgi_routes=[("/it", handler)], serializer=serializer)
    assert await texts_of(app, "/it?a=x") == ['"X"']


async def test_application_without_logger_answers_errors():
    @get
    async def handler():
        raise ValueError

    app = AsgiFastStream(asgi_routes=[("/it", handler)], logger=None)
    async with asgi_client(app) as client:
        assert (await client.get("/it")).status_code == 500


async def test_missing_context_value_is_logged_by_its_name(caplog):
    @get
    async def handler(database: Annotated[object, Context()]): ...

    app = AsgiFastStream(asgi_routes=[("/it", handler)], logger=logging.getLogger("tests.app"))
    async with asgi_client(app) as client:
        assert (await client.get("/it")).status_code == 500
    (error,) = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert "Context('database')" in error
    assert "context.set_global('database', ...)" in error


# Lifespan


class Events(list):
    """Names of what happened, and hooks that add to them."""

    def hook(self, name):
        async def hook():
            self.append(name)

        return hook

    def failing(self, name):
        async def hook():
            self.append(name)
            raise RuntimeError(name)

        return hook

    def broker(self, name, url, *, fails=()):
        events = self

        class Recording(NatsBroker):
            async def start(self):
                events.append(f"start {name}")
                await super().start()
                if "start" in fails:
                    raise RuntimeError(f"start {name}")

            async def stop(self, *args):
                events.append(f"stop {name}")
                await super().stop(*args)
                if "stop" in fails:
                    raise RuntimeError(f"stop {name}")

        return Recording(url)


async def test_hooks_and_brokers_run_in_order_and_end_in_reverse(nats_url):
    events = Events()

    @asynccontextmanager
    async def lifespan():
        events.append("enter")
        yield
        events.append("leave")

    app = AsgiFastStream(
        events.broker("a", nats_url),
        events.broker("b", nats_url),
        lifespan=lifespan,
        on_startup=[events.hook("on_startup")],
        after_startup=[events.hook("after_startup")],
        on_shutdown=[events.hook("on_shutdown 1"), events.hook("on_shutdown 2")],
        after_shutdown=[events.hook("after_shutdown")],
    )
    async with asgi_client(app):
        events.append("running")
    assert events == [
        "enter", "on_startup", "start a", "start b", "after_startup", "running",
        "on_shutdown 1", "on_shutdown 2", "stop b", "stop a", "after_shutdown", "leave",
    ]  # fmt: skip


@pytest.mark.parametrize("failing", ["on_shutdown", "stop a", "stop b", "after_shutdown"])
async def test_whatever_fails_at_the_end_the_rest_still_ends(nats_url, failing):
    events = Events()

    @asynccontextmanager
    async def lifespan():
        try:
            yield
        finally:
            events.append("leave")

    def hook(name):
        return (events.failing if failing == name else events.hook)(name)

    app = AsgiFastStream(
        events.broker("a", nats_url, fails=["stop"] if failing == "stop a" else []),
        events.broker("b", nats_url, fails=["stop"] if failing == "stop b" else []),
        lifespan=lifespan,
        on_shutdown=[hook("on_shutdown"), events.hook("on_shutdown 2")],
        after_shutdown=[hook("after_shutdown")],
    )
    with pytest.raises(RuntimeError, match=failing):
        async with asgi_client(app):
            events.clear()
    assert events == [
        "on_shutdown", "on_shutdown 2", "stop b", "stop a", "after_shutdown", "leave",
    ]  # fmt: skip


@pytest.mark.parametrize("failing", ["on_startup", "start b", "after_startup"])
async def test_startup_that_fails_ends_what_it_had_begun(nats_url, failing):
    events = Events()

    def hook(name):
        return (events.failing if failing == name else events.hook)(name)

    brokers = [
        events.broker("a", nats_url),
        events.broker("b", nats_url, fails=["start"] if failing == "start b" else []),
    ]
    app = AsgiFastStream(
        *brokers, on_startup=[hook("on_startup")], after_startup=[hook("after_startup")],
        on_shutdown=[events.hook("on_shutdown")], after_shutdown=[events.hook("after_shutdown")],
    )  # fmt: skip
    with pytest.raises(RuntimeError, match=failing):
        async with asgi_client(app):
            raise AssertionError
    begun = events[events.index(failing) + 1 :]
    assert (
        begun
        == {
            "on_startup": ["after_shutdown"],
            "start b": ["stop b", "stop a", "after_shutdown"],
            "after_startup": ["on_shutdown", "stop b", "stop a", "after_shutdown"],
        }[failing]
    )
    for broker in brokers:
        assert not await broker.ping(0.05)


async def test_startup_is_complete_when_the_broker_consumes(nats_url):
    broker = NatsBroker(nats_url)
    started = asyncio.Event()

    @broker.subscriber("startup.complete")
    async def subscriber(message: str): ...

    app = AsgiFastStream(broker)
    states = []

    async def send(message):
        states.append((message["type"], broker.running))
        if message["type"] == "lifespan.startup.complete":
            started.set()

    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive():
        return {"type": next(events)}

    await app({"type": "lifespan"}, receive, send)
    assert states == [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", False)]


async def test_lifespan_state_has_the_broker(nats_url):
    broker = NatsBroker(nats_url)

    async def mounted(scope, receive, send):
        state = scope["state"]
        same = state["broker"] is broker and state["brokers"] == (broker,)
        await PlainTextResponse(str(same))(scope, receive, send)

    app = AsgiFastStream(broker, asgi_routes=[("/mounted", mounted)])
    assert await texts_of(app, "/mounted") == ["True"]


async def test_bare_handler_in_a_mounted_framework_finds_the_context(nats_url):
    @get
    async def handler(broker: Annotated[NatsBroker, Context()]):
        return AsgiResponse(str(await broker.ping(5)).encode())

    inner = Starlette(routes=[Route("/bare", handler)])
    app = AsgiFastStream(NatsBroker(nats_url), asgi_routes=[("/inner", inner)])
    assert await texts_of(app, "/inner/bare") == ["True"]


async def test_broker_added_in_a_hook_is_started(nats_url):
    broker = NatsBroker(nats_url)
    running = get(lambda b=Context("broker"): JSONResponse(b.running))
    app = AsgiFastStream(asgi_routes=[("/it", running)])

    @app.on_startup
    async def add():
        app.add_broker(broker)

    assert await texts_of(app, "/it") == ["true"]
    assert not broker.running


# A FastStream application as an ASGI application


@pytest.mark.parametrize("make", [as_asgi, AsgiFastStream.from_app])
async def test_from_app_keeps_everything(nats_url, make, caplog):
    events = Events()

    @asynccontextmanager
    async def lifespan(context: ContextRepo):
        context.set_global("from_lifespan", 1)
        events.append("enter")
        yield
        events.append("leave")

    async def dependency():
        return "original"

    provider, context = Provider(), AsgiFastStream().context
    context.set_global("from_context", 2)
    provider.override(dependency, lambda: "overridden")
    logger = logging.getLogger("tests.from_app")
    broker = NatsBroker(nats_url)
    source = FastStream(
        broker,
        logger=logger,
        provider=provider,
        context=context,
        serializer=PydanticSerializer({"str_to_upper": True}),
        lifespan=lifespan,
        on_startup=[events.hook("on_startup")],
        after_startup=[events.hook("after_startup")],
        on_shutdown=[events.hook("on_shutdown")],
        after_shutdown=[events.hook("after_shutdown")],
        specification=AsyncAPI(title="Kept", version="2.0"),
    )

    @get
    async def handler(
        a: Annotated[int, Context("from_lifespan")],
        b: Annotated[int, Context("from_context")],
        c: Annotated[str, Depends(dependency, cast=False)],
        d: Annotated[str, Query()],
        app: Annotated[object, Context("app")],
        log: Annotated[object, Context("logger")],
    ):
        return JSONResponse([a, b, c, d, app is asgi_app, log is logger])

    asgi_app = make(source, [("/it", handler)], "/docs")
    source.on_startup(events.hook("added later"))

    async with asgi_client(asgi_app) as client:
        assert (await client.get("/it?d=x")).json() == [1, 2, "overridden", "X", True, True]
        assert (await client.get("/docs.json")).json()["info"]["title"] == "Kept"
        assert await broker.ping(5)
    assert events == [
        "enter", "on_startup", "added later", "after_startup", "on_shutdown", "after_shutdown",
        "leave",
    ]  # fmt: skip
    assert asgi_app.schema is source.schema
    assert asgi_app.context is source.context


def test_application_is_upstreams_too():
    assert issubclass(AsgiFastStream, UpstreamAsgiFastStream)


@pytest.mark.parametrize("version", ["2.6.0", "3.0.0"])
def test_routes_are_in_the_asyncapi_document_unless_excluded(version):
    @get(description="Reads an order", tags=[{"name": "orders"}], unique_id="read_order")
    async def read(order_id: Annotated[str, Path()]): ...

    @get(include_in_schema=False)
    async def hidden(): ...

    app = AsgiFastStream(
        NatsBroker(),
        asgi_routes=[("/orders/{order_id}", read), ("/hidden", hidden)],
        specification=AsyncAPI(schema_version=version),
    )
    app.mount("/later", post(lambda: AsgiResponse()))
    channels = app.schema.to_specification().to_jsonable()["channels"]
    addresses = {c.get("address", name): c for name, c in channels.items()}
    assert set(addresses) == {"/orders/{order_id}", "/later"}
    assert addresses["/orders/{order_id}"]["description"] == "Reads an order"
