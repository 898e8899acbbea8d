import asyncio
from typing import Any

import pytest

from tests.installed import OLDEST_FASTSTREAM

if OLDEST_FASTSTREAM:

    @pytest.fixture(autouse=True)
    def lost_failures_of_subscribers_are_none_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
        """It keeps each failure in a future for `wait_call`, which no test here has awaited."""
        tell = asyncio.BaseEventLoop.call_exception_handler

        def call_exception_handler(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
            if context["message"] != "Future exception was never retrieved":
                tell(loop, context)

        monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", call_exception_handler)
