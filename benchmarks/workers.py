"""Several workers: requests and messages in a second with 1, 2 and 4, beside the client alone.

Each worker is a process with a uvicorn and a broker; they share a port and a queue group on a NATS
server. The load comes from this process, which takes a core of its own: on a machine with two cores
a second worker finds little left. Beside the time on the clock stands the workers' CPU time, which
other processes do not touch.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import faststream.asgi
import nats
import uvicorn
import uvloop
from faststream.nats import NatsBroker
from pydantic import BaseModel

import faststream_integrations.asgi
from benchmarks.measure import Request, table
from benchmarks.server import encode, load
from faststream_integrations.testing import nats_server

__all__ = ("main",)

WORKERS = (1, 2, 4)
REQUESTS = 4000
MESSAGES = 5000
ROUNDS = 3
SUBJECT = "benchmark.orders"
GROUP = "workers"
WAIT = 60.0


class Order(BaseModel):
    """What a message holds."""

    id: int
    drink: str


BODY = Order(id=7, drink="tea").model_dump_json().encode()


class Count:
    """The messages that a worker has handled."""

    value = 0


def ours(url: str, count: Count) -> Any:
    """A service of this package."""
    return _service(faststream_integrations.asgi, url, count)


def upstream(url: str, count: Count) -> Any:
    """The same of FastStream's own."""
    return _service(faststream.asgi, url, count)


def _service(package: Any, url: str, count: Count) -> Any:
    broker = NatsBroker(url, logger=None)

    @broker.subscriber(SUBJECT, queue=GROUP)
    async def on_order(order: Order) -> None:
        count.value += 1

    async def hello(scope: Any) -> Any:
        return package.AsgiResponse(b"hello", 200)

    routes = [("/hello", package.get(hello))]
    return package.AsgiFastStream(broker, asgi_routes=routes, logger=None)


def client(url: str, count: Count) -> Any:
    """What has nothing between the socket and the function: nats-py, and ASGI by hand."""

    async def on_message(message: Any) -> None:
        Order.model_validate_json(message.data)
        count.value += 1

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"5"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    @asynccontextmanager
    async def lifespan() -> Any:
        connection = await nats.connect(url)
        await connection.subscribe(SUBJECT, GROUP, cb=on_message)
        await connection.flush()
        try:
            yield
        finally:
            await connection.close()

    return _WithLifespan(app, lifespan)


class _WithLifespan:
    def __init__(self, app: Any, lifespan: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._app = app
        self._lifespan = lifespan

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


PEERS = {"ours": ours, "faststream.asgi": upstream, "nats-py, raw ASGI": client}


def serve(peer: str, url: str, listener: socket.socket, pipe: Connection) -> None:
    """Run in the worker process: tell how many messages it has handled, whenever asked."""
    count = Count()
    config = uvicorn.Config(PEERS[peer](url, count), log_level="critical", access_log=False)
    server = uvicorn.Server(config)

    def answer() -> None:
        try:
            pipe.recv()
        except EOFError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            server.should_exit = True
        else:
            pipe.send((server.started, count.value, time.process_time()))

    async def run() -> None:
        asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
        await server.serve(sockets=[listener])

    uvloop.run(run())


@dataclass
class Team:
    """Workers that share a port and a queue group."""

    port: int
    pipes: list[Connection]

    def ask(self) -> tuple[bool, int, float]:
        """Tell whether all have started, how many messages they handled, and their CPU time."""
        answers = []
        for pipe in self.pipes:
            pipe.send("how many?")
            answers.append(pipe.recv())
        started, handled, seconds = zip(*answers, strict=True)
        return all(started), sum(handled), sum(seconds)


@contextmanager
def team(peer: str, number: int, url: str) -> Iterator[Team]:
    """Start workers, and stop them in the end."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
        pipes = []
        for _ in range(number):
            mine, theirs = context.Pipe()
            process = context.Process(target=serve, args=(peer, url, listener, theirs), daemon=True)
            process.start()
            theirs.close()
            stack.callback(process.join, 10)
            stack.callback(mine.close)
            pipes.append(mine)
        workers = Team(listener.getsockname()[1], pipes)
        _wait_until(lambda: workers.ask()[0])
        yield workers


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + WAIT
    while not done():
        if time.perf_counter() > deadline:
            raise TimeoutError
        time.sleep(0.005)


@dataclass
class Rate:
    """How many in a second on the clock, and in a second of the workers' CPU time."""

    clock: float
    cpu: float


@contextmanager
def measured(workers: Team, number: int, rates: list[Rate]) -> Iterator[None]:
    """Measure what the block makes the workers do, so many times."""
    cpu, clock = workers.ask()[2], time.perf_counter()
    yield
    clock = time.perf_counter() - clock
    rates.append(Rate(number / clock, number / (workers.ask()[2] - cpu)))


def send_requests(workers: Team) -> None:
    """Load the port."""
    request = encode(Request("/hello", headers=((b"host", b"127.0.0.1"),)))
    uvloop.run(load(workers.port, request, REQUESTS))


def send_messages(workers: Team, url: str) -> None:
    """Publish, and wait until all of it is handled."""
    before = workers.ask()[1]

    async def publish() -> None:
        connection = await nats.connect(url)
        for _ in range(MESSAGES):
            await connection.publish(SUBJECT, BODY)
        await connection.flush()
        await connection.close()

    uvloop.run(publish())
    _wait_until(lambda: workers.ask()[1] - before >= MESSAGES)


def main() -> None:
    requests: dict[tuple[int, str], list[Rate]] = {(n, p): [] for n in WORKERS for p in PEERS}
    messages: dict[tuple[int, str], list[Rate]] = {(n, p): [] for n in WORKERS for p in PEERS}
    with nats_server() as server:
        for number, peer in requests:
            with team(peer, number, server.url) as workers:
                send_requests(workers)  # they warm up
                for _ in range(ROUNDS):
                    with measured(workers, REQUESTS, requests[number, peer]):
                        send_requests(workers)
                    with measured(workers, MESSAGES, messages[number, peer]):
                        send_messages(workers, server.url)
    cores = multiprocessing.cpu_count()
    for what, rates in (("Requests", requests), ("Messages", messages)):
        print(f"{what} in a second, on {cores} cores with the load beside it (of CPU time):\n")
        rows = [[str(n), *(cell(rates[n, peer]) for peer in PEERS)] for n in WORKERS]
        print(table(["workers", *PEERS], rows), end="\n\n")


def cell(rates: list[Rate]) -> str:
    """Write the medians."""
    clock = median(rate.clock for rate in rates)
    return f"{clock:,.0f} ({median(rate.cpu for rate in rates):,.0f})"
