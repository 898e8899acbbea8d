"""Messages: what handling one costs, ours, FastStream's and that of FastAPI's peers.

Goals: DESIGN, "Goals that the design serves". A real NATS server runs, so that every broker is
started as in production; messages are then given to `process_message`, or published by a process
of their own. Logging is off: the two lines for each message cost more than all the rest.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Annotated, Any

import fastapi
import psutil
from fastapi import FastAPI, Request
from faststream import Context, Depends
from faststream.nats import NatsBroker
from faststream.nats.annotations import NatsMessage
from nats.aio.msg import Msg
from pydantic import BaseModel, TypeAdapter

from benchmarks.measure import OURS, table
from faststream_integrations import broker_lifespan
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import nats_server

__all__ = ("main",)

PLAIN, ROUTER, WRAPPER = "FastStream", "faststream.nats.fastapi", "faststream_fastapi"
ROUNDS = 11
MESSAGES = 200
END_TO_END = 4000
SUBSCRIBERS = 1000

BODY = b'{"id": 7, "item": "Chair", "price": 49.9, "tags": ["new", "cheap"]}'


class Order(BaseModel):
    id: int
    item: str
    price: float
    tags: list[str]


async def an_async() -> int:
    return 1


async def a_generator() -> AsyncIterator[int]:
    yield 1


def a_sync() -> int:
    return 1


async def of_request(request: Request) -> str | None:
    return request.headers.get("x-user")


Price = Annotated[int, Context("price")]


async def body(order: Order) -> None: ...
async def one_context(order: Order, price: Price) -> None: ...
async def three_contexts(
    order: Order, price: Price, rate: Annotated[int, Context("rate")], message: NatsMessage
) -> None: ...
async def async_dependency(order: Order, a: Annotated[int, Depends(an_async)]) -> None: ...
async def generator_dependency(order: Order, a: Annotated[int, Depends(a_generator)]) -> None: ...
async def sync_dependency(order: Order, a: Annotated[int, Depends(a_sync)]) -> None: ...
async def mixed(
    order: Order,
    price: Price,
    a: Annotated[int, Depends(an_async)],
    b: Annotated[int, Depends(a_generator)],
) -> None: ...


async def of_fastapi(order: Order, a: Annotated[int, fastapi.Depends(an_async)]) -> None: ...
async def generator_of_fastapi(
    order: Order, a: Annotated[int, fastapi.Depends(a_generator)]
) -> None: ...
async def request_of_fastapi(
    order: Order, a: Annotated[str | None, fastapi.Depends(of_request)]
) -> None: ...


OF_FASTAPI = (of_fastapi, generator_of_fastapi, request_of_fastapi)
OF_FASTSTREAM = (
    body,
    one_context,
    three_contexts,
    async_dependency,
    generator_dependency,
    sync_dependency,
    mixed,
)

GOALS: dict[str, dict[str, float]] = {
    "body": {PLAIN: 1.25},
    "three_contexts": {PLAIN: 10, ROUTER: 10, WRAPPER: 10},
    "mixed": {PLAIN: 6},
    "of_fastapi": {ROUTER: 1.7, WRAPPER: 1.7},
    "generator_of_fastapi": {ROUTER: 1.7, WRAPPER: 1.7},
}

Subscribe = Callable[[Callable[..., Any], str], Any]


def _fill(broker: NatsBroker) -> None:
    broker.context.set_global("price", 3)
    broker.context.set_global("rate", 4)


@asynccontextmanager
async def _run(
    url: str, name: str, functions: tuple[Callable[..., Any], ...]
) -> AsyncIterator[dict[str, Any]]:
    """Start a broker with subscribers, as a contender does, and return the subscribers by name."""
    async with AsyncExitStack() as stack:
        broker: Any = NatsBroker(url, logger=None)
        app: Any = FastAPI()
        if name == ROUTER:
            warnings.simplefilter("ignore", DeprecationWarning)
            from faststream.nats.fastapi import Context as RouterContext
            from faststream.nats.fastapi import NatsRouter

            router = NatsRouter(url, logger=None)
            broker = router.broker
            functions = tuple(_with(RouterContext, each) for each in functions)
            subscribe: Any = router.subscriber
            app.include_router(router)
        elif name == WRAPPER:
            from faststream_fastapi import Context as WrapperContext
            from faststream_fastapi import FastStreamAPI

            functions = tuple(_with(WrapperContext, each) for each in functions)
            subscribe = broker.subscriber
        else:
            subscribe = broker.subscriber
        found = {}
        for function in functions:
            subscriber = found[function.__name__] = subscribe(f"{name}.{function.__name__}")
            subscriber(function)
        if name == OURS:
            app.include_router(FastStreamRouter(broker))
        if name == WRAPPER:  # it sees those subscribers that are there
            app = FastStreamAPI(broker, application=app)
        _fill(broker)
        if name == PLAIN:
            await stack.enter_async_context(broker)
            await broker.start()
        else:
            await stack.enter_async_context(_lifespan(app))
        yield found


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    from faststream_integrations.testing import asgi_client

    async with asgi_client(app):
        yield


def _with(context: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Write a function for a peer, which knows its own `Context`, and FastAPI's `Depends` only."""

    def marker_of(annotation: Any) -> Any:
        for each in getattr(annotation, "__metadata__", ()):
            if type(each).__name__ == "Context":
                return Annotated[Any, context(each.name or "message")]
            if type(each).__name__ == "Dependant":
                return Annotated[Any, fastapi.Depends(each.dependency)]
        return annotation

    signature = inspect.signature(function, eval_str=True)
    parameters = [
        each.replace(annotation=marker_of(each.annotation))
        for each in signature.parameters.values()
    ]

    async def run(**values: Any) -> None: ...

    run.__name__ = function.__name__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _message() -> Msg:
    headers = {"content-type": "application/json", "x-user": "ann"}
    return Msg(_client=None, subject="x", data=BODY, headers=headers)  # type: ignore[arg-type]


