"""`make demo`: the order service on a real NATS server, until Ctrl-C.

The environment chooses: `HOST` the host (see `HOSTS`), `PORT` the port (8000; 0 for a free one),
`NATS_URL` a NATS server of yours, instead of one that comes and goes with the demo.
"""

import os
import signal
import socket
import sys
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

import uvicorn

from faststream_integrations.testing import nats_server

HOSTS = {
    "fastapi": "examples.orders.fastapi_app:app",
    "litestar": "examples.orders.litestar_app:app",
    "asgi": "examples.orders.asgi_app:app",
}

OPENAPI = {"fastapi": "/docs", "litestar": "/schema"}

ADDRESS = "127.0.0.1"


class Server(uvicorn.Server):
    """A uvicorn that says when the service is there."""

    greeting = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.greeting, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.started:
            # uvicorn would go on with the startup, however long it takes. Nothing was served yet,
            # and nats_server() ends with this process in any case.
            os._exit(0)
        super().handle_exit(sig, frame)


def main() -> None:
    # uvicorn stops the service at the first signal, and raises the signal again when it is done.
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)

    host = os.environ.get("HOST", "fastapi")
    if host not in HOSTS:
        sys.exit(f"HOST={host} is not one of {', '.join(HOSTS)}.")

    with ExitStack() as stack:
        listener = stack.enter_context(listen(os.environ.get("PORT", "8000")))
        if "NATS_URL" not in os.environ:
            try:
                os.environ["NATS_URL"] = stack.enter_context(nats_server()).url
            except (FileNotFoundError, RuntimeError) as error:
                sys.exit(str(error))
        server = Server(uvicorn.Config(HOSTS[host], log_level="warning"))
        server.greeting = greeting(host, listener.getsockname()[1])
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def leave(*_: object) -> NoReturn:
    """End the process with status 0 and everything that is open closed."""
    sys.exit(0)


def listen(port: str) -> socket.socket:
    """Take the port, or say why not."""
    try:
        return socket.create_server((ADDRESS, int(port)))
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"PORT={port} cannot be used: {error}. Choose another: PORT=8001 make demo")


def greeting(host: str, port: int) -> str:
    """What to open and what to try."""
    url = f"http://{ADDRESS}:{port}"
    openapi = f"\n  OpenAPI    {url}{OPENAPI[host]}" if host in OPENAPI else ""
    return f"""
The order service runs on {host}, with NATS at {os.environ["NATS_URL"]}.

  AsyncAPI   {url}/asyncapi{openapi}
  Health     {url}/health

Place an order, then read it at the Location of the answer:

  curl -i {url}/orders -H 'Content-Type: application/json' \\
    -d '{{"drink": "espresso", "quantity": 2}}'

Ctrl-C stops everything.
"""


if __name__ == "__main__":
    main()
