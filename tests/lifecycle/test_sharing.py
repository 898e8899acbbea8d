"""Who waits for questions: woken in the turn in which they are answered, cancelled like anybody.

The wait is future-like and no future, so all that cancels a task is tried on it, with the task of C
and with that of Python.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest

from faststream_integrations.brokers.sharing import settle

FOREVER = 3600.0


@pytest.fixture(params=[asyncio.Task, asyncio.tasks._PyTask], ids=["C", "Python"])  # type: ignore[attr-defined]
def run(request) -> Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]:
    return lambda work: request.param(work, loop=asyncio.get_running_loop())


async def wait_for(*futures: asyncio.Future[Any], seconds: float = FOREVER) -> None:
    await settle(futures, asyncio.get_running_loop().time() + seconds)


@pytest.mark.parametrize("count", [1, 2])
async def test_goes_on_in_the_turn_in_which_the_last_is_told(run, count):
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]
    order = []

    async def wait() -> None:
        await wait_for(*futures)
        order.append("goes on")

    task = run(wait())
    await asyncio.sleep(0)
    for future in futures:
        assert not task.done()
        future.set_result(None)
        await asyncio.sleep(0)
    assert order == ["goes on"], "what came after the callbacks of the future runs later"
    await task


async def test_nothing_to_wait_for_takes_no_turn(run):
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)

    async def wait() -> int:
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "a turn")
        await wait_for()
        await wait_for(done)
        return len(turns)

    assert await run(wait()) == 0


async def test_deadline_leaves_the_question_open(run):
    future = asyncio.get_running_loop().create_future()
    await run(wait_for(future, seconds=0.01))
    assert not future.done()


@pytest.mark.parametrize("end", ["cancel", "set_exception"])
async def test_question_that_fails_is_an_answer(run, end):
    future = asyncio.get_running_loop().create_future()
    task = run(wait_for(future))
    await asyncio.sleep(0)
    future.cancel() if end == "cancel" else future.set_exception(ValueError())
    await task
    assert future.cancelled() or future.exception()


async def test_cancelled_waiter_leaves_the_question_open(run):
    future = asyncio.get_running_loop().create_future()
    task: Any = run(wait_for(future))
    await asyncio.sleep(0)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert not future.done()
    if sys.version_info >= (3, 11):
        assert cancelled.value.args == ("enough",)


@pytest.mark.parametrize("answered_first", [True, False])
async def test_cancelled_and_answered_at_once(run, answered_first):
    future = asyncio.get_running_loop().create_future()
    task: Any = run(wait_for(future))
    await asyncio.sleep(0)
    if answered_first:
        future.set_result(None)
        task.cancel()
    else:
        task.cancel()
        future.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert future.result() is None


async def test_timeouts_around_it_are_theirs(run):
    future = asyncio.get_running_loop().create_future()

    async def under_anyio() -> None:
        with anyio.fail_after(0.01):
            await wait_for(future)

    async def under_asyncio() -> None:
        await asyncio.wait_for(wait_for(future), 0.01)

    for bounded in (under_anyio, under_asyncio):
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await run(bounded())
    assert not future.done()
