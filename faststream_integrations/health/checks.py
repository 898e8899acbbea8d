"""The checks of an application itself, beside those of its brokers."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from faststream_integrations._faststream import default_logger
from faststream_integrations.brokers.kinds import Unreachable
from faststream_integrations.brokers.sharing import InFlight

__all__ = ("Check", "CheckResult")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check has found."""

    passed: bool
    reason: str = ""
    seconds: float | None = None


@dataclass(eq=False)
class Check:
    """A check of `make_readiness_asgi`, with a timeout of its own.

    However many probes come at once, one run of it is in flight, whose result they share. One
    that hangs stays the only one: the next probes wait for it.

    Args:
        call: An asynchronous or a plain function without arguments; a plain one runs in a thread.
            ``False`` or an exception is a failure, everything else a success.
        timeout: How many seconds it has; `None` for the timeout of the probe.
    """

    call: Any  # a function without arguments
    timeout: float | None = None
    _in_flight: InFlight[bool] = field(init=False, repr=False)
    _failed: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        if not callable(self.call):
            msg = f"A check is a function without arguments, got {self.call!r}."
            raise TypeError(msg)
        self._in_flight = InFlight(self._run)

    async def result(self, name: str, deadline: float) -> CheckResult:
        """Run the check, or wait for the run that is in flight.

        Args:
            name: How the check is called in the log.
            deadline: Until when it has to end, by the clock of the event loop; sooner where it
                has a timeout of its own.
        """
        began = time.perf_counter()
        if self.timeout is not None:
            deadline = min(deadline, asyncio.get_running_loop().time() + self.timeout)
        try:
            passed = await self._in_flight(deadline)
        except Unreachable as error:
            return self._failure(name, str(error))
        except Exception as error:
            return self._failure(name, type(error).__name__, error)
        if not passed:
            return self._failure(name, "it returned False")
        self._failed = False
        return CheckResult(True, seconds=time.perf_counter() - began)

    def _failure(self, name: str, reason: str, error: Exception | None = None) -> CheckResult:
        if not self._failed:
            # Once, and not at every probe.
            default_logger.warning("The health check %r failed: %s.", name, reason, exc_info=error)
        self._failed = True
        return CheckResult(False, reason)

    async def _run(self) -> bool:
        if inspect.iscoroutinefunction(self.call) or inspect.iscoroutinefunction(
            getattr(self.call, "__call__", None)  # noqa: B004
        ):
            found = await self.call()
        else:
            found = await _in_thread(self.call)
            if inspect.isawaitable(found):
                found = await found
        return found is not False


def _in_thread(call: Callable[[], Any]) -> Awaitable[Any]:
    """Run a function in a daemon thread: one that hangs must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = context.run(call)
        except Exception as error:
            failure = error
        except BaseException as error:
            failure = RuntimeError(type(error).__name__)
        with suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(finish, result, failure)

    threading.Thread(target=run, name="health check", daemon=True).start()
    return future
