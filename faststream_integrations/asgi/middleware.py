"""Middleware: what stands around the routes of an application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from faststream.exceptions import SetupError

from faststream_integrations.http.protocol import takes_three_arguments
from faststream_integrations.types import ASGIApp

__all__ = ("Middleware", "StarletteMiddleware", "wrap")


class StarletteMiddleware(Protocol):
    """`starlette.middleware.Middleware`, as far as it is needed here."""

    @property
    def cls(self) -> Callable[..., Any]: ...

    @property
    def args(self) -> Sequence[Any]: ...

    @property
    def kwargs(self) -> Mapping[str, Any]: ...


_ADVICE = (
    "Write a callable from ASGI application to ASGI application, such as "
    'functools.partial(CORSMiddleware, allow_origins=["https://example.com"]).'
)

Middleware = Callable[..., Any] | StarletteMiddleware


def wrap(middleware: Middleware, app: ASGIApp, *args: Any, **options: Any) -> ASGIApp:
    """Put a middleware around an ASGI application.

    Args:
        middleware: A callable that takes the application, or a `Middleware` of Starlette's.
        app: The application.
        args: Other arguments of the callable.
        options: The same by name.

    Raises:
        SetupError: It cannot be called so, or makes no ASGI application.
    """
    make: Callable[..., Any]
    if callable(middleware):
        make = middleware
    elif hasattr(middleware, "cls"):
        make = middleware.cls
        args, options = (*middleware.args, *args), {**middleware.kwargs, **options}
    else:
        msg = f"{middleware!r} is no middleware. {_ADVICE}"
        raise SetupError(msg)
    try:
        made = make(app, *args, **options)
    except TypeError as error:
        msg = f"The middleware {middleware!r} does not take an application: {error}. {_ADVICE}"
        raise SetupError(msg) from error
    if not takes_three_arguments(made):
        msg = f"The middleware {middleware!r} made {made!r}, no ASGI application. {_ADVICE}"
        raise SetupError(msg)
    wrapped: ASGIApp = made
    return wrapped
