"""The house of `DESIGN.md`: each module imports from the floors below its own, never from above."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import faststream
import pytest

import faststream_integrations

PACKAGE = Path(faststream_integrations.__file__).parent

# From the roof to the ground; what stands in one line shares a floor.
FLOORS = (
    {"__init__"},
    {"testing", "migrate"},
    {"asgi", "fastapi", "litestar"},
    {"hosting"},
    {"asyncapi"},
    {"dry_run"},
    {"health", "prometheus"},
    {"lifespan"},
    {"process_exit", "sigterm"},
    {"http"},
    {"subscribers"},
    {"brokers"},
    {"compiler"},
    {"environment"},
    {"_faststream"},
    {"types"},
)

HEIGHT = {room: -number for number, floor in enumerate(FLOORS) for room in floor}

# Who starts nothing of ours: a script that is run by its path.
SCRIPTS = {"_supervise"}

# What still runs up; each line is a debt.
DEBTS: set[tuple[str, str]] = set()


def imports() -> Iterator[tuple[Path, str, str]]:
    """Go through the imports between rooms: the file, the room that it is in, the other room."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room in SCRIPTS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                package, _, rest = name.partition(".")
                if package == PACKAGE.name:
                    target = rest.partition(".")[0]
                    yield path, room, target if target in HEIGHT else "__init__"


def test_every_room_has_a_floor() -> None:
    rooms = {p.relative_to(PACKAGE).with_suffix("").parts[0] for p in PACKAGE.rglob("*.py")}

    assert rooms - SCRIPTS <= set(HEIGHT)


def test_no_import_runs_up_or_sideways() -> None:
    wrong = {
        f"{path.relative_to(PACKAGE)} ({room}) imports from {target}"
        for path, room, target in imports()
        if room != target and HEIGHT[room] <= HEIGHT[target] and (room, target) not in DEBTS
    }

    assert wrong == set()


def test_every_debt_is_owed() -> None:
    found = {(room, target) for _, room, target in imports()}

    assert found >= DEBTS


@pytest.mark.parametrize("module", ["faststream_integrations", "faststream_integrations.asgi"])
def test_importing_it_loads_no_web_framework(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "print(*{'fastapi', 'starlette', 'litestar', 'nats'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", ["faststream_integrations", "faststream_integrations.asgi"])
def test_importing_it_loads_neither_application_nor_page_nor_probes(module: str) -> None:
    late = {
        *("asgi.app", "asyncapi", "brokers", "dry_run", "health", "hosting", "lifespan"),
        "subscribers",
    }
    code = (
        f"import sys, {module} as module; before = set(sys.modules); "
        "[getattr(module, name) for name in module.__all__]; "
        "print(*before); print(*sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    at_once, in_the_end = (set(line.split()) for line in done.stdout.splitlines())
    late = {f"faststream_integrations.{each}" for each in late}
    assert at_once & {*late, "faststream._internal.broker.broker", "unittest.mock"} == set()
    assert in_the_end >= late


def modules_outside_of_the_two_places() -> Iterator[tuple[Path, ast.Module]]:
    """Go through the modules that are to know no private name of FastStream."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.name != "_faststream.py" and place.parts[:2] != ("brokers", "kinds"):
            yield place, ast.parse(path.read_text())


def test_private_modules_of_faststream_are_imported_in_two_places() -> None:
    """In `_faststream.py` for all kinds of brokers, in `brokers/kinds` for one kind."""
    wrong = set()
    for place, tree in modules_outside_of_the_two_places():
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            wrong |= {
                f"{place}: {module}"
                for module in modules
                if module.startswith("faststream.")
                and any(part.startswith("_") for part in module.split("."))
            }

    assert wrong == set()


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Go through the private attributes: the name, and whether it is made or used there.

    One of `self` or `cls` is made, of whatever else it is used, by a dot or by its name in a
    string. What is made of another object in the same module (`copy._router = ...`) counts as
    ours: the test cannot tell objects apart.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            yield node.attr, own
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and is_private(node.name):
            yield node.name, True
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if is_private(node.target.id):
                yield node.target.id, True
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "setattr", "hasattr", "delattr", "peek")
        ):
            for each in node.args[1:]:
                name = each.value if isinstance(each, ast.Constant) else None
                if isinstance(name, str) and is_private(name):
                    yield name, False


def test_private_attributes_of_faststream_are_read_in_two_places() -> None:
    """An attribute that FastStream makes and the module itself does not."""
    theirs = {
        name
        for path in Path(faststream.__file__).parent.rglob("*.py")
        for name, made in private_names(ast.parse(path.read_text()))
        if made
    }
    wrong = set()
    for place, tree in modules_outside_of_the_two_places():
        names = set(private_names(tree))
        made = {name for name, own in names if own}
        wrong |= {f"{place}: {name}" for name, own in names if not own and name in theirs - made}

    assert wrong == set()
