"""The official parser of AsyncAPI documents, run by Node.js."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


class OfficialParser:
    """`@asyncapi/parser` in a folder of its own.

    Args:
        folder: Where to install it; what is there already is used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("package.json", "validate.js"):
            shutil.copy(HERE / name, folder / name)
        if not (folder / "node_modules" / "@asyncapi" / "parser").exists():
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
            done = self._run("npm", "install", *options)
            if done.returncode:
                pytest.skip(f"@asyncapi/parser cannot be installed: {done.stderr.strip()[-200:]}")

    def errors(self, *documents: dict[str, Any]) -> list[list[str]]:
        """Return what is wrong with each document."""
        done = self._run("node", "validate.js", stdin=json.dumps(list(map(json.dumps, documents))))
        assert done.returncode == 0, done.stderr
        found: list[list[str]] = json.loads(done.stdout)
        return found

    def _run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self._folder, input=stdin, capture_output=True, text=True, timeout=300
        )
