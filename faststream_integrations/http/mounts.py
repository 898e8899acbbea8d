"""What is known of the mounts of Starlette, for a handler that is mounted as an application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faststream_integrations.types import Scope

__all__ = ("is_below_mount",)


def is_below_mount(scope: Scope, app: object) -> bool:
    """Tell whether the path goes on below the mount of Starlette that leads to `app`.

    A mount hands over everything below its prefix, and a handler answers at the prefix only.
    """
    root_path: str = scope.get("root_path", "")
    path: str = scope["path"]
    return (
        scope.get("endpoint") is app
        and "app_root_path" in scope  # Starlette sets it at a mount
        and path.startswith(f"{root_path}/")
        and len(path) > len(root_path) + 1
        and is_mounted(getattr(scope.get("router"), "routes", ()), app)
    )


def is_mounted(routes: Iterable[Any], app: object) -> bool:
    """Tell whether `app` stands in a `Mount`, and not in a `Route` below one."""
    return any(
        (getattr(route, "app", None) is app and not hasattr(route, "endpoint"))
        or is_mounted(getattr(route, "routes", None) or (), app)
        for route in routes
    )
