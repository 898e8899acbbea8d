"""The build hook: when it builds the page's assets, with what, and what it says when it cannot."""

import gzip
import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faststream_integrations.asyncapi.assets import Assets

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree whose assets are up to date."""
    for folder in ("ui", "faststream_integrations/asyncapi/static"):
        ignored = shutil.ignore_patterns("node_modules")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def hook(build: ModuleType, root: Path) -> Any:
    return build.UiBuildHook(str(root), {}, None, None, str(root / "dist"), "wheel")


@pytest.fixture
def no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def test_installed_assets_are_those_of_the_source(build: ModuleType, no_node: None) -> None:
    assert hook(build, ROOT).dependencies() == [], "reinstall the package: ui/ has changed"


def test_unchanged_source_is_not_built(build: ModuleType, tree: Path, no_node: None) -> None:
    assert hook(build, tree).dependencies() == []
    hook(build, tree).initialize("standard", {})


@pytest.mark.parametrize("changed", ["ui/src/page.css", "ui/package-lock.json", "ui/new.ts"])
def test_change_asks_for_node_where_path_has_none(
    build: ModuleType, tree: Path, no_node: None, changed: str
) -> None:
    with (tree / changed).open("a") as file:
        file.write("\n")
    assert hook(build, tree).dependencies() == [build.NODE_WHEEL]


def test_installed_packages_are_no_change(build: ModuleType, tree: Path, no_node: None) -> None:
    (tree / "ui/node_modules").mkdir()
    (tree / "ui/node_modules/x.js").write_text("x")
    assert hook(build, tree).dependencies() == []


def test_sdist_without_source_is_not_built(build: ModuleType, tree: Path, no_node: None) -> None:
    shutil.rmtree(tree / "ui")
    hook(build, tree).initialize("standard", {})


def test_build_can_be_skipped(
    build: ModuleType, tree: Path, no_node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tree / "faststream_integrations/asyncapi/static")
    monkeypatch.setenv(build.SKIP, "1")
    assert hook(build, tree).dependencies() == []
    hook(build, tree).initialize("standard", {})


def test_build_without_node_says_what_is_missing(
    build: ModuleType, tree: Path, no_node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_node_from_wheel", lambda: None)
    (tree / "ui/src/page.css").write_text("")
    with pytest.raises(SystemExit, match=r"Node\.js 20 with npm") as failure:
        hook(build, tree).initialize("standard", {})
    assert build.SKIP in str(failure.value)


def test_failing_build_says_what_the_tool_said(
    build: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = ["sh", "-c", "echo the registry is away >&2; exit 3"]
    monkeypatch.setattr(build, "_node_on_path", lambda: (["node"], fails))
    (tree / "ui/src/page.css").write_text("")
    with pytest.raises(SystemExit, match="the registry is away"):
        hook(build, tree).initialize("standard", {})
    # What was there is still there, and still known to be of another source.
    assert (tree / "faststream_integrations/asyncapi/static/manifest.json").is_file()
    assert hook(build, tree)._is_stale()


def test_lock_file_pins_by_hash_and_names_no_host() -> None:
    packages = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
    fetched = {
        name: entry
        for name, entry in packages.items()
        if "node_modules/" in name and not entry.get("link")
    }
    assert len(fetched) > 20
    for name, entry in fetched.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


def test_package_scripts_are_not_run() -> None:
    assert "ignore-scripts=true" in (ROOT / "ui/.npmrc").read_text().splitlines()


def test_bundle_is_small(tree: Path) -> None:
    assets = Assets(tree / "faststream_integrations/asyncapi/static")
    compressed = [
        len(gzip.compress(assets.files[kind].content.body, 9)) for kind in ("script", "stylesheet")
    ]
    assert sum(compressed) < 160_000
