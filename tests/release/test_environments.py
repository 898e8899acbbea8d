"""`make demo` and `make test` make an environment that survives whatever interrupts it."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.versions import MATRIX
from tools.environments import PYTHONS, ROOT, UNFINISHED, find_python

WAIT = 120  # seconds: a bound for what is awaited, never a measure

MAKE = """
import sys
from pathlib import Path
from tools.environments import make_environment
make_environment(Path(sys.argv[1]), ["--no-index", sys.argv[2]])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution of a thousand modules, so that its installation takes a moment."""
    path = tmp_path_factory.mktemp("wheels") / "thousand-1-py3-none-any.whl"
    files = {f"thousand/module_{number}.py": f"{number = }" for number in range(1000)}
    files["thousand/__init__.py"] = "from . import module_0, module_999"
    files["thousand-1.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: thousand\nVersion: 1\n"
    files["thousand-1.dist-info/WHEEL"] = (
        "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "thousand-1.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def make(folder: Path, wheel: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, str(folder), str(wheel)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def assert_works(folder: Path, wheel: Path) -> None:
    with make(folder, wheel) as process:
        errors = process.communicate(timeout=WAIT)[1]
    assert process.returncode == 0, errors
    python = folder / "bin" / "python"
    subprocess.run([python, "-c", "import thousand"], check=True, timeout=WAIT)
    subprocess.run([python, "-m", "pip", "check"], check=True, timeout=WAIT)
    assert not (folder / UNFINISHED).exists()
    assert not folder.with_name(f"{folder.name}.discarded").exists()


SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
MOMENTS = {
    "the folder is there": "",
    "Python is there": "bin/python",
    "pip comes": f"{SITE}/pip",
    "the package comes": f"{SITE}/thousand/module_0.py",
    "the package is there": f"{SITE}/thousand-1.dist-info/METADATA",
}


@pytest.mark.parametrize(
    ("moment", "number", "whom"),
    [
        # Killed alone is the hardest: its children go on, behind the back of the next call.
        ("the folder is there", signal.SIGKILL, "the process alone"),
        ("Python is there", signal.SIGINT, "all of them"),
        ("pip comes", signal.SIGKILL, "the process alone"),
        ("the package comes", signal.SIGKILL, "the process alone"),
        ("the package is there", signal.SIGINT, "all of them"),
    ],
)
def test_interrupted_installation_works_at_the_next_call(
    moment: str, number: signal.Signals, whom: str, wheel: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    awaited = folder / MOMENTS[moment]
    with make(folder, wheel) as process:
        deadline = time.monotonic() + WAIT
        while not awaited.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
        if whom == "all of them":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(WAIT)
        assert process.returncode != 0, "it was done before the signal came"

    assert_works(folder, wheel)


def test_finished_environment_is_kept(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    assert_works(folder, wheel)
    (folder / "mine").touch()

    assert_works(folder, wheel)

    assert (folder / "mine").exists()


def test_environment_of_a_python_that_is_gone_is_made_again(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(tmp_path / "gone")

    assert_works(folder, wheel)


def test_every_supported_python_is_tested_and_named() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert [versions.python for versions in MATRIX["pythons"]] == list(PYTHONS)
    for python in PYTHONS:
        assert f'"Programming Language :: Python :: {python}",' in pyproject
    assert f'requires-python = ">={PYTHONS[0]}"' in pyproject


def test_python_that_is_missing_is_a_visible_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.versions", "python-3.14"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert (done.returncode, done.stdout) == (0, "\npython-3.14: not on this machine, skipped\n")


def test_python_is_found_where_pyenv_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest release counts, and a shim on PATH that does not start is passed over."""
    for release in ("3.9.1", "3.12.9", "3.12.10"):
        python = tmp_path / "versions" / release / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\necho {release.rpartition('.')[0]}\n")
        python.chmod(0o755)
    shim = tmp_path / "shims" / "python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:/bin:/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    found = find_python("3.12")

    assert found == str(tmp_path / "versions" / "3.12.10" / "bin" / "python")
