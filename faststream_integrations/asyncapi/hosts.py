"""What the page knows of where it is: the hosts it is served for, and the guard of its host."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from faststream_integrations.http.errors import error_response
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

__all__ = ("OfHosts", "csrf_of", "host_name")

_MISDIRECTED = error_response(421, "This host is not served here.")


class OfHosts:
    """Lets requests for some hosts through to an application.

    A page of an attacker's site, whose name he lets point to this server, is of the same origin to
    the browser; that the `Host` header has his name is what gives it away. Others get 421
    Misdirected Request (RFC 9110, section 15.5.20).

    Args:
        app: The application.
        allowed_hosts: The names of its hosts, without ports; `*.example.com` for all below one.

    Raises:
        ValueError: A name has a port, a scheme or a path.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in allowed_hosts)
        for name in self._names:
            if host_name(f"//{name}") != name.strip("[]"):
                msg = (
                    f"{name!r} in allowed_hosts is no host name: write it without scheme and port."
                )
                raise ValueError(msg)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        allowed = scope["type"] != "http" or self._allows(scope)
        await (self._app if allowed else _MISDIRECTED)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        for key, value in scope["headers"]:
            if key == b"host":
                name = host_name(f"//{value.decode('latin-1')}") or ""
                parents = (f"*{name[dot:]}" for dot, char in enumerate(name) if char == ".")
                return not self._names.isdisjoint((name, f"[{name}]", *parents))
        return False


def host_name(url: str) -> str | None:
    """Return the host's name in an address, in lower case; None where there is none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def csrf_of(app: Any) -> tuple[tuple[str, str], ...]:
    """Return cookie and header of a host application's protection against forged requests.

    Litestar says them in its `csrf_config`, an application of Starlette's in the options of its
    middleware.
    """
    found = []
    if (config := getattr(app, "csrf_config", None)) is not None:
        found.append((config.cookie_name, config.header_name))
    for middleware in getattr(app, "user_middleware", ()):
        if "csrf" in getattr(middleware.cls, "__name__", "").lower():
            options = middleware.kwargs
            if "cookie_name" in options or "header_name" in options:
                cookie = options.get("cookie_name", "csrftoken")
                found.append((cookie, options.get("header_name", "x-csrftoken")))
    return tuple(found)
