"""`constraints.txt` has what the project asks for, and nothing that a lock file must not have."""

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.environments import CONSTRAINTS, PYTHONS, ROOT
from tools.lock import constraints

tomllib = pytest.importorskip("tomllib", reason="it came with Python 3.11")

LINES = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]


def requirements() -> list[Requirement]:
    """Whatever `pyproject.toml` names: dependencies, extras, groups, what builds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        named += extra
    for group in project["dependency-groups"].values():
        named += [each for each in group if isinstance(each, str)]
    return [Requirement(text) for text in named]


def test_every_line_is_a_version_without_an_address() -> None:
    for line in LINES:
        requirement = Requirement(line)
        assert requirement.url is None
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_has_one_version_of_what_is_asked_for(python: str) -> None:
    pinned: dict[str, str] = {}
    for line in LINES:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            name = canonicalize_name(requirement.name)
            assert name not in pinned
            pinned[name] = next(iter(requirement.specifier)).version

    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        wanted = marker is None or marker.evaluate({"python_version": python})
        if name == "faststream-integrations" or not wanted:
            continue
        assert name in pinned, "`make lock` writes it"
        assert requirement.specifier.contains(pinned[name]), f"`make lock`: {requirement}"


def test_version_that_newer_pythons_share_counts_for_those_to_come() -> None:
    resolved = {
        "3.10": {"a": "1", "b": "1", "old": "1"},
        "3.11": {"a": "1", "b": "2"},
        "3.12": {"a": "1", "b": "2"},
        "3.13": {"a": "1", "b": "3"},
    }

    assert constraints(resolved) == [
        "a==1",
        'b==1; python_version < "3.11"',
        'b==2; python_version >= "3.11" and python_version < "3.13"',
        'b==3; python_version >= "3.13"',
        "old==1",
    ]
