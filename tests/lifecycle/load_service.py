"""An application under load: it writes down which messages it has handled, and when it is ended.

Upstream's application with UPSTREAM=1, for comparison.
"""

import asyncio
import itertools
import os
from typing import Any

from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream

from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    get,
    make_ping_asgi,
    make_readiness_asgi,
)
from tests.lifecycle.kinds import KINDS

kind = KINDS[os.environ["KIND"]]
log = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


async def handle(message: str) -> None:
    await asyncio.sleep(float(os.environ["SECONDS"]))
    os.write(log, f"{message}\n".encode())


options: dict[str, Any] = {}
if kind.name == "mqtt" and "PERSISTENT" in os.environ:
    options = {
        "client_id": os.environ["ADDRESS"],
        "clean_session": False,
        "session_expiry_interval": 600,
    }
broker: Any = kind.make(
    int(os.environ["SERVER_PORT"]),
    handle,
    address=os.environ["ADDRESS"],
    workers=int(os.environ["WORKERS"]),
    logger=None,
    **options,
)
if kind.name == "redis-stream" and "PERSISTENT" in os.environ:
    from faststream.redis import StreamSub

    # What a killed process had not acknowledged.
    claim = StreamSub(os.environ["ADDRESS"], group="g", consumer="c", min_idle_time=500)
    broker.subscriber(stream=claim)(handle)


@get
async def slow(scope: Any) -> AsgiResponse:
    await asyncio.sleep(0.3)
    return AsgiResponse(b"slow", 200)


async def events(scope: Any, receive: Any, send: Any) -> None:
    """Stream events for as long as the client listens, and publish a message with each."""

    async def until_the_client_has_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(until_the_client_has_gone())
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in itertools.count():
        if gone.done():
            break
        try:
            await kind.send(broker, f"event {number}", os.environ["EVENTS"])
            data = f"data: event {number}\n\n"
        except Exception as error:
            data = f"data: {error!r}\n\n"
        await send({"type": "http.response.body", "body": data.encode(), "more_body": True})
        await asyncio.wait({gone}, timeout=0.05)


if "UPSTREAM" in os.environ:
    app: Any = UpstreamAsgiFastStream(
        broker, asgi_routes=[("/ready", make_ping_asgi(broker)), ("/slow", slow)]
    )
else:
    app = AsgiFastStream(
        broker,
        asgi_routes=[
            ("/ready", make_readiness_asgi(broker)),
            ("/slow", slow),
            ("/events", events),
        ],
        startup_timeout=float(os.environ.get("STARTUP_TIMEOUT", "30")),
        shutdown_timeout=float(os.environ.get("SHUTDOWN_TIMEOUT", "15")),
        shutdown_delay=float(os.environ.get("DELAY", "0")),
    )
