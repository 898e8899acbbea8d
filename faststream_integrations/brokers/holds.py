"""A block of code that many are in at a time: opened for the first of them, closed for the last."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

__all__ = ("Holds", "SharedBlock")

_KEY = "_faststream_integrations_blocks"


class Holds:
    """Counts who is in a block; whoever comes while it opens or closes waits for the end of that.

    They may come and go in any order. What was open in another event loop ended with that loop,
    whether or not it was closed.
    """

    __slots__ = ("_changing", "_holders", "_loop")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holders = 0
        self._changing: asyncio.Future[None] | None = None

    async def enter(self, open_it: Callable[[], Awaitable[None]]) -> bool:
        """Come in, and open what is not open; tell whether this was the first.

        If that fails, nobody has come in, and the next who waits opens it.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._holders, self._changing = loop, 0, None
        while self._changing is not None:
            await asyncio.wait({self._changing})
        if self._holders == 0:
            with self._change():
                await open_it()
                self._holders = 1
            return True
        self._holders += 1
        return False

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        """Go out, and close in this block what is to be closed: true for the last one."""
        if self._loop is not asyncio.get_running_loop():
            yield False
            return
        self._holders -= 1
        if self._holders:
            yield False
            return
        with self._change():
            yield True

    @property
    def unused(self) -> bool:
        """Whether nobody is in it, or comes or goes."""
        return self._holders == 0 and self._changing is None

    @contextmanager
    def _change(self) -> Iterator[None]:
        changing = self._changing = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._changing = None
            changing.set_result(None)


class SharedBlock:
    """A context manager that many are in at a time, and that is entered once for all of them."""

    __slots__ = ("_holds", "_stack")

    def __init__(self) -> None:
        self._holds = Holds()
        self._stack = AsyncExitStack()

    @staticmethod
    def of(target: object, name: str) -> SharedBlock:
        """Return a block of an object, by its name, the same one to all who ask. It keeps them."""
        blocks: dict[str, SharedBlock] = vars(target).setdefault(_KEY, {})
        return blocks.setdefault(name, SharedBlock())

    @asynccontextmanager
    async def enter(self, fill: Callable[[AsyncExitStack], Awaitable[None]]) -> AsyncIterator[None]:
        """Be in the block.

        Args:
            fill: Opens what the block consists of: puts on a stack what is to be closed. If it
                fails, what it has put there is closed.
        """

        async def open_it() -> None:
            async with AsyncExitStack() as stack:
                await fill(stack)
                self._stack = stack.pop_all()

        await self._holds.enter(open_it)
        try:
            yield
        finally:
            with self._holds.leaving() as last:
                if last:
                    await self._stack.__aexit__(*sys.exc_info())
