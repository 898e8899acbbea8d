"""One message through one subscriber in memory, while the live broker carries on."""

from faststream_integrations.dry_run.run import is_dry_run

__all__ = ("is_dry_run",)
