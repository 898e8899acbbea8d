"""FastAPI's dependency injection in subscribers."""

import asyncio
import logging
import warnings
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import faststream
import faststream_fastapi
import pytest
from fastapi import (
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Form,
    Header,
    Path,
    Query,
    Request,
)
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from faststream import Context, Logger
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker, TestNatsBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from faststream_integrations import AsgiFastStream, broker_lifespan
from faststream_integrations import fastapi as ours
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client
from tests.subscribers.compiled import is_compiled


class Order(BaseModel):
    id: int


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


@asynccontextmanager
async def running(broker: NatsBroker, app: FastAPI | None = None, **options: Any) -> Any:
    app = app or FastAPI()
    app.include_router(FastStreamRouter(broker, **options))
    async with asgi_client(app, broker):
        yield app


async def ask(broker: NatsBroker, body: Any, subject: str = "orders", **options: Any) -> Any:
    return await (await broker.request(body, subject, **options)).decode()


# Shapes

calls: list[str] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


async def function() -> str:
    calls.append("function")
    return "function"


def in_thread() -> str:
    calls.append("in_thread")
    return "in_thread"


class Class:
    def __init__(self, sub: Annotated[str, Depends(function)], limit: int = 3) -> None:
        self.text = f"class {sub} {limit}"

    def __str__(self) -> str:
        return self.text


class Instance:
    def __call__(self) -> str:
        return "instance"

    async def method(self) -> str:
        return "method"


async def generator() -> Any:
    calls.append("open")
    yield "generator"
    calls.append("close")


def generator_in_thread() -> Any:
    yield "generator_in_thread"


async def nested(first: Annotated[str, Depends(function)], second: str = Depends(function)) -> str:
    return f"nested {first} {second}"


SHAPES = {
    "function": (Depends(function), "function"),
    "in-thread": (Depends(in_thread), "in_thread"),
    "class": (Depends(Class), "class function 3"),
    "instance": (Depends(Instance()), "instance"),
    "method": (Depends(Instance().method), "method"),
    "partial": (Depends(partial(function)), "function"),
    "lambda": (Depends(lambda: "lambda"), "lambda"),
    "generator": (Depends(generator), "generator"),
    "generator-in-thread": (Depends(generator_in_thread), "generator_in_thread"),
    "nested": (Depends(nested), "nested function function"),
    "request-scope": (Depends(generator, scope="request"), "generator"),
    "function-scope": (Depends(generator, scope="function"), "generator"),
}


@pytest.mark.parametrize("where", ["annotation", "default", "below faststream"])
@pytest.mark.parametrize(("depends", "result"), SHAPES.values(), ids=SHAPES)
async def test_shape(broker, depends, result, where):
    async def handle(order: Order, value: Any = depends) -> str:
        return f"{order.id} {value}"

    async def below(value: Any = depends) -> str:
        return str(value)

    if where == "annotation":
        handle.__defaults__ = None
        handle.__annotations__["value"] = Annotated[Any, depends]
    if where == "below faststream":
        handle.__defaults__ = (faststream.Depends(below),)
    subscriber = broker.subscriber("orders")
    subscriber(handle)

    async with running(broker):
        assert await ask(broker, {"id": 1}) == f"1 {result}"
        assert is_compiled(subscriber)


async def test_class_of_the_annotation(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[Class, Depends()]) -> str:
        return str(value)

    async with running(broker):
        assert await ask(broker, {"id": 1}) == "class function 3"


async def test_function_runs_once_for_a_message(broker):
    @broker.subscriber("orders")
    async def handle(
        order: Order,
        a: Annotated[str, Depends(function)],
        b: Annotated[str, Depends(nested)],
        c: Annotated[str, Depends(function, use_cache=False)],
    ) -> None: ...

    async with running(broker):
        await ask(broker, {"id": 1})
        await ask(broker, {"id": 1})

    assert calls == ["function", "function"] * 2


async def test_what_runs_before(broker):
    broker = NatsBroker(dependencies=[Depends(function)])

    @broker.subscriber("orders", dependencies=[Depends(generator)])
    async def handle(order: Order) -> int:
        calls.append("handler")
        return order.id

    async with running(broker):
        assert await ask(broker, {"id": 1}) == 1

    assert calls == ["function", "open", "handler", "close"]


# What a message has of a request


