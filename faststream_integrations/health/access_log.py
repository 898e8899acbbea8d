"""Probes that answer well are left out of a server's access log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

__all__ = ("ProbeFilter", "hide_probes")

ACCESS_LOGS = ("uvicorn.access", "hypercorn.access", "granian.access", "gunicorn.access")


class ProbeFilter(logging.Filter):
    """A filter of access logs that drops requests for some paths, where they were answered well.

    It knows the records of uvicorn, hypercorn, granian and gunicorn, and lets others pass. A probe
    that is answered with 400 or more stays in the log.

    Args:
        paths: The exact paths, as in ``/live``, without a query.
    """

    def __init__(self, *paths: str) -> None:
        super().__init__()
        self._paths = frozenset(paths)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record stays in the log."""
        path, status = _path_and_status(record.args)
        return not (path.partition("?")[0] in self._paths and 0 < status < 400)


def hide_probes(*paths: str) -> None:
    """Leave probes that answer well out of the access log, under whatever server this runs.

    Call it once, in the module of the application.

    Args:
        paths: The exact paths of the probes and of what else is asked all the time, as in
            ``hide_probes("/live", "/ready", "/metrics")``.
    """
    for name in ACCESS_LOGS:
        logging.getLogger(name).addFilter(ProbeFilter(*paths))


def _path_and_status(arguments: Any) -> tuple[str, int]:
    path: Any = ""
    status: Any = ""
    match arguments:
        case (_, str(), str(path), _, status):  # uvicorn
            pass
        case Mapping():
            # hypercorn and gunicorn, or granian
            path = arguments.get("U") or arguments.get("path")
            status = arguments.get("s") or arguments.get("status")
    text = f"{status}"
    return f"{path or ''}", int(text) if text.isdecimal() else 0
