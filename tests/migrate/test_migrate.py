"""``python -m faststream_integrations.migrate`` on applications in the shapes of public ones.

The samples say in a comment what is found in their line: ``# change: ... | ... | check: ...``.
"""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import faststream.asgi
import pytest
from fastapi import APIRouter

import faststream_integrations.asgi
from faststream_integrations.asgi import AsgiFastStream, types
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.migrate import Level, Project, examine
from faststream_integrations.migrate.__main__ import main
from faststream_integrations.migrate.rules import (
    LEFT_OUT,
    OF_ASGI,
    OF_ASGI_TYPES,
    OF_THE_ROUTER,
)
from faststream_integrations.testing import asgi_client

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(SAMPLES / request.param, tmp_path / request.param, ignore=ignored))


def expected(folder: Path) -> Iterator[tuple[str, int, Level, str]]:
    for path in folder.rglob("*.py"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if comment := re.search(r"# (change|check): (.*)", line):
                level = comment[1]
                for text in comment[2].split(" | "):
                    if named := re.match(r"(change|check): (.*)", text):
                        level, text = named.groups()
                    yield path.relative_to(folder).as_posix(), number, Level(level), text


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_found_at_its_line_and_nothing_else(name: str) -> None:
    folder = SAMPLES / name
    awaited = list(expected(folder))
    assert awaited
    for finding in examine(Project(folder)):
        place = (finding.path.relative_to(folder).as_posix(), finding.line, finding.level)
        met = [each for each in awaited if each[:3] == place and each[3] in finding.message]
        assert met, (*place, finding.message)
        awaited.remove(met[0])
    assert awaited == []


def without_imports(path: Path) -> list[str]:
    """The lines of a file, its imports left out."""
    tree = ast.parse(path.read_bytes())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    taken = {n for node in imports for n in range(node.lineno, node.end_lineno + 1)}
    return [line for n, line in enumerate(path.read_text().splitlines(), 1) if n not in taken]


@pytest.mark.parametrize("sample", NAMES, indirect=True)
def test_write_changes_imports_only_and_once(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: without_imports(path) for path in sample.rglob("*.py")}

    main([str(sample), "--write"])
    written = {path: path.read_bytes() for path in sample.rglob("*.py")}
    main([str(sample), "--write"])

    assert {path: without_imports(path) for path in sample.rglob("*.py")} == before
    assert {path: path.read_bytes() for path in sample.rglob("*.py")} == written
    assert capsys.readouterr().out.endswith(", 0 written.\n")


@pytest.mark.parametrize("sample", ["asgi"], indirect=True)
async def test_written_application_is_one_of_this_package(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([str(sample), "--write"]) == 0
    assert main([str(sample)]) == 0

    monkeypatch.syspath_prepend(str(sample))
    app: ModuleType = importlib.import_module("main")
    monkeypatch.delitem(sys.modules, "main")
    assert isinstance(app.app, AsgiFastStream)
    async with asgi_client(app.app, app.broker) as client:
        headers = {"X-Token": "t", "User-Agent": "me"}
        assert (await client.get("/greet", headers=headers)).text == "t"
        assert app.seen == ["me"]
        assert (await client.get("/readiness")).status_code == 204


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from faststream.asgi import get as read, post\n",
            "from faststream_integrations.asgi import get as read, post\n",
        ),
        (
            "from faststream.asgi import (\n    get,  # mine\n)\nx = 1\n",
            None,
        ),
        (
            "if True:\n    from faststream.asgi.types import Send, Any  # two\n",
            "if True:\n    from faststream_integrations.asgi.types import Send\n    from "
            "faststream.asgi.types import Any  # two\n",
        ),
        (
            "from faststream.asgi.handlers import (\r\n    get,\r\n    Optional,\r\n)\r\n",
            "from faststream_integrations.asgi import get\r\n"
            "from faststream.asgi.handlers import (\r\n    Optional,\r\n)\r\n",
        ),
        ("x = 1; from faststream.asgi.types import Send, Any\n", None),
        ("from faststream.asgi.types import Send, \\\n    Any\n", None),
        (
            "é = 'ü'; from faststream.asgi import get; b = 2\n",
            "é = 'ü'; from faststream_integrations.asgi import get; b = 2\n",
        ),
        ("\ufefffrom faststream.asgi import get\n", None),
        (
            "from faststream.nats.fastapi import Logger, NatsRouter, Context as C\n",
            "from faststream_integrations.fastapi import Logger, Context as C\n"
            "from faststream.nats.fastapi import NatsRouter\n",
        ),
        ("import faststream.asgi as a, os\n", "import faststream_integrations.asgi as a, os\n"),
    ],
)
def test_import_is_rewritten_or_left_as_it_is(
    before: str, after: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "one.py"
    path.write_bytes(before.encode())

    main([str(path), "--write"])

    assert path.read_bytes() == (before if after is None else after).encode()


def test_file_of_another_encoding_is_left_as_it_is(tmp_path: Path) -> None:
    source = "# coding: latin-1\né = 1; from faststream.asgi import get\n".encode("latin-1")
    path = tmp_path / "one.py"
    path.write_bytes(source)

    assert main([str(path), "--write"]) == 1

    assert path.read_bytes() == source


def test_command_says_where_and_ends_with_a_status_for_ci(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("from faststream.asgi import get\n")
    (tmp_path / "wrong.py").write_text("def\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "theirs.py").write_text("from faststream.asgi import get\n")

    done = subprocess.run(
        [sys.executable, "-m", "faststream_integrations.migrate", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "old.py:1:29: change: import `get` from faststream_integrations.asgi",
        "1 files: 1 to change, of which --write makes 1, 0 to check.",
    ]
    assert done.stderr.startswith("wrong.py could not be read: invalid syntax")
    assert main([str(tmp_path / "old.py")]) == 1
    assert main([str(tmp_path / "old.py"), "--write"]) == 0
    assert main([str(tmp_path / "old.py")]) == 0
    assert main([str(tmp_path / "nowhere")]) == 2


def test_project_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("from faststream.asgi import get\nraise SystemExit('ran')\n")
    assert main([str(tmp_path)]) == 1


def test_module_of_the_project_with_the_name_of_a_library_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "fastapi.py").write_text("from x import Depends\n")
    (tmp_path / "app" / "routes.py").write_text(
        "from fastapi import Depends\n"
        "from faststream.nats.fastapi import NatsRouter\n"
        "def limit(limit: int): ...\n"
        "router = NatsRouter()\n"
        "@router.subscriber('a')\n"
        "async def f(x=Depends(limit)): ...\n"
    )
    messages = [finding.message for finding in examine(Project(tmp_path))]
    assert any("`limit` of a dependency" in message for message in messages)


def test_names_that_go_round_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import x\nfrom faststream.asgi import get\nx()\n")
    (tmp_path / "b.py").write_text("from a import x\nx.as_asgi()\n")
    assert len(examine(Project(tmp_path))) == 1


@pytest.mark.parametrize("package", ["faststream", "starlette"])
def test_code_of_any_shape_is_read(package: str) -> None:
    """It ends, and fails on nothing."""
    folder = Path(importlib.import_module(package).__file__ or "").parent
    project = Project(folder)
    examine(project)
    assert len(project.modules) > 30
    assert project.unreadable == {}


# What the rules say is true


def test_names_of_faststream_asgi_are_here() -> None:
    assert set(faststream.asgi.__all__) <= OF_ASGI <= set(faststream_integrations.asgi.__all__)
    for name in OF_ASGI_TYPES:
        assert hasattr(types, name)


def test_arguments_of_the_router_are_taken_by_ours() -> None:
    ours = {
        *inspect.signature(APIRouter).parameters,
        *inspect.signature(FastStreamRouter).parameters,
    }
    assert OF_THE_ROUTER - ours == set()


@pytest.mark.filterwarnings("ignore:The integration has been moved:DeprecationWarning")
@pytest.mark.parametrize(
    "kind", ["nats", "rabbit", "kafka", "confluent", "mqtt"]
)  # Redis hides its own
def test_every_other_argument_of_upstreams_router_is_one_of_the_broker(kind: str) -> None:
    old = importlib.import_module(f"faststream.{kind}.fastapi")
    (router,) = (
        value
        for name, value in vars(old).items()
        if re.fullmatch(r"[A-Za-z]+Router", name) and "Sentinel" not in name
    )
    broker = inspect.signature(router.broker_class.__init__).parameters
    given = set(inspect.signature(router.__init__).parameters) - OF_THE_ROUTER
    assert given - {"self", "schema_url", "specification_tags"} - LEFT_OUT - set(broker) == set()
    assert "tags" in broker


@pytest.mark.parametrize("kind", ["nats", "rabbit", "kafka", "confluent", "redis", "mqtt"])
@pytest.mark.filterwarnings("ignore:The integration has been moved:DeprecationWarning")
def test_annotations_of_upstreams_router_have_a_place(kind: str) -> None:
    old = importlib.import_module(f"faststream.{kind}.fastapi")
    now = importlib.import_module(f"faststream.{kind}.annotations")
    for name in old.__all__:
        if not name.endswith("Router") and name not in ("Context", "Logger"):
            assert hasattr(now, name), name


def test_page_of_the_migration_is_what_the_command_reads(tmp_path: Path) -> None:
    """What the page shows as it was has findings; what it shows as it is here has none."""
    page = (ROOT / "docs" / "migration.md").read_text()
    shown = re.findall(r'```python title="before"\n(.*?)```', page, re.DOTALL)
    for number, code in enumerate(shown):
        path = tmp_path / f"before_{number}.py"
        path.write_text(code)
        assert any(finding.level is Level.CHANGE for finding in examine(Project(path)))
    assert shown
    assert examine(Project(ROOT / "docs" / "examples")) == []