async def test_request_is_made_of_the_message(broker):
    seen: dict[str, Any] = {}

    async def dependency(request: Request, connection: HTTPConnection) -> Request:
        seen["same"] = request is connection
        seen["header"] = request.headers["X-Name"]
        seen["headers"] = dict(request.headers)["x-name"], request.headers.getlist("x-name")
        seen["absent"] = request.headers.get("absent"), "absent" in request.headers
        seen["path"] = request.path_params, request.url.path
        seen["body"] = await request.body(), await request.json()
        seen["query"] = dict(request.query_params), request.cookies
        seen["app"] = request.app.state.name, request.app.title
        request.state.note = "note"
        return request

    @broker.subscriber("orders.{name}")
    async def handle(
        order: Order, request: Request, again: Annotated[Request, Depends(dependency)]
    ) -> str:
        assert request is again
        return request.state.note

    app = FastAPI(title="Shop")
    app.state.name = "shop"
    async with running(broker, app):
        assert await ask(broker, {"id": 1}, "orders.tea", headers={"X-Name": "Žofie и"}) == "note"

    assert seen == {
        "same": True,
        "header": "Žofie и",
        "headers": ("Žofie и", ["Žofie и"]),
        "absent": (None, False),
        "path": ({"name": "tea"}, "/orders.tea"),
        "body": (b'{"id":1}', {"id": 1}),
        "query": ({}, {}),
        "app": ("shop", "Shop"),
    }


async def test_state_of_a_request_is_each_message_s_own(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, request: Request) -> bool:
        seen = hasattr(request.state, "mine")
        request.state.mine = order.id
        return seen

    async with running(broker):
        assert await ask(broker, {"id": 1}) is False
        assert await ask(broker, {"id": 2}) is False


async def test_request_is_never_disconnected(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, request: Request) -> bool:
        return await request.is_disconnected()

    async with running(broker):
        assert await ask(broker, {"id": 1}) is False


async def credentials(
    x_api_key: Annotated[str, Header()],
    number: Annotated[int, Header(alias="X-Number", ge=3)] = 7,
    tags: Annotated[list[str] | None, Header()] = None,
    name: Annotated[str, Path()] = "nobody",
) -> str:
    return f"{x_api_key} {number} {tags} {name}"


@pytest.mark.parametrize("depends", [Depends(credentials), None], ids=["dependency", "subscriber"])
async def test_headers_and_parameters_of_the_address(broker, depends):
    if depends is None:

        @broker.subscriber("orders.{name}")
        async def handle(
            order: Order,
            x_api_key: Annotated[str, Header()],
            number: Annotated[int, Header(alias="X-Number", ge=3)] = 7,
            tags: list[str] | None = Header(None),
            name: str = Path(),
        ) -> str:
            return f"{x_api_key} {number} {tags} {name}"

    else:

        @broker.subscriber("orders.{name}")
        async def handle(order: Order, value: Annotated[str, depends]) -> str:
            return value

    body = {"id": 1, "x_api_key": "evil", "number": 99, "name": "evil"}
    async with running(broker):
        found = await ask(broker, body, "orders.tea", headers={"X-API-Key": "k"})
        assert found == "k 7 None tea"
        headers = {"x-api-key": "k", "X-NUMBER": "5", "tags": "t"}
        assert await ask(broker, body, "orders.tea", headers=headers) == "k 5 ['t'] tea"
        with pytest.raises(ValidationError) as invalid:
            await ask(broker, body, "orders.tea", headers={"x-number": "1"})
        assert [(each["loc"], each["type"]) for each in invalid.value.errors()] == [
            (("x_api_key",), "missing"),
            (("number",), "greater_than_equal"),
        ]


async def test_what_a_message_has_not_is_its_default(broker):
    async def dependency(
        limit: int = 10,
        page: Annotated[int, Query()] = 1,
        token: str | None = Cookie(None),
        form: Annotated[list[int], Form(default_factory=list)] = [],  # noqa: B006
        body: Annotated[dict[str, int], Body()] = {},  # noqa: B006
    ) -> list[Any]:
        form.append(1)
        return [limit, page, token, form, body]

    @broker.subscriber("orders")
    async def handle(
        order: dict[str, Any], value: Annotated[list[Any], Depends(dependency)]
    ) -> list[Any]:
        return value

    body = {"limit": 99, "page": 9, "token": "evil", "form": "evil", "body": {"evil": 1}}
    async with running(broker):
        for _ in range(2):
            assert await ask(broker, body) == [10, 1, None, [1], {}]


