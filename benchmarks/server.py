"""A server: CPU time per request of one uvicorn worker (uvloop, httptools), ours and others.

Each application runs in a process of its own; the load comes from this one, over loopback.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, cast

import uvicorn
import uvloop

from benchmarks import handlers
from benchmarks.handlers import PEERS, RAW, Task
from benchmarks.measure import OURS, Request, table

__all__ = ("main",)

TASKS = {task.key: task for task in handlers.TASKS if task.key in ("bare", "dependency", "body")}
GOAL = 12.0
"""Microseconds of CPU that ours may take over the raw ASGI callable."""

ROUNDS = 9
REQUESTS_PER_TURN = 1500
# faststream.asgi is ten times as slow in the cases with parameters.
SLOW = 500
"""From so many microseconds on."""
REQUESTS_OF_THE_SLOW = 160
CONNECTIONS = 8


def serve(key: str, peer: str, pipe: Connection) -> None:
    """Run in the worker process: tell the port, then the CPU time whenever asked."""
    app: Any = TASKS[key].app(peer)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="critical",
        access_log=False,
    )
    server = uvicorn.Server(config)

    def answer() -> None:
        try:
            pipe.recv()
        except EOFError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            server.should_exit = True
        else:
            pipe.send(time.process_time())

    async def run() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
            pipe.send(listener.getsockname()[1])
            await server.serve(sockets=[listener])

    uvloop.run(run())


@dataclass
class Worker:
    """A server process."""

    port: int
    pipe: Connection

    def cpu_time(self) -> float:
        self.pipe.send("CPU time?")
        seconds: float = self.pipe.recv()
        return seconds


@contextmanager
def worker(key: str, peer: str) -> Iterator[Worker]:
    """Start a server process, and stop it in the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(key, peer, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Worker(ours.recv(), ours)
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


class Client(asyncio.Protocol):
    """One connection that sends a request again as soon as it is answered."""

    def __init__(self, request: bytes, number: int) -> None:
        self.request = request
        self.left = number
        self.received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.fail(f"The answer is {self.received!r}")
            return
        self.received = b""
        self.left -= 1
        if self.left:
            self.transport.write(self.request)
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"The server closed the connection: {exc}")

    def fail(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(message))


def encode(request: Request) -> bytes:
    target = request.path.encode() + (b"?" + request.query if request.query else b"")
    head = [b"%s %s HTTP/1.1" % (request.method.encode(), target)]
    head += [name + b": " + value for name, value in request.headers]
    return b"\r\n".join([*head, b"", request.body])


async def load(port: int, request: bytes, number: int) -> int:
    """Send about so many requests over several connections, and return how many it were."""
    each = max(1, number // CONNECTIONS)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: Client(request, each), "127.0.0.1", port)
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), timeout=60)
    return each * CONNECTIONS


def microseconds(worker: Worker, request: bytes, number: int) -> float:
    """Return the CPU time of the worker for one request."""
    before = worker.cpu_time()
    sent = uvloop.run(load(worker.port, request, number))
    return (worker.cpu_time() - before) / sent * 1e6


def measure(task: Task) -> dict[str, list[float]]:
    """Let the servers of a case take turns; return the microseconds of each round, by peer."""
    request = encode(task.request)
    with ExitStack() as stack:
        workers = {
            peer: stack.enter_context(worker(task.key, peer))
            for peer in (*PEERS, RAW)
            if task.app(peer) is not None
        }
        turns = {
            peer: REQUESTS_PER_TURN
            if microseconds(process, request, REQUESTS_OF_THE_SLOW) < SLOW
            else REQUESTS_OF_THE_SLOW
            for peer, process in workers.items()
        }
        times: dict[str, list[float]] = {peer: [] for peer in workers}
        order = list(workers)
        shuffle = random.Random(0).shuffle
        for _ in range(ROUNDS):
            shuffle(order)
            for peer in order:
                times[peer].append(microseconds(workers[peer], request, turns[peer]))
    return times


def row(name: str, times: dict[str, list[float]]) -> list[str]:
    over_raw = median(ours - raw for ours, raw in zip(times[OURS], times[RAW], strict=True))
    verdict = "" if over_raw <= GOAL else " MISSED"
    return [
        name,
        *(f"{median(times[peer]):.1f}" if peer in times else "" for peer in (*PEERS, RAW)),
        f"{over_raw:.1f} (≤ {GOAL:.0f}{verdict})",
    ]


def main() -> None:
    rows = [row(task.name, measure(task)) for task in TASKS.values()]
    print("Microseconds of CPU time per request:\n")
    print(table(["case", *PEERS, RAW, "ours over raw"], rows))
