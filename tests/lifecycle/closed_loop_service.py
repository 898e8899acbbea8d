"""A broker whose event loop is closed while it runs, and that is started again in others.

In a process of its own: what is left of a loop that was closed is complained about by all that
knows of it, at any time.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any

import anyio

from tests.lifecycle.kinds import KINDS
from tests.lifecycle.service import PATIENCE, running

STARTUP = 40.0
"""Seconds: a group of Kafka's waits for a member that has not left it."""

kind = KINDS[sys.argv[1]]
handled: set[str] = set()


async def handle(message: str) -> None:
    handled.add(message)


broker = kind.make(int(os.environ["SERVER_PORT"]), handle, logger=None)


async def send_and_wait(text: str) -> None:
    await kind.send(broker, text)
    with anyio.fail_after(PATIENCE):
        while text not in handled:
            await asyncio.sleep(0.02)


async def leave_running(block: Any) -> None:
    await block.__aenter__()
    await send_and_wait("first")


async def run(text: str) -> None:
    async with running(broker, startup_timeout=STARTUP):
        await send_and_wait(text)


def in_a_loop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.close()


block = running(broker, startup_timeout=STARTUP)  # kept, or its end would be begun in the next loop
in_a_loop(leave_running(block))
in_a_loop(run("second"))
in_a_loop(run("third"))
print("handled", *sorted(handled), flush=True)
os._exit(0)  # and complain of nothing
