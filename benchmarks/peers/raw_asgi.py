"""An ASGI callable that answers without looking at the request: the least that can be done."""

from __future__ import annotations

from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("constant",)


def constant(body: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-length", b"%d" % len(body)),
                    (b"content-type", b"text/plain; charset=utf-8"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return app
