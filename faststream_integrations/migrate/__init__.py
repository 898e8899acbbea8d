"""What to change in a project that comes from FastStream's own integrations or from another one.

``python -m faststream_integrations.migrate PATH`` reads the project's files, imports nothing of it
and asks no network.
"""

from faststream_integrations.migrate.findings import Finding, Level
from faststream_integrations.migrate.project import Project
from faststream_integrations.migrate.rules import examine

__all__ = ("Finding", "Level", "Project", "examine")
