"""``make dist``: the sdist and the wheel, built, checked, and installed as by a stranger.

What is in them is compared with what the repository tracks; each is installed into a fresh
environment without Node.js, and does what the quick starts of the README and the docs say.
"""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tools import quick_starts
from tools.environments import ROOT
from tools.version import difference, version

__all__ = ("files_of", "metadata_faults", "unexpected")

DIST = ROOT / "dist"
STATIC = "faststream_integrations/asyncapi/static"
LICENCES = ("LICENSE", f"{STATIC}/LICENSES.txt")
OF_THE_SDIST = (
    *("faststream_integrations", "ui", "tests", "docs", "examples", "benchmarks", "tools"),
    *("mkdocs.yml", "Makefile", "constraints.txt", "hatch_build.py", "pyproject.toml"),
    *("README.md", "LICENSE", ".gitignore", "CONTRIBUTING.md"),
)


def main() -> int:
    """Return 0 when both can be published."""
    faults = []
    if wrong := difference((ROOT / "docs" / "changelog.md").read_text(), version()):
        faults.append(wrong)
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(DIST)], check=True)
    (wheel,) = DIST.glob("*.whl")
    (sdist,) = DIST.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True)

    tracked = _tracked()
    static = {f"{STATIC}/{path.name}" for path in (ROOT / STATIC).iterdir()}
    faults += [f"{wheel.name}: {fault}" for fault in unexpected(files_of(wheel), tracked | static)]
    faults += [f"{sdist.name}: {fault}" for fault in unexpected(files_of(sdist), tracked | static)]
    faults += [f"{wheel.name}: {fault}" for fault in metadata_faults(wheel)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1

    for page in quick_starts.pages():
        print(f"{wheel.name}: the quick start of {page.relative_to(ROOT)}", flush=True)
        quick_starts.follow(page, wheel)
    readme = ROOT / "README.md"
    print(f"{sdist.name}: the quick start of {readme.relative_to(ROOT)}", flush=True)
    quick_starts.follow(readme, sdist)
    return 0


def _tracked() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.split("\0") if name}


def files_of(archive: Path) -> set[str]:
    """Return the names of the files in an archive.

    Args:
        archive: The wheel or the sdist.

    Returns:
        Their paths, without the folder that an sdist puts them in.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def unexpected(names: Iterable[str], repository: Iterable[str]) -> list[str]:
    """Compare the files of an archive with those that it should have.

    Args:
        names: The files of a wheel or of an sdist.
        repository: The files of the repository, and the assets that are built.

    Returns:
        What is missing and what is too much, a sentence for each file.
    """
    names, repository = set(names), set(repository)
    if "PKG-INFO" in names:
        expected = {"PKG-INFO"} | {
            name for name in repository if name.partition("/")[0] in OF_THE_SDIST
        }
    else:
        (info,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        expected = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL")}
        expected |= {f"{info}/licenses/{name}" for name in LICENCES}
        expected |= {name for name in repository if name.startswith("faststream_integrations/")}
    return [
        *(f"{name} is missing" for name in sorted(expected - names)),
        *(f"{name} should not be there" for name in sorted(names - expected)),
    ]


def metadata_faults(wheel: Path) -> list[str]:
    """Tell what the metadata of a wheel leaves out.

    Args:
        wheel: The wheel.

    Returns:
        A sentence for each fault.
    """
    faults = []
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        licences = archive.read(LICENCES[1]).decode()
    if metadata["Version"] != version():
        faults.append(f"its version is {metadata['Version']}")
    if set(metadata.get_all("License-File", [])) != set(LICENCES):
        faults.append(f"License-File is {metadata.get_all('License-File')}")
    scripts = re.findall(r"^\S+ [\d.]+ \((.+)\)$", licences, re.MULTILINE)
    expression = set(metadata["License-Expression"].split(" AND "))
    known = expression | {f"(MPL-2.0 OR {name})" for name in expression}
    faults += [
        f"License-Expression has not {licence}, of a bundled script"
        for licence in sorted(set(scripts) - known)
    ]
    return faults


if __name__ == "__main__":
    sys.exit(main())
