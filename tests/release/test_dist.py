"""What `make dist` and `make check` refuse to publish."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.dist import LICENCES, STATIC, files_of, metadata_faults, unexpected
from tools.environments import ROOT
from tools.quick_starts import blocks, pages
from tools.version import difference, version

REPOSITORY = {
    "pyproject.toml",
    "README.md",
    ".ci/run",
    "faststream_integrations/__init__.py",
    "faststream_integrations/asyncapi/static/page.js",
    "tests/test_one.py",
}
WHEEL = {
    "faststream_integrations/__init__.py",
    "faststream_integrations/asyncapi/static/page.js",
    *(f"x-1.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
    *(f"x-1.dist-info/licenses/{name}" for name in LICENCES),
}
SDIST = REPOSITORY - {".ci/run"} | {"PKG-INFO"}


@pytest.mark.parametrize("names", [WHEEL, SDIST], ids=["wheel", "sdist"])
def test_archive_has_what_the_repository_tracks_and_nothing_else(names: set[str]) -> None:
    assert unexpected(names, REPOSITORY) == []

    page = "faststream_integrations/asyncapi/static/page.js"
    assert unexpected(names - {page}, REPOSITORY) == [f"{page} is missing"]
    for stray in ("faststream_integrations/notes.txt", ".env", "elsewhere/x.py"):
        assert unexpected(names | {stray}, REPOSITORY) == [f"{stray} should not be there"]


def test_tests_are_not_in_a_wheel() -> None:
    stray = "tests/test_one.py"
    assert unexpected(WHEEL | {stray}, REPOSITORY) == [f"{stray} should not be there"]


def test_what_lies_about_in_a_working_copy_changes_no_archive(tmp_path: Path) -> None:
    """What git ignores is not published, and hides nothing: npm makes links to `ui/nothing`."""
    tree = tmp_path / "tree"
    published = {"ui/nothing/package.json", "ui/src/main.ts", "tests/test_one.py", "docs/a/b.md"}
    published |= {"faststream_integrations/__init__.py", f"{STATIC}/page.js", LICENCES[1]}
    _write(tree, published)
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, tree)

    fresh = _build(tree, tmp_path / "fresh")
    assert published <= fresh[".gz"]

    _write(tree, {f"{folder}/stray.py" for folder in (".venv/lib", "dist", "docs/node_modules/a")})
    _write(tree, {f"tests/{folder}/stray.py" for folder in (".mypy_cache", "__pycache__")})
    links = tree / "ui" / "node_modules" / "@asyncapi"
    links.mkdir(parents=True)
    for number, folder in enumerate(("ui/nothing", "tests", "docs/a", "faststream_integrations")):
        (links / str(number)).symlink_to(tree / folder, target_is_directory=True)
    assert _build(tree, tmp_path / "used") == fresh


def _write(tree: Path, names: Iterable[str]) -> None:
    for name in names:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _build(tree: Path, folder: Path) -> dict[str, set[str]]:
    """The files of the wheel and of the sdist, by the archive's suffix."""
    command = (sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    without_page = {**os.environ, "FASTSTREAM_INTEGRATIONS_SKIP_UI_BUILD": "1"}
    subprocess.run(command, cwd=tree, env=without_page, check=True, timeout=120)
    return {archive.suffix: files_of(archive) for archive in folder.iterdir()}


@pytest.mark.parametrize(
    ("metadata", "faults"),
    [
        (f"Version: {version()}\nLicense-Expression: Apache-2.0 AND MIT\n", []),
        ("Version: 0.0.1\nLicense-Expression: Apache-2.0 AND MIT\n", ["its version is 0.0.1"]),
        (
            f"Version: {version()}\nLicense-Expression: Apache-2.0\n",
            ["License-Expression has not MIT, of a bundled script"],
        ),
    ],
)
def test_metadata_tells_version_and_licences(
    metadata: str, faults: list[str], tmp_path: Path
) -> None:
    files = "".join(f"License-File: {name}\n" for name in LICENCES)
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("x-1.dist-info/METADATA", metadata + files)
        wheel.writestr(
            LICENCES[1], "react 19.1.0 (MIT)\n\ndompurify 3.2.1 ((MPL-2.0 OR Apache-2.0))\n"
        )
    assert metadata_faults(path) == faults


def test_changelog_begins_with_the_version_of_the_project() -> None:
    changelog = (ROOT / "docs" / "changelog.md").read_text()
    assert difference(changelog, version()) is None
    assert difference(changelog, "9.9.9") is not None


@pytest.mark.parametrize(
    ("changelog", "fault"),
    [
        ("## 1.2.3 - 2026-01-31\n", None),
        ("## 1.2.3 - unreleased\n\n## 1.2.2 - 2026-01-01\n", None),
        ("## 1.2.4 - 2026-01-31\n", "begins with 1.2.4"),
        ("## 1.2.3 - soon\n", "is no date"),
        ("# Changelog\n", "no heading"),
    ],
)
def test_difference_is_told(changelog: str, fault: str | None) -> None:
    told = difference(changelog, "1.2.3")
    assert (told is None) if fault is None else (told is not None and fault in told)


def test_quick_starts_are_those_of_the_readme_and_of_the_guides() -> None:
    names = {page.name for page in pages()}
    assert names >= {"README.md", "index.md", "fastapi.md", "litestar.md"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_quick_start_installs_writes_runs_and_asks(page: Path) -> None:
    found = list(blocks(page.read_text()))
    files = {block.title: block.code for block in found if block.language == "python"}
    commands = [
        line for block in found if block.language == "shell" for line in block.code.splitlines()
    ]
    assert "" not in files
    for code in files.values():
        compile(code, page.name, "exec")
        assert "--8<--" not in code
    assert commands[0].startswith("pip install ")
    served = [line.split()[1] for line in commands if line.startswith("uvicorn")]
    assert {f"{name.partition(':')[0]}.py" for name in served} <= set(files)
    assert any(line.startswith("curl") for line in commands)
