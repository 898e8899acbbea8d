"""How the examples of the documentation are imported: as a reader runs them, from their folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from types import ModuleType

__all__ = ("EXAMPLES", "NATS_URL", "ROOT", "example")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
NATS_URL = "nats://127.0.0.1:4222"


@contextmanager
def example(path: str, nats_url: str = NATS_URL) -> Iterator[ModuleType]:
    """Import an example afresh, and forget it, and what it imported beside it, at the end.

    Args:
        path: The file, in ``docs/examples``.
        nats_url: The server that the example connects to, instead of the one that it names.
    """
    with TemporaryDirectory() as folder:
        copied = Path(copytree(EXAMPLES, Path(folder) / "examples")) / path
        for file in copied.parent.glob("*.py"):
            file.write_text(file.read_text().replace(NATS_URL, nats_url))
        before = set(sys.modules)
        sys.path.insert(0, str(copied.parent))
        try:
            yield import_module(copied.stem)
        finally:
            sys.path.remove(str(copied.parent))
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", None)).startswith(folder):
                    del sys.modules[name]
