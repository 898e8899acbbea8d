"""SIGTERM: readiness says 503 before the listeners close, and consuming ends in time."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ("watching_sigterm",)


@contextmanager
def watching_sigterm(
    announce: Callable[[], bool],
    *,
    delay: float,
    overdue: Callable[[], Coroutine[Any, Any, None]],
    patience: float,
) -> Iterator[None]:
    """Tell of SIGTERM at once, and pass it on to the server after a delay.

    A server closes its listeners before it ends the lifespan, which would be too late to tell; and
    it ends the lifespan after the last request, which may never end. Where the signal does not go
    to this thread, or somebody has set it to be ignored, nothing is done.

    Args:
        announce: Called at the signal, in the signal handler; tells whether that is news.
        delay: How many seconds the signal is kept from the server.
        overdue: Called in the event loop when the block has not ended in time.
        patience: How many seconds after the server has heard of the signal that is.
    """
    previous = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    loop = asyncio.get_running_loop()
    passed_on = False
    timers: list[asyncio.TimerHandle] = []
    late: set[asyncio.Task[None]] = set()

    def pass_on(number: int, frame: Any = None) -> None:
        nonlocal passed_on
        passed_on = True
        previous(number, frame)

    def on_sigterm(number: int, frame: Any) -> None:
        first = announce() and not passed_on
        if first:
            loop.call_soon_threadsafe(set_timers, number)
        if not delay or not first:
            pass_on(number, frame)

    def set_timers(number: int) -> None:
        if delay:
            timers.append(loop.call_later(delay, pass_on, number))
        timers.append(loop.call_later(delay + patience, end_consuming))

    def end_consuming() -> None:
        task = loop.create_task(overdue())
        late.add(task)
        task.add_done_callback(late.discard)

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, previous)
        for timer in timers:
            timer.cancel()