async def test_body_marker_of_a_subscriber(broker):
    @broker.subscriber("orders")
    async def handle(order: Annotated[Order, Body()], request: Request) -> int:
        return order.id

    async with running(broker):
        assert await ask(broker, {"id": 1}) == 1


async def test_no_value_of_a_message_fills_a_dependency(broker):
    @broker.subscriber("orders")
    async def handle(
        id: int,
        value: Annotated[str, Depends(function)],
        request: Request,
        name: str = "nobody",
    ) -> list[Any]:
        return [id, value, isinstance(request, Request), name]

    async with running(broker):
        body = {"id": 1, "value": "evil", "request": "evil", "name": "somebody"}
        assert await ask(broker, body) == [1, "function", True, "somebody"]
        assert await ask(broker, [1, "evil"]) == [1, "function", True, "evil"]


async def test_security_schemes_read_headers(broker):
    @broker.subscriber("key")
    async def key(order: Order, key: Annotated[str, Depends(APIKeyHeader(name="X-Key"))]) -> str:
        return key

    @broker.subscriber("bearer")
    async def bearer(
        order: Order, token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
    ) -> str:
        return token.credentials

    async with running(broker):
        assert await ask(broker, {"id": 1}, "key", headers={"x-key": "k"}) == "k"
        headers = {"Authorization": "Bearer t"}
        assert await ask(broker, {"id": 1}, "bearer", headers=headers) == "t"
        with pytest.raises(HTTPException, match="Not authenticated"):
            await ask(broker, {"id": 1}, "key")


async def test_faststream_s_own_markers_in_dependencies_of_fastapi(broker):
    async def rate(order_id: Annotated[Any, Context("message.headers.id", default="none")]) -> Any:
        return order_id

    async def dependency(
        price: Annotated[int, Context()],
        logger: Logger,
        ours_too: Annotated[int, ours.Context("price")],
        rate: Annotated[str, faststream.Depends(rate)],
    ) -> list[Any]:
        return [price, logger is not None, ours_too, rate]

    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[Any, Depends(dependency)]) -> Any:
        return value

    broker.context.set_global("price", 3)
    async with running(broker):
        assert await ask(broker, {"id": 1}, headers={"id": "7"}) == [3, True, 3, "7"]


# What a message has not


async def required(limit: int) -> None: ...
async def of_query(limit: Annotated[int, Query()]) -> None: ...
async def of_body(order: Annotated[Order, Body()]) -> None: ...
async def below_all(value: Annotated[None, Depends(of_query)]) -> None: ...


@pytest.mark.parametrize("dependency", [required, of_query, of_body, below_all])
async def test_dependency_that_needs_a_request_fails_the_start(broker, dependency):
    app = FastAPI()
    router = FastStreamRouter(broker)
    app.include_router(router)

    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[Any, Depends(dependency)]) -> None: ...

    with pytest.raises(SetupError, match=r"The subscriber .*handle: The parameter .*Header\(\)"):
        async with asgi_client(app, broker):
            raise AssertionError("it started")


