"""The built files of the page: script, stylesheet and the licences of what they contain."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from faststream_integrations.asyncapi.response import Representation

__all__ = ("Asset", "Assets", "AssetsMissingError", "bundled_assets")

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class AssetsMissingError(RuntimeError):
    """The package was installed without the page's built files."""


class Asset(NamedTuple):
    """A file: its name, which changes with its content, and the content."""

    name: str
    content: Representation


class Assets:
    """The files of one build.

    Args:
        folder: Where the build put them, with its `manifest.json`.

    Attributes:
        files: The files by kind: `script`, `stylesheet`, `licenses`.

    Raises:
        AssetsMissingError: The folder holds no finished build.
    """

    def __init__(self, folder: Path) -> None:
        try:
            manifest: dict[str, str] = json.loads((folder / "manifest.json").read_bytes())
            self.files = {
                "script": _read(folder / manifest["page.js"], _FOR_EVER),
                "stylesheet": _read(folder / manifest["page.css"], _FOR_EVER),
                "licenses": _read(folder / "LICENSES.txt", "no-cache"),
            }
        except (OSError, ValueError, KeyError) as error:
            msg = (
                f"The AsyncAPI page's files are not in {folder}: {error}. Install the package "
                "again, from PyPI or with `pip install .` in its source, which builds them from "
                "`ui/`."
            )
            raise AssetsMissingError(msg) from error
        self._by_name = {file.name: file.content for file in self.files.values()}

    def find(self, name: str) -> Representation | None:
        """The file of that name, or None. A name is looked up, never opened as a path."""
        return self._by_name.get(name)


def _read(path: Path, cache_control: str) -> Asset:
    media_type = _MEDIA_TYPES[path.suffix]
    return Asset(
        path.name, Representation(path.read_bytes(), media_type, cache_control=cache_control)
    )


@cache
def bundled_assets() -> Assets:
    """The files that the package carries, read once.

    Raises:
        AssetsMissingError: The package was installed without them.
    """
    return Assets(Path(__file__).parent / "static")
