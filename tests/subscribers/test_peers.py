"""What subscribers do under FastStream's own FastAPI routers and faststream_fastapi, and here.

`docs/migration.md` says of each what stays, and what is another. A row runs under all three.
"""

import asyncio
import re
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any

import anyio
import faststream
import faststream_fastapi
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, Path, Request
from faststream import BaseMiddleware, ContextRepo, Response
from faststream.nats import NatsBroker, NatsRouter, annotations
from pydantic import BaseModel

from faststream_integrations import fastapi as ours
from faststream_integrations.testing import asgi_client

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from faststream.nats import fastapi as theirs

pytestmark = pytest.mark.filterwarnings("ignore:The integration has been moved:DeprecationWarning")

ROOT = FilePath(__file__).parents[2]
PATIENCE = 30.0

calls: list[Any] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


def failing(failures: asyncio.Queue[str]) -> type[BaseMiddleware]:
    """Make a middleware that tells of messages that fail: these get no reply."""

    class Sees(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            try:
                return await call_next(msg)
            except Exception as error:
                failures.put_nowait(type(error).__name__)
                raise

    return Sees


@dataclass(frozen=True)
class Peer:
    """One of the three.

    Attributes:
        name: Its name.
        names: Where its `Context` is.
        build: Lets an application run what declares subscribers; gives it and the broker.
        logger: Its annotation of a logger.
    """

    name: str
    names: Any
    build: Callable[..., Any]
    logger: Any


def build_of_router(app: FastAPI, declare: Any, *url: str, **options: Any) -> Any:
    router = theirs.NatsRouter(*url, **options)
    declare(router, ROUTER)
    app.include_router(router)
    return app, router.broker


def build_of_package(app: FastAPI, declare: Any, *url: str, **options: Any) -> Any:
    broker = NatsBroker(*url, **options)
    declare(broker, PACKAGE)
    return faststream_fastapi.FastStreamAPI(broker, application=app), broker


def build_of_ours(app: FastAPI, declare: Any, *url: str, **options: Any) -> Any:
    broker = NatsBroker(*url, **options)
    declare(broker, OURS)
    app.include_router(ours.FastStreamRouter(broker))
    return app, broker


ROUTER = Peer("router", theirs, build_of_router, theirs.Logger)
PACKAGE = Peer(
    "package",
    faststream_fastapi,
    build_of_package,
    Annotated[Any, faststream_fastapi.Context("logger")],
)
OURS = Peer("ours", ours, build_of_ours, ours.Logger)
PEERS = (ROUTER, PACKAGE, OURS)


class Order(BaseModel):
    id: int


async def function() -> int:
    calls.append("function")
    return 5


def in_thread() -> int:
    return 5


class Class:
    def __init__(self, number: Annotated[int, Depends(function)]) -> None:
        self.number = number


async def generator() -> AsyncIterator[int]:
    calls.append("open")
    yield 5
    calls.append("close")


# What subscribers ask for


def nothing(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle() -> str:
        return "hi"


def body_alone(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(order: Order) -> int:
        return order.id


def body_in_parts(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(a: int, b: int = 2) -> list[int]:
        return [a, b]


def one_part_of_a_body(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(a: str) -> str:
        return a


def number_alone(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(a: int) -> int:
        return a


def part_of_the_address(on: Any, peer: Peer) -> None:
    @on.subscriber("orders.{name}")
    async def handle(name: Any) -> Any:
        return name


def depends(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(
        body: int,
        a: Annotated[int, Depends(function)],
        b: Annotated[int, Depends(in_thread)],
        c: Annotated[Class, Depends()],
        d: Annotated[int, Depends(generator)],
        e: int = Depends(function),
    ) -> list[int]:
        calls.append("handle")
        return [body, a, b, c.number, d, e]


def depends_that_reads_the_body(on: Any, peer: Peer) -> None:
    async def field(a: str) -> str:
        return a

    @on.subscriber("orders")
    async def handle(a: str, value: Annotated[str, Depends(field)]) -> str:
        return value


def depends_of_both(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(
        body: int, value: Annotated[int, Depends(function), faststream.Depends(function)]
    ) -> int:
        return value


def depends_of_faststream(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int, value: Annotated[int, faststream.Depends(function)]) -> int:
        return value


def before_the_subscriber(on: Any, peer: Peer) -> None:
    @on.subscriber("orders", dependencies=[Depends(generator), Depends(function, use_cache=False)])
    async def handle(body: int) -> int:
        calls.append("handle")
        return body


def header(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(
        w=Header(),
        x_number: Annotated[int, Header()] = 7,
        alias: Annotated[int | None, Header(alias="other")] = None,
    ) -> list[Any]:
        return [w, x_number, alias]


def path(on: Any, peer: Peer) -> None:
    @on.subscriber("orders.{name}.{number}")
    async def handle(
        body: int, name: Annotated[str, Path()], n: Annotated[int, Path(alias="number")]
    ) -> list[Any]:
        return [body, name, n]


def context(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(
        body: int,
        annotated: Annotated[Any, peer.names.Context("message.headers")],
        absent: Annotated[int, peer.names.Context("absent", default=4)],
        default: Any = peer.names.Context("message.headers"),
    ) -> list[Any]:
        return [annotated["1"], absent, default is annotated]


def initial(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int, data: list[int] = peer.names.Context("data", initial=list)) -> Any:
        data.append(body)
        return data


def context_of_faststream(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(
        body: int, headers: Annotated[Any, faststream.Context("message.headers")]
    ) -> Any:
        return headers["1"]


def contexts_of_both(on: Any, peer: Peer) -> None:
    key = "message.headers"

    @on.subscriber("orders")
    async def handle(
        body: int,
        a: Annotated[Any, peer.names.Context(key), faststream.Context(key)],
        b: Annotated[Annotated[Any, faststream.Context(key)], peer.names.Context(key)],
    ) -> list[Any]:
        return [a["1"], b["1"]]


def logger(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int, logger: peer.logger) -> bool:
        return hasattr(logger, "info")


def annotations_of_the_broker(on: Any, peer: Peer) -> None:
    names: Any = theirs if peer is ROUTER else annotations

    @on.subscriber("orders")
    async def handle(
        body: int,
        broker: names.NatsBroker,
        message: names.NatsMessage,
        client: names.Client,
        context: Annotated[ContextRepo, peer.names.Context("context")],
    ) -> list[Any]:
        return [
            type(broker).__name__,
            message.body.decode(),
            client.is_connected,
            context.get("message") is message,
        ]


def request(on: Any, peer: Peer) -> None:
    async def below(request: Request) -> Request:
        return request

    @on.subscriber("orders")
    async def handle(body: int, request: Request, below: Annotated[Any, Depends(below)]) -> Any:
        return [request.app.title, request.headers["x-a"], "app" in below.scope]


def background(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int, tasks: BackgroundTasks) -> str:
        tasks.add_task(calls.append, "background")
        return "replied"


def response(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int) -> Any:
        return Response("Hi!", headers={"x-header": "test"})


def two_addresses(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    @on.subscriber("more")
    async def handle(body: int) -> int:
        return body


def publisher(on: Any, peer: Peer) -> None:
    @on.publisher("priced")
    @on.subscriber("orders")
    async def handle(body: int) -> int:
        return body + 1

    @on.subscriber("priced")
    async def listen(body: int) -> None:
        calls.append(body)


def router_of_the_broker(on: Any, peer: Peer) -> None:
    router = NatsRouter("orders.")

    @router.subscriber("in")
    async def handle(body: int, value: Annotated[int, Depends(function)]) -> int:
        return body + value

    on.include_router(router)


def result(on: Any, peer: Peer) -> None:
    @on.subscriber("orders")
    async def handle(body: int) -> Order:
        return Order(id=body)


NOT_COMPARED = object()
"""faststream_fastapi 1.4 looks into a context that is not the broker's in FastStream 0.7.8, and
warns of a broker that does not start."""


@dataclass(frozen=True)
class Row:
    """What a message gets.

    Attributes:
        declare: Declares subscribers.
        body: The message.
        gets: The reply, the name of the exception.
        but: What it is under one of the three, where it is another there.
        options: Those of the message.
        called: What has run.
    """

    declare: Callable[[Any, Peer], None]
    body: Any
    gets: Any
    but: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    called: list[Any] | None = None


ONE = {"headers": {"1": "1"}}
ROWS = (
    Row(nothing, "any", "hi"),
    Row(body_alone, {"id": 7}, 7),
    Row(body_in_parts, {"a": 1}, [1, 2]),
    Row(depends, 1, [1, 5, 5, 5, 5, 5], called=["function", "open", "handle", "close"]),
    Row(depends_of_both, 1, 5),
    Row(before_the_subscriber, 1, 1, called=["open", "function", "handle", "close"]),
    Row(header, "", ["hi", 7, 3], options={"headers": {"w": "hi", "other": "3"}}),
    Row(path, 1, [1, "tea", 2], options={"subject": "orders.tea.2"}),
    Row(context, 1, ["1", 4, True], {"package": NOT_COMPARED}, ONE),
    Row(initial, 1, [1]),
    Row(contexts_of_both, 1, ["1", "1"], {"package": NOT_COMPARED}, ONE),
    Row(logger, 1, True, {"package": NOT_COMPARED}),
    Row(annotations_of_the_broker, 1, ["NatsBroker", "1", True, True], {"package": NOT_COMPARED}),
    Row(request, 1, ["Shop", "a", True], options={"headers": {"x-a": "a"}}),
    Row(background, 1, "replied", called=["background"]),
    Row(response, 1, "Hi!"),
    Row(two_addresses, 1, 1, options={"subject": "more"}),
    Row(publisher, 1, 2, called=[2]),
    Row(router_of_the_broker, 1, 6, options={"subject": "orders.in"}),
    Row(result, 1, {"id": 1}),
    # What is another here
    Row(number_alone, "x", "RequestValidationError", {"ours": "ValidationError"}),
    Row(one_part_of_a_body, {"a": "hi"}, "hi", {"ours": "ValidationError"}),
    Row(body_in_parts, [1, 2], "RequestValidationError", {"ours": [1, 2]}),
    Row(part_of_the_address, 1, "tea", {"ours": 1}, {"subject": "orders.tea"}),
    Row(depends_that_reads_the_body, {"a": "hi"}, "hi", {"ours": "SetupError"}),
    Row(depends_of_faststream, 1, "SetupError", {"ours": 5, "package": NOT_COMPARED}),
    Row(context_of_faststream, 1, "SetupError", {"ours": "1", "package": NOT_COMPARED}, ONE),
    Row(
        context, 1, "TypeError", {"ours": ["1", 4, True]}, {"headers": {"1": "1", "context__": "x"}}
    ),
    Row(request, 1, "KeyError", {"ours": ["Shop", "a", True]}, {"headers": {"X-A": "a"}}),
)


async def outcome(row: Row, peer: Peer, url: str) -> Any:
    """Return the reply to a message, or the name of the exception."""
    failures: asyncio.Queue[str] = asyncio.Queue()
    try:
        app, broker = peer.build(
            FastAPI(title="Shop"), row.declare, url, middlewares=[failing(failures)]
        )
        async with asgi_client(app):
            options = {"subject": "orders", **row.options}
            reply = asyncio.create_task(broker.request(row.body, timeout=PATIENCE, **options))
            failure = asyncio.create_task(failures.get())
            await asyncio.wait({reply, failure}, return_when=asyncio.FIRST_COMPLETED)
            if failure.done():
                reply.cancel()
                return failure.result()
            failure.cancel()
            answer = await (await reply).decode()
            with anyio.move_on_after(PATIENCE):  # what runs after a reply, a stop may cancel
                while len(calls) < len(row.called or []):
                    await asyncio.sleep(0.01)
            return answer
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("row", "peer"),
    [
        pytest.param(row, peer, id=f"{row.declare.__name__}-{peer.name}")
        for row in ROWS
        for peer in PEERS
        if row.but.get(peer.name) is not NOT_COMPARED
    ],
)
async def test_row(row, peer, nats_url):
    assert await outcome(row, peer, nats_url) == row.but.get(peer.name, row.gets)
    if row.called is not None:
        assert calls == row.called


STAYS = {
    "`Depends` of `fastapi`, in a subscriber": [depends, before_the_subscriber],
    "`Depends` of `fastapi`, in an endpoint": ["tests/fastapi_host/test_markers.py"],
    "`Depends` of `faststream` beside it, for the same function": [depends_of_both],
    "`Context` of `faststream` beside it, for the same name": [contexts_of_both],
    "`Header()`, `Path()` of `fastapi`, in a subscriber": [header, path],
    "`fastapi.Request` in a subscriber": [request],
    "`BackgroundTasks` in a subscriber": [background],
    "`app.dependency_overrides` for subscribers": ["test_overrides"],
    "`specification=AsyncAPI(...)`": ["tests/fastapi_host/test_openapi.py"],
    "`specification`, `asyncapi_path`": ["tests/fastapi_host/test_asyncapi_page.py"],
    '`Context("name")` of `faststream`, in a subscriber': [context_of_faststream],
}
"""The rows of `docs/migration.md` that say so, and what tests them."""


def test_whatever_stays_is_tested():
    page = (ROOT / "docs" / "migration.md").read_text()
    assert {*re.findall(r"^\| (.+?) \| stays?\b", page, re.MULTILINE)} == {*STAYS}
    for tests in STAYS.values():
        for each in tests:
            if isinstance(each, str):
                assert each in globals() or (ROOT / each).is_file()
            else:
                assert any(row.declare is each for row in ROWS)


every_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)


@every_peer
async def test_options_of_the_broker(peer):
    class Adds(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            calls.append("middleware")
            return await call_next(msg)

    async def parse(message: Any, original: Any) -> Any:
        calls.append("parser")
        return await original(message)

    async def decode(message: Any, original: Any) -> Any:
        calls.append("decoder")
        return await original(message) + 1

    def declare(on: Any, peer: Peer) -> None:
        @on.subscriber("orders")
        async def handle(body: int) -> None:
            calls.append(body)

    app, broker = peer.build(
        FastAPI(),
        declare,
        dependencies=[Depends(function), Depends(generator)],
        middlewares=[Adds],
        parser=parse,
        decoder=decode,
    )
    async with asgi_client(app, broker):
        await broker.publish(1, "orders")
    assert calls == ["parser", "middleware", "decoder", "function", "open", 2, "close"]


@every_peer
async def test_overrides(peer):
    app = FastAPI()
    app.dependency_overrides[function] = lambda: 9
    application, broker = peer.build(app, depends)
    async with asgi_client(application, broker):
        reply = await broker.request(1, "orders")
        assert await reply.decode() == [1, 9, 5, 9, 5, 9]


@every_peer
async def test_mocks(peer):
    declared = []

    def declare(on: Any, peer: Peer) -> None:
        announcer = on.publisher("priced")

        @announcer
        @on.subscriber("orders")
        async def handle(body: int, value: Annotated[int, Depends(function)]) -> int:
            return body + value

        declared.extend([announcer, handle])

    app, broker = peer.build(FastAPI(), declare)
    async with asgi_client(app, broker):
        await broker.publish(1, "orders")
        announcer, handle = declared
        announcer.mock.assert_called_once_with(6)
        handle.mock.assert_called_once_with(1)


@every_peer
async def test_state_of_the_lifespan(peer):
    """It is there in endpoints; a subscriber has it here alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        calls.append("start")
        yield {"pool": "pool"}
        calls.append("stop")

    def declare(on: Any, peer: Peer) -> None:
        @on.subscriber("orders")
        async def handle(body: int, request: Request) -> str:
            return request.state.pool

    app = FastAPI(lifespan=lifespan)

    @app.get("/pool")
    async def endpoint(request: Request) -> str:
        return request.state.pool

    application, broker = peer.build(app, declare)
    async with asgi_client(application, broker) as client:
        assert (await client.get("/pool")).json() == "pool"
        if peer is OURS:
            assert await (await broker.request(1, "orders")).decode() == "pool"
        else:
            with pytest.raises(AttributeError):
                await broker.request(1, "orders")
    assert calls == ["start", "stop"]
