import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lifecycle.kinds import KINDS, Kind
from tests.lifecycle.servers import SERVERS


@pytest.fixture(scope="session")
def faulty_servers() -> Iterator[dict[str, Any]]:
    """The servers that were started so far, by name."""
    with ExitStack() as stack:
        started: dict[str, Any] = {}

        class Started(dict[str, Any]):
            def __missing__(self, name: str) -> Any:
                started[name] = self[name] = stack.enter_context(SERVERS[name]())
                return self[name]

        yield Started()


KAFKA = ("kafka", "confluent")
"""Tested in tests/wire."""

# A second kind of the same driver adds little; BROKERS=all runs them all.
ALL = [name for name in KINDS if name not in KAFKA]
USUAL = [name for name in ALL if name not in ("nats-push", "redis-list")]


@pytest.fixture(params=ALL if os.environ.get("BROKERS") == "all" else USUAL)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def server(kind: Kind, faulty_servers: dict[str, Any]) -> Iterator[Any]:
    """A server for a way to consume, well before the test and after it."""
    found = faulty_servers[kind.server]
    yield found
    try:
        found.resume()
    except (RuntimeError, AssertionError, ProcessLookupError):
        found.restart()


@pytest.fixture
def received() -> "asyncio.Queue[str]":
    return asyncio.Queue()
