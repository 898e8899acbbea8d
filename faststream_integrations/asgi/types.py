"""The ASGI types under the names of ``faststream.asgi.types``."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from faststream_integrations.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("ASGIApp", "Message", "Receive", "Scope", "Send", "UserApp")

UserApp: TypeAlias = Callable[..., Awaitable[ASGIApp] | ASGIApp] | Callable[..., Any]
