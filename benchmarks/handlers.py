"""HTTP handlers: seven cases, in-process, ours and everybody else's.

Goals: DESIGN, "Goals that the design serves".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

from benchmarks.measure import HEADERS, OURS, Answer, Case, Request, measure, report
from benchmarks.peers.raw_asgi import constant
from faststream_integrations.types import ASGIApp

__all__ = ("PEERS", "RAW", "TASKS", "Task", "main")

RAW = "raw ASGI"

# The modules of `benchmarks.peers`.
PEERS = {
    OURS: "ours",
    "by hand": "by_hand",
    "faststream.asgi": "upstream",
    "Starlette": "starlette",
    "Litestar": "litestar",
    "FastAPI": "fastapi",
}

SEARCH = Request("/search", query=b"limit=10&tag=new&tag=cheap", headers=HEADERS)
SEARCH_WRONG = replace(SEARCH, query=b"limit=ten&tag=new")
BODY = b'{"id": 7, "item": "Chair", "price": 49.9, "tags": ["new", "cheap"]}'
ORDER = Request(
    "/orders",
    method="POST",
    headers=(
        *HEADERS,
        (b"content-length", b"%d" % len(BODY)),
        (b"content-type", b"application/json"),
    ),
    body=BODY,
)


def ping(path: str) -> Request:
    return Request(path, headers=HEADERS)


@dataclass(frozen=True)
class Task:
    """A case before its applications are made; they are found by `key`."""

    key: str
    name: str
    request: Request
    answer: bytes
    invalid: Request | None = None
    goals: Mapping[str, float] = field(default_factory=dict)

    def app(self, peer: str) -> ASGIApp | None:
        """Return the application of a peer, `None` where it cannot do this."""
        if peer == RAW:
            return constant(self.answer)
        apps: Mapping[str, ASGIApp] = import_module(f"benchmarks.peers.{PEERS[peer]}").APPS
        return apps.get(self.key)

    def case(self) -> Case:
        """Return the case with all applications that can do it."""
        apps = {peer: self.app(peer) for peer in (*PEERS, RAW)}
        return Case(
            name=self.name,
            request=self.request,
            answer=Answer(200, self.answer),
            apps={peer: app for peer, app in apps.items() if app is not None},
            invalid=self.invalid,
            goals=self.goals,
        )


WITH_PARAMETERS = {
    "by hand": 0.45,
    "faststream.asgi": 60,
    "Starlette": 3.5,
    "Litestar": 6,
    "FastAPI": 13,
}

TASKS = (
    Task(
        "bare",
        "1 bare handler",
        ping("/ping"),
        b"pong",
        goals={"raw ASGI": 1 / 3, "faststream.asgi": 5, "Starlette": 2.5},
    ),
    Task("request", "2 Logger + Request", ping("/whoami"), b"GET"),
    Task(
        "parameters",
        "3 Header + list Query + int Query",
        SEARCH,
        b"guest ann 10 cheap",
        SEARCH_WRONG,
        WITH_PARAMETERS,
    ),
    Task(
        "dependency",
        "4 case 3 + Logger + async dependency",
        SEARCH,
        b"admin ann 10 cheap",
        SEARCH_WRONG,
        WITH_PARAMETERS,
    ),
    Task(
        "dependency in a thread",
        "5 case 3 + Logger + sync dependency in a thread",
        SEARCH,
        b"admin ann 10 cheap",
        SEARCH_WRONG,
    ),
    Task(
        "dependency inline",
        "5 the same, run inline by option",
        SEARCH,
        b"admin ann 10 cheap",
        SEARCH_WRONG,
        {"Starlette": 3},
    ),
    Task(
        "body",
        "6 JSON body into a model",
        ORDER,
        b"Chair",
        replace(ORDER, body=BODY.replace(b"7", b'"x"')),
        {"faststream.asgi": 35, "Starlette": 2.5},
    ),
    Task(
        "fifty static",
        "7 fifty routes, the last one",
        ping("/ping/49"),
        b"pong",
        ping("/ping/50"),
        {"Starlette": 12},
    ),
    Task(
        "fifty parameters",
        "7 the same with a path parameter",
        ping("/items/49/7"),
        b"7",
        ping("/items/49/seven"),
        {"Starlette": 7.5},
    ),
)


async def measure_all() -> None:
    logging.disable()  # faststream.asgi logs what it refuses, with a traceback
    report([await measure(task.case()) for task in TASKS])


def main() -> None:
    asyncio.run(measure_all())
