"""The AsyncAPI docs page: offline, escaped, below any prefix of any ASGI framework."""

from faststream_integrations.asyncapi.app import AsyncAPIApp, make_asyncapi_asgi
from faststream_integrations.asyncapi.assets import AssetsMissingError
from faststream_integrations.asyncapi.page import PageOptions
from faststream_integrations.asyncapi.route import AsyncAPIRoute, Endpoint
from faststream_integrations.asyncapi.try_it_out import TryItOut
from faststream_integrations.dry_run.limits import DryRunLimits
from faststream_integrations.dry_run.run import is_dry_run

__all__ = (
    "AssetsMissingError",
    "AsyncAPIApp",
    "AsyncAPIRoute",
    "DryRunLimits",
    "Endpoint",
    "PageOptions",
    "TryItOut",
    "is_dry_run",
    "make_asyncapi_asgi",
)
