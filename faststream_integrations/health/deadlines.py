"""When a probe has to answer."""

from __future__ import annotations

import asyncio

__all__ = ("deadline_in",)

QUESTION_SHARE = 0.9
"""The share of a probe's timeout that its questions get; the rest is for the answer."""


def deadline_in(timeout: float) -> float:
    """Return until when the questions of a probe may take, by the clock of the event loop.

    It is asked first, when the request comes: what waits before a question is part of the timeout.
    """
    return asyncio.get_running_loop().time() + QUESTION_SHARE * timeout
