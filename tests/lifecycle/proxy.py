"""A TCP proxy that freezes the connections there are, and lets new ones through."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Passes bytes between clients and a server, until it freezes.

    Attributes:
        port: Where it listens, at 127.0.0.1.
        server_port: Where its server does.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.server_port = server_port
        self._open = asyncio.Event()  # of the connections of the moment
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._frozen: list[asyncio.Task[None]] = []

    def freeze(self) -> None:
        """Pass no byte more on the connections there are, and keep them open."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()
        self._frozen += self._tasks

    def drop(self) -> None:
        """Close what is frozen, so that the server gives up its end, too."""
        for task in self._frozen:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = self._open
        try:
            to_server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, to_server[1]), (to_server[0], writer)):
            task = asyncio.create_task(self._pass(source, target, is_open))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_open: asyncio.Event
    ) -> None:
        try:
            while data := await source.read(65536):
                await is_open.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_of(server_port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy, one that clients have to speak TLS with where it is given a certificate."""
    proxy = Proxy(server_port)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