async def _seconds(handle: Callable[[Any], Awaitable[Any]], number: int) -> float:
    messages = [_message() for _ in range(number)]
    started = time.process_time()
    for message in messages:
        await handle(message)
    return (time.process_time() - started) / number


async def _compare(
    handlers: Mapping[str, Callable[[Any], Awaitable[Any]]],
) -> dict[str, list[float]]:
    for handle in handlers.values():
        await _seconds(handle, 30)
    found: dict[str, list[float]] = {name: [] for name in handlers}
    order = list(handlers)
    for _ in range(ROUNDS):
        random.Random(0).shuffle(order)
        for name in order:
            found[name].append(await _seconds(handlers[name], MESSAGES))
    return found


async def _in_process(url: str) -> None:
    rows, times = [], []
    contenders = (OURS, PLAIN, ROUTER, WRAPPER)
    async with AsyncExitStack() as stack:
        started = {}
        for name in contenders:
            functions = OF_FASTSTREAM if name == PLAIN else (*OF_FASTSTREAM, *OF_FASTAPI)
            started[name] = await stack.enter_async_context(_run(url, name, functions))
        for function in (*OF_FASTSTREAM, *OF_FASTAPI):
            handlers = {
                name: subscribers[function.__name__].process_message
                for name, subscribers in started.items()
                if function.__name__ in subscribers
            }
            found = await _compare(handlers)
            times.append([function.__name__, *(_micro(found.get(name)) for name in contenders)])
            rows.append(
                [function.__name__, *(_ratio(function.__name__, found, n) for n in contenders[1:])]
            )
        floor = await _floor(started[OURS]["three_contexts"])
    print("Microseconds of CPU for a message:\n")
    print(table(["subscriber", *contenders], times))
    print(f"\nHow many times as fast `{OURS}` is, and the goals:\n")
    print(table(["subscriber", *contenders[1:]], rows))
    print(floor)


