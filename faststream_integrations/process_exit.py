"""`app.exit()`, and `SystemExit` in a subscriber, end the process as SIGTERM does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from faststream_integrations._faststream import Application, default_logger
from faststream_integrations.brokers.holds import SharedBlock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faststream_integrations.environment import AnyBroker

__all__ = ("Exit", "ending_the_process")

_APP = "app"
"""The name in a broker's context by which FastStream finds what a `SystemExit` is to end."""


class Exit:
    """Stands for the application where a broker runs without one: all that it can is to end."""

    __slots__ = ("_called", "_loop")

    def __init__(self) -> None:
        self._called = False
        self._loop = asyncio.get_running_loop()

    def exit(self) -> None:
        """End the process as SIGTERM does: the server ends the lifespan, and so the brokers.

        May be called from any thread. The first call counts.
        """
        if self._called:
            return
        self._called = True
        if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN):
            # The signal would kill the process with messages in hand, or do nothing.
            default_logger.critical(
                "exit() was called, and nothing in this process stops at SIGTERM: end it yourself."
            )
            return
        # Not here: a server may raise an exception in its handler, which is not for the caller.
        self._loop.call_soon_threadsafe(signal.raise_signal, signal.SIGTERM)


@asynccontextmanager
async def ending_the_process(
    apps: Iterable[Application], brokers: Iterable[AnyBroker]
) -> AsyncIterator[None]:
    """Let `exit()` and `SystemExit` end the process for the length of a block.

    FastStream's own `exit` ends the loop of its own `run`, which is not what runs it in a host.

    Args:
        apps: Applications whose `exit` is replaced.
        brokers: Brokers whose subscribers may raise `SystemExit`, which FastStream then leaves to
            the application in their context.
    """
    async with AsyncExitStack() as stack:
        standing = set(apps)
        for broker in brokers:
            if isinstance(app := broker.context.get(_APP), Application):
                standing.add(app)
            else:
                block = SharedBlock.of(broker, "exit")
                await stack.enter_async_context(block.enter(partial(_stand_in, broker)))
        for app in standing:
            block = SharedBlock.of(app, "exit")
            await stack.enter_async_context(block.enter(partial(_replace, app)))
        yield


async def _replace(app: Application, stack: AsyncExitStack) -> None:
    before = vars(app).get("exit")
    app.exit = Exit().exit  # type: ignore[method-assign]

    def restore() -> None:
        if before is None:
            del app.exit
        else:
            app.exit = before  # type: ignore[method-assign]

    stack.callback(restore)


async def _stand_in(broker: AnyBroker, stack: AsyncExitStack) -> None:
    if broker.context.get(_APP) is None:
        broker.context.set_global(_APP, Exit())
        stack.callback(broker.context.reset_global, _APP)