def contexts_of_peers() -> dict[str, Any]:
    """`Context` of FastStream's own FastAPI routers, which reads a header that only these fill."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from faststream.nats import fastapi as of_faststream
    return {
        "Context": Annotated[int, of_faststream.Context("price")],
        "Logger": of_faststream.Logger,
        "faststream_fastapi": Annotated[int, faststream_fastapi.Context("price")],
    }


@pytest.mark.parametrize("where", ["subscriber", "dependency"])
@pytest.mark.parametrize("annotation", contexts_of_peers().values(), ids=contexts_of_peers())
async def test_context_of_peers_is_refused(broker, annotation, where):
    async def dependency(value: Any) -> None: ...

    async def handle(order: Order, value: Any) -> None: ...

    if where == "dependency":
        dependency.__annotations__["value"] = annotation
        annotation = Annotated[None, Depends(dependency)]
    handle.__annotations__["value"] = annotation
    broker.subscriber("orders")(handle)

    with pytest.raises(SetupError, match="'value' of .*faststream_integrations.fastapi import"):
        FastStreamRouter(broker)


@pytest.mark.parametrize("annotation", contexts_of_peers().values(), ids=contexts_of_peers())
async def test_context_of_peers_beside_faststream_s_own(broker, annotation):
    """One function may serve their routers and others, as `inject` of dishka-faststream does."""

    async def handle(order: Order, price: Any) -> int:
        return price

    handle.__annotations__["price"] = Annotated[annotation, Context("price", cast=False)]
    broker.subscriber("orders")(handle)

    broker.context.set_global("price", 3)
    async with running(broker):
        assert await ask(broker, {"id": 1}, headers={"context__": "evil"}) == 3


# Background tasks


async def test_background_tasks_run_after_the_reply(broker):
    events = []
    replied = asyncio.Event()

    async def work(name: str) -> None:
        await replied.wait()
        events.append(name)

    async def dependency(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "of the dependency")

    @broker.subscriber("orders")
    async def handle(
        order: Order, tasks: BackgroundTasks, _: Annotated[None, Depends(dependency)]
    ) -> str:
        tasks.add_task(work, "of the subscriber")
        return "reply"

    async with running(broker):
        assert await ask(broker, {"id": 1}) == "reply"
        assert events == []
        replied.set()
    assert events == ["of the dependency", "of the subscriber"]


async def test_background_tasks_of_a_message_that_fails_do_not_run(broker):
    events = []

    @broker.subscriber("orders")
    async def handle(order: Order, tasks: BackgroundTasks) -> None:
        tasks.add_task(events.append, "ran")
        raise ZeroDivisionError

    async with running(broker):
        with pytest.raises(ZeroDivisionError):
            await ask(broker, {"id": 1})
    assert events == []


async def test_background_task_that_fails_is_logged(broker, caplog):
    @broker.subscriber("orders")
    async def handle(order: Order, tasks: BackgroundTasks) -> str:
        tasks.add_task(divmod, 1, 0)
        return "reply"

    with caplog.at_level(logging.ERROR):
        async with running(broker):
            assert await ask(broker, {"id": 1}) == "reply"
    assert "A background task of a message failed." in caplog.text


async def test_stop_does_not_wait_for_ever(broker):
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    @broker.subscriber("orders")
    async def handle(order: Order, tasks: BackgroundTasks) -> None:
        tasks.add_task(work)

    async with running(broker, shutdown_timeout=0.2):
        await ask(broker, {"id": 1})
    assert ended == ["cancelled"]


# The application


async def test_lifespan_state_reaches_subscribers(broker):
    @asynccontextmanager
    async def of_app(app: FastAPI) -> Any:
        yield {"outer": "outer"}

    @asynccontextmanager
    async def of_router(app: FastAPI) -> Any:
        yield {"inner": {"pool": "inner"}}

    async def dependency(request: Request) -> list[Any]:
        return [request.state.outer, request.state.inner["pool"], request.state.broker is broker]

    @broker.subscriber("orders")
    async def handle(
        order: Order,
        value: Annotated[list[Any], Depends(dependency)],
        outer: Annotated[str, Context()],
        pool: Annotated[str, Context("inner.pool")],
    ) -> list[Any]:
        return [*value, outer, pool]

    app = FastAPI(lifespan=of_app)
    async with running(broker, app, lifespan=of_router):
        assert await ask(broker, {"id": 1}) == ["outer", "inner", True, "outer", "inner"]


async def test_broker_lifespan_is_enough(broker):
    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[str, Depends(function)]) -> str:
        return value

    async with asgi_client(FastAPI(lifespan=broker_lifespan(broker)), broker):
        assert await ask(broker, {"id": 1}) == "function"


async def test_overrides_are_read_at_each_message(broker):
    async def fake(x: Annotated[str, Header()] = "no header") -> str:
        return f"fake {x}"

    @broker.subscriber("orders")
    async def handle(
        order: Order,
        value: Annotated[str, Depends(nested)],
        theirs: Annotated[str, faststream.Depends(function)],
        price: Annotated[int, ours.Context("price", default=1)],
    ) -> list[Any]:
        return [value, theirs, price]

    async with running(broker) as app:
        real = ["nested function function", "function", 1]
        assert await ask(broker, {"id": 1}) == real
        app.dependency_overrides[function] = lambda: "fake"
        assert await ask(broker, {"id": 1}) == ["nested fake fake", "fake", 1]
        app.dependency_overrides = {nested: fake, ours.Context("price", default=1): lambda: 9}
        assert await ask(broker, {"id": 1}, headers={"X": "y"}) == ["fake y", "function", 9]
        app.dependency_overrides = {}
        assert await ask(broker, {"id": 1}) == real
        with broker.provider.scope(function, lambda: "provided"):
            assert await ask(broker, {"id": 1}) == ["nested provided provided", "provided", 1]
        assert await ask(broker, {"id": 1}) == real


async def test_dependencies_do_not_run_without_the_application(broker):
    FastStreamRouter(broker)

    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[str, Depends(function)]) -> None: ...

    @broker.subscriber("plain")
    async def plain(order: Order) -> int:
        return order.id

    async with TestNatsBroker(broker):
        assert await ask(broker, {"id": 1}, "plain") == 1
        with pytest.raises(SetupError, match=r"asgi_client\(app, broker\)"):
            await ask(broker, {"id": 1})
    assert calls == []


OTHERS = {
    "asgi": AsgiFastStream,
    "starlette": lambda broker: Starlette(lifespan=broker_lifespan(broker)),
    "litestar": lambda broker: __import__("litestar").Litestar(plugins=[FastStreamPlugin(broker)]),
}


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
async def test_host_that_is_not_fastapi_does_not_start(broker, build):
    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[str, Depends(function)]) -> None: ...

    app = build(broker)
    with pytest.raises(SetupError, match="is FastAPI's to fill"):
        async with asgi_client(app, broker):
            raise AssertionError("it started")


@pytest.mark.parametrize("stops_first", [0, 1])
async def test_two_applications_with_one_broker(broker, stops_first):
    """A message uses what the application has opened that runs the broker, never what is closed."""
    opened = []

    def app(title: str) -> FastAPI:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> Any:
            opened.append(title)
            yield
            opened.remove(title)

        app = FastAPI(title=title, lifespan=lifespan)
        app.include_router(FastStreamRouter(broker))
        return app

    @broker.subscriber("orders")
    async def handle(order: Order, request: Request) -> str:
        assert request.app.title in opened
        return request.app.title

    apps = [app("0"), app("1")]
    async with TestNatsBroker(broker, connect_only=True):
        clients = [asgi_client(each) for each in apps]
        for client in clients:
            await client.__aenter__()
        assert await ask(broker, {"id": 1}) == "0"
        await clients[stops_first].__aexit__(None, None, None)
        assert await ask(broker, {"id": 1}) == str(1 - stops_first)
        await clients[1 - stops_first].__aexit__(None, None, None)


async def test_message_in_hand_keeps_what_its_application_has_opened(broker):
    """Where another application goes on to run the broker."""
    events = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        yield
        events.append("closed")

    @broker.subscriber("orders")
    async def handle(order: Order, request: Request) -> None:
        inside.set()
        await go_on.wait()
        events.append("handled")

    first, second = FastAPI(lifespan=lifespan), FastAPI()
    for app in (first, second):
        app.include_router(FastStreamRouter(broker))
    async with TestNatsBroker(broker, connect_only=True):
        of_first = asgi_client(first)
        await of_first.__aenter__()
        async with asgi_client(second):
            message = asyncio.create_task(broker.publish({"id": 1}, "orders"))
            await inside.wait()
            stop = asyncio.create_task(of_first.__aexit__(None, None, None))
            await asyncio.sleep(0.01)
            assert events == []
            go_on.set()
            await stop
            await message

    assert events == ["handled", "closed"]


async def test_switch_refuses_what_only_the_compiler_gives(broker, monkeypatch):
    from faststream_integrations.subscribers.config import SWITCH

    monkeypatch.setenv(SWITCH, "0")

    @broker.subscriber("orders")
    async def handle(order: Order, value: Annotated[str, Depends(function)]) -> None: ...

    with pytest.raises(SetupError, match=f"{SWITCH}=0"):
        async with running(broker):
            raise AssertionError("it started")


async def test_document_has_the_message_only(broker):
    @broker.subscriber("orders")
    @broker.publisher("priced")
    async def handle(
        order: Order, value: Annotated[str, Depends(credentials)], request: Request
    ) -> Order:
        return order

    FastStreamRouter(broker)
    document = AsyncAPI(broker).to_specification().to_jsonable()

    assert set(document["components"]["schemas"]) == {"Order"}