async def _floor(subscriber: Any) -> str:
    """Tell what a message costs that is handled by a call which costs nothing, and what ours adds.

    Nobody who is called by FastStream's `process_message` can be faster than the body is decoded.
    """
    validate = TypeAdapter(Order).validate_python
    handler = subscriber.calls[0].handler
    ours = handler._wrapped_call

    async def nothing(message: Any) -> None: ...

    async def only_body(message: Any) -> None:
        validate(await message.decode())

    def with_call(call: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def handle(message: Any) -> None:
            handler._wrapped_call = call
            await subscriber.process_message(message)

        return handle

    calls = {"nothing": nothing, "only_body": only_body, "ours": ours}
    found = await _compare({name: with_call(call) for name, call in calls.items()})
    handler._wrapped_call = ours
    base = found["nothing"]
    over = median(b - a for a, b in zip(base, found["ours"], strict=True)) * 1e6
    body = median(b - a for a, b in zip(base, found["only_body"], strict=True)) * 1e6
    return (
        f"\nA call that costs nothing: {median(base) * 1e6:.1f} microseconds. Three Contexts cost "
        f"{over:.1f} more (<= 7); {body:.1f} of that is the body, decoded and validated."
    )


def _micro(times: list[float] | None) -> str:
    return "" if times is None else f"{median(times) * 1e6:.1f}"


def _ratio(case: str, found: Mapping[str, list[float]], name: str) -> str:
    if name not in found:
        return ""
    ratio = median(b / a for a, b in zip(found[OURS], found[name], strict=True))
    goal = GOALS.get(case, {}).get(name)
    text = f"{ratio:.2f}"
    if goal is None:
        return text
    return f"{text} (>= {goal:g})" if ratio >= goal else f"{text} (>= {goal:g} MISSED)"


PUBLISH = """
import asyncio, sys, nats
async def main():
    client = await nats.connect(sys.argv[1])
    for _ in range(int(sys.argv[3])):
        await client.publish(sys.argv[2], sys.argv[4].encode(),
                             headers={"content-type": "application/json"})
    await client.drain()
asyncio.run(main())
"""


async def everything(
    order: Order,
    price: Price,
    rate: Annotated[int, Context("rate")],
    message: NatsMessage,
    a: Annotated[int, Depends(a_generator)],
) -> None: ...


async def _rate(url: str, name: str) -> float:
    """Return how many published messages a contender handles in a second of CPU time."""
    done = asyncio.Event()
    handled = 0
    async with _run(url, name, (everything,)) as found:
        class_: Any = type(found["everything"])
        process = class_.process_message

        async def counted(self: Any, message: Any) -> Any:
            nonlocal handled
            result = await process(self, message)
            handled += 1
            if handled == END_TO_END:
                done.set()
            return result

        class_.process_message = counted
        try:
            started = time.process_time()
            publisher = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PUBLISH, url, f"{name}.everything"),
                *(str(END_TO_END), BODY.decode()),
            )
            await asyncio.wait_for(done.wait(), 240)
            seconds = time.process_time() - started
            await publisher.wait()
        finally:
            class_.process_message = process
    return END_TO_END / seconds


async def _end_to_end(url: str) -> None:
    rates = {name: await _rate(url, name) for name in (OURS, PLAIN, ROUTER, WRAPPER)}
    print("\nMessages in a second of CPU time on a NATS server, 3 Contexts and a generator:\n")
    print(
        table(
            ["", *rates],
            [
                ["messages", *(f"{rate:,.0f}" for rate in rates.values())],
                ["times", "", *(f"{rates[OURS] / rates[n]:.1f} (>= 7)" for n in list(rates)[1:])],
            ],
        )
    )


async def _start(url: str, name: str) -> None:
    """Start many subscribers, and print what it takes; in a process of its own."""
    process = psutil.Process()
    broker = NatsBroker(url, logger=None)
    _fill(broker)
    for number in range(SUBSCRIBERS):

        async def handle(
            order: Order, price: Price, a: Annotated[int, Depends(an_async)]
        ) -> None: ...

        broker.subscriber(f"{name}.start.{number}")(handle)
    memory, started = process.memory_info().rss, time.process_time()
    if name == OURS:
        async with broker_lifespan(broker, startup_timeout=60.0)():
            _print_start(process, memory, started)
    else:
        async with broker:
            await broker.start()
            _print_start(process, memory, started)


def _print_start(process: psutil.Process, memory: int, started: float) -> None:
    seconds = time.process_time() - started
    print(json.dumps([seconds, process.memory_info().rss - memory]))


def main() -> None:
    with nats_server() as server:
        asyncio.run(_in_process(server.url))
        asyncio.run(_end_to_end(server.url))
        rows = []
        for name in (OURS, PLAIN):
            command = [sys.executable, "-m", "benchmarks.messages", server.url, name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, memory = json.loads(done.stdout.splitlines()[-1])
            each = seconds / SUBSCRIBERS * 1e3
            rows.append([name, f"{each:.2f}", f"{memory / SUBSCRIBERS / 1024:.1f}"])
    print(f"\nThe start of {SUBSCRIBERS:,} subscribers, for each one:\n")
    print(table(["", "ms of CPU (<= 2)", "kB of memory"], rows))


if __name__ == "__main__":
    asyncio.run(_start(*sys.argv[1:]))
