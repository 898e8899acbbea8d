"""The services are typed: mypy (in `make check`) and pyright find nothing, both strict."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = [path for path in (ROOT / "examples" / "services").glob("*.py") if path.stem[0] != "_"]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_service_needs_no_cast_and_no_ignore(path):
    assert not re.search(r"\bcast\(|type: ignore|pyright:|noqa|# mypy", path.read_text())


def test_pyright_finds_nothing():
    pytest.importorskip("pyright", reason="pyright is in the check group")
    command = [sys.executable, "-m", "pyright", "--project", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--pythonpath", sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    if "informations" not in done.stdout:
        pytest.skip(f"pyright did not run: {(done.stdout + done.stderr)[-300:]}")
    assert done.returncode == 0, done.stdout
