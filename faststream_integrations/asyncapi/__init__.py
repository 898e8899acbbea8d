"""The AsyncAPI docs page: offline, escaped, below any prefix of any ASGI framework."""

from faststream_integrations.asyncapi.app import AsyncAPIApp, make_asyncapi_asgi
from faststream_integrations.asyncapi.assets import AssetsMissingError
from faststream_integrations.asyncapi.dry_run import is_dry_run
from faststream_integrations.asyncapi.page import PageOptions
from faststream_integrations.asyncapi.route import AsyncAPIRoute, Endpoint

__all__ = (
    "AssetsMissingError",
    "AsyncAPIApp",
    "AsyncAPIRoute",
    "Endpoint",
    "PageOptions",
    "is_dry_run",
    "make_asyncapi_asgi",
)
