"""The built files of the page: script, stylesheet and the licences of what they contain."""

import json
from functools import cache
from pathlib import Path

from faststream_integrations.asyncapi.response import Representation

__all__ = ("Assets", "AssetsMissingError", "bundled_assets")

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class AssetsMissingError(RuntimeError):
    """The package was installed without the page's built files."""


class Assets:
    """The files of one build, by their names.

    Args:
        folder: Where the build put them, with its `manifest.json`.

    Raises:
        AssetsMissingError: The folder holds no finished build.
    """

    def __init__(self, folder: Path) -> None:
        try:
            manifest: dict[str, str] = json.loads((folder / "manifest.json").read_bytes())
            self.script = manifest["page.js"]
            self.stylesheet = manifest["page.css"]
            # Only these names carry a hash of the content and may be kept for ever.
            files = {name: _FOR_EVER for name in (self.script, self.stylesheet)}
            files["LICENSES.txt"] = "no-cache"
            self._files = {
                name: Representation(
                    (folder / name).read_bytes(),
                    _MEDIA_TYPES[Path(name).suffix],
                    cache_control=cache_control,
                )
                for name, cache_control in files.items()
            }
        except (OSError, ValueError, KeyError) as error:
            msg = (
                f"The AsyncAPI page's files are not in {folder}: {error}. Install the package "
                "again, from PyPI or with `pip install .` in its source, which builds them from "
                "`ui/`."
            )
            raise AssetsMissingError(msg) from error

    def find(self, name: str) -> Representation | None:
        """The file of that name, or None. A name is looked up, never opened as a path."""
        return self._files.get(name)


@cache
def bundled_assets() -> Assets:
    """The files that the package carries, read once.

    Raises:
        AssetsMissingError: The package was installed without them.
    """
    return Assets(Path(__file__).parent / "static")
