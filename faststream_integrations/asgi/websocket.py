"""How a websocket is closed, under the name of ``faststream.asgi.websocket``."""

from faststream.asgi.websocket import WebSocketClose

__all__ = ("WebSocketClose",)
