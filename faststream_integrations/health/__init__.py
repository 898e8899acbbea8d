"""Health probes: ping, liveness and readiness."""

from faststream_integrations.health.access_log import ProbeFilter, hide_probes
from faststream_integrations.health.checks import Check
from faststream_integrations.health.ping import make_ping_asgi
from faststream_integrations.health.probes import make_liveness_asgi, make_readiness_asgi

__all__ = (
    "Check",
    "ProbeFilter",
    "hide_probes",
    "make_liveness_asgi",
    "make_ping_asgi",
    "make_readiness_asgi",
)
