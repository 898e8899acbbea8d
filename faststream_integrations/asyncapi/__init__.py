"""The AsyncAPI docs page."""

from __future__ import annotations

from typing import Any

from faststream.asgi import AsyncAPIRoute
from faststream.asgi import make_asyncapi_asgi as make_upstream_page

from faststream_integrations.asgi.handlers import HttpHandler
from faststream_integrations.asyncapi.dry_run import is_dry_run

__all__ = ("AsyncAPIRoute", "is_dry_run", "make_asyncapi_asgi")


def make_asyncapi_asgi(
    specification: Any, *, try_it_out: bool = False, **options: Any
) -> HttpHandler:
    """Make the handler of the AsyncAPI page."""
    if not try_it_out:
        options["try_it_out_path"] = None
    return HttpHandler.adopt(make_upstream_page(specification, **options))
