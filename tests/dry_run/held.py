"""How long the event loop is kept from its other tasks."""

import asyncio
import asyncio.events
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest


class Held:
    """The longest turn of the event loop.

    Attributes:
        longest: CPU seconds of this thread, so that a busy machine does not count.
    """

    longest = 0.0


@asynccontextmanager
async def loop_held() -> AsyncIterator[Held]:
    """Measure every turn of a task or callback of the event loop in the block."""
    held = Held()
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.events.Handle) -> None:
        start = time.thread_time()
        try:
            run(handle)
        finally:
            held.longest = max(held.longest, time.thread_time() - start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", timed)
        # The turn that is going on is not measured: the block has turns of its own.
        await asyncio.sleep(0)
        yield held
        await asyncio.sleep(0)
