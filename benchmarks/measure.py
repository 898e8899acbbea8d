"""The harness: applications that do the same work take turns, and their CPU time is compared.

A machine is never quiet. So the applications of a case run in many short rounds, every one of them
in each round, in an order that changes; what is compared is the CPU time (not the wall clock) of
the same round, and the median of those ratios counts.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from faststream_integrations.types import ASGIApp, Message, Scope

__all__ = (
    "HEADERS",
    "OURS",
    "Answer",
    "Case",
    "Request",
    "Result",
    "ask",
    "check_answers",
    "measure",
    "report",
    "table",
)

OURS = "ours"

HEADERS = (
    (b"host", b"127.0.0.1:8000"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"user-agent", b"python-httpx/0.28.1"),
    (b"x-user", b"ann"),
)
"""What httpx sends, and a header that a handler reads."""

REFUSALS = (400, 404, 422)

ROUNDS = 15
SECONDS_PER_TURN = 0.02
BATCH = 400
"""So many connections are made at a time, outside the measurement."""


@dataclass(frozen=True)
class Request:
    """An HTTP request, as a client sends it."""

    path: str
    method: str = "GET"
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What is compared of the answers."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Case:
    """One request, and the applications that answer it.

    Attributes:
        name: The name in the tables.
        request: What is asked.
        answer: What every application has to answer.
        apps: The applications by their names; `OURS` is compared with the others.
        invalid: A request that every application has to refuse, with one of `REFUSALS`.
        goals: How many times as fast as another application ours has to be.
    """

    name: str
    request: Request
    answer: Answer
    apps: Mapping[str, ASGIApp]
    invalid: Request | None = None
    goals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What was measured of a case.

    Attributes:
        case: The case.
        rates: Requests in a second of CPU time, by application.
        ratios: How many times as fast ours is, by application.
    """

    case: Case
    rates: Mapping[str, float]
    ratios: Mapping[str, float]


class Connection:
    """A request as a server hands it over: a fresh scope, `receive`, and a `send` that reads."""

    __slots__ = ("_request_body", "body", "headers", "is_complete", "scope", "status")

    def __init__(self, request: Request) -> None:
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "method": request.method,
            "root_path": "",
            "path": request.path,
            "raw_path": request.path.encode(),
            "query_string": request.query,
            "headers": list(request.headers),
            "state": {},
        }
        self._request_body: bytes | None = request.body
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.is_complete = False

    async def receive(self) -> Message:
        body, self._request_body = self._request_body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")
            self.is_complete = not message.get("more_body", False)


async def ask(app: ASGIApp, request: Request) -> Answer:
    """Send one request and return the answer."""
    connection = Connection(request)
    await app(connection.scope, connection.receive, connection.send)
    assert connection.is_complete
    return Answer(connection.status, connection.body)


async def check_answers(case: Case) -> None:
    """Make sure that all applications do the same.

    Raises:
        AssertionError: One of them answers something else.
    """
    for name, app in case.apps.items():
        answer = await ask(app, case.request)
        assert answer == case.answer, f"{case.name}: {name} answered {answer}"
        if case.invalid is not None and name != "raw ASGI":
            answer = await ask(app, case.invalid)
            assert answer.status in REFUSALS, f"{case.name}: {name} answered {answer}"


async def measure(case: Case, rounds: int = ROUNDS) -> Result:
    """Let the applications of a case take turns and compare them."""
    await check_answers(case)
    turns = {name: await _requests_per_turn(app, case.request) for name, app in case.apps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in case.apps}
    order = list(case.apps)
    shuffle = random.Random(0).shuffle
    # What the applications are made of is no garbage of theirs.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            seconds[name].append(
                await _seconds_per_request(case.apps[name], case.request, turns[name])
            )
    gc.unfreeze()
    return Result(
        case,
        rates={name: 1 / median(times) for name, times in seconds.items()},
        ratios={
            name: median(theirs / ours for theirs, ours in zip(times, seconds[OURS], strict=True))
            for name, times in seconds.items()
            if name != OURS
        },
    )


async def _requests_per_turn(app: ASGIApp, request: Request) -> int:
    await _seconds_per_request(app, request, 20)  # caches fill, the interpreter specialises
    seconds = await _seconds_per_request(app, request, 20)
    return max(10, int(SECONDS_PER_TURN / seconds))


async def _seconds_per_request(app: ASGIApp, request: Request, number: int) -> float:
    seconds = 0.0
    for start in range(0, number, BATCH):
        connections = [Connection(request) for _ in range(min(BATCH, number - start))]
        started = time.process_time()
        for connection in connections:
            await app(connection.scope, connection.receive, connection.send)
        seconds += time.process_time() - started
    return seconds / number


def report(results: Sequence[Result]) -> None:
    """Print the rates, then the ratios with the goals beside them."""
    names = list(dict.fromkeys(name for result in results for name in result.rates))
    print("Requests in a second of CPU time:\n")
    print(
        table(
            ["case", *names],
            [
                [result.case.name, *(_rate(result.rates.get(name)) for name in names)]
                for result in results
            ],
        )
    )
    others = [name for name in names if name != OURS]
    print(f"\nHow many times as fast as each other application `{OURS}` is, and the goals:\n")
    print(
        table(
            ["case", *others],
            [[result.case.name, *(_ratio(result, name) for name in others)] for result in results],
        )
    )
    met = [
        result.ratios[name] >= goal
        for result in results
        for name, goal in result.case.goals.items()
    ]
    print(f"\n{sum(met)} of {len(met)} goals met.")


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}"


def _ratio(result: Result, name: str) -> str:
    if name not in result.ratios:
        return ""
    ratio, goal = result.ratios[name], result.case.goals.get(name)
    text = f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"
    if goal is None:
        return text
    return f"{text} (≥ {goal:.3g})" if ratio >= goal else f"{text} (≥ {goal:.3g} MISSED)"


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table, the first column left-aligned, the others right-aligned."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, rule)

    def aligned(line: Sequence[Any]) -> str:
        first, *rest = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]
        return f"| {' | '.join(cells)} |"

    return "\n".join(aligned(line) for line in lines)
