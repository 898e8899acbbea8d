"""A lifespan scope without a state (ASGI, "Lifespan Protocol": a server may give none)."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

__all__ = ("ensure_state",)


def ensure_state() -> MutableMapping[str, Any]:
    """Give the lifespan scope that is being answered a state, where the server gave it none.

    Starlette and FastAPI refuse what a lifespan yields without one, and tell a lifespan the
    application, never the scope. It is therefore looked for in the callers.

    Returns:
        The state, which has what all lifespans yield once they have started; an empty one where
        there is no scope.
    """
    frame = sys._getframe(1)
    while (outer := frame.f_back) is not None:
        frame = outer
        scope = frame.f_locals.get("scope")
        if isinstance(scope, MutableMapping) and scope.get("type") == "lifespan":
            state: MutableMapping[str, Any] = scope.setdefault("state", {})
            return state
    return {}
