"""A project's files as the rules see them: names resolved to where they come from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

__all__ = ("Module", "Parameter", "Project", "called", "parameters")

SKIPPED = {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
"""Folders that are not the project's own; so are those whose name begins with a dot."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """One file.

    Attributes:
        path: Where it is.
        name: Its dotted name, as far as the folders tell.
        source: What is in it.
        tree: The same, parsed.
        project: The project that it belongs to.
    """

    path: Path
    name: str
    source: bytes
    tree: ast.Module
    project: Project

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for, with dots."""
        names = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                package = self.package_of(node)
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{package}.{alias.name}"
        return names

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What is assigned to each name of the module, and to each ``self.name``."""
        values = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                targets, value = [node.target], node.value
            else:
                continue
            for target in targets:
                values[ast.unparse(target)] = value
        return values

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions, by name."""
        return {
            node.name: node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    @cached_property
    def line_starts(self) -> list[int]:
        """The position of each line, in bytes."""
        starts = [0]
        for line in self.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def span(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        """The bytes of a node."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.line_starts[node.lineno - 1] + node.col_offset,
            self.line_starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def package_of(self, node: ast.ImportFrom) -> str:
        """The module that an import names, without leading dots."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        if self.path.name != "__init__.py":
            parts.pop()
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *filter(None, [node.module])])

    def origin(self, node: ast.expr | None) -> str:
        """Tell with dots where a name comes from: ``fastapi.Depends``, or "" where nobody knows."""
        if isinstance(node, ast.Attribute):
            return f"{base}.{node.attr}" if (base := self.origin(node.value)) else ""
        if isinstance(node, ast.Name):
            return self.project.canonical(self.imported.get(node.id, ""))
        return ""

    def made_by(self, node: ast.expr | None) -> tuple[str, ast.Call] | None:
        """Tell what the value of a name was made by: the origin of the class, and the call.

        The name may come from another module of the project.
        """
        if isinstance(node, ast.Call):
            return self.origin(node.func), node
        if node is None:
            return None
        module, value = self.value_of(node)
        return module.made_by(value) if isinstance(value, ast.Call) else None

    def value_of(self, node: ast.expr) -> tuple[Module, ast.expr | None]:
        """Find what was assigned to a name, here or in the module that it is imported from."""
        text = ast.unparse(node)
        if text in self.assigned:
            return self, self.assigned[text]
        package, _, name = self.origin(node).rpartition(".")
        if (module := self.project.find(package)) is not None and module is not self:
            return module, module.assigned.get(name)
        return self, None

    def function_of(self, node: ast.expr | None) -> tuple[Module, Function] | None:
        """Find the function that a name stands for, here or in another module of the project."""
        if isinstance(node, ast.Name) and node.id in self.functions:
            return self, self.functions[node.id]
        if node is None:
            return None
        package, _, name = self.origin(node).rpartition(".")
        if (module := self.project.find(package)) is not None and name in module.functions:
            return module, module.functions[name]
        return None


@dataclass
class Project:
    """The Python files below a path.

    Attributes:
        root: The folder, or one file.
        unreadable: The files that are no Python, each with the reason.
    """

    root: Path
    unreadable: dict[Path, str] = field(default_factory=dict)

    @cached_property
    def modules(self) -> list[Module]:
        """The files, in the order of their names."""
        modules = []
        for path in sorted(self._paths()):
            try:
                source = path.read_bytes()
                tree = ast.parse(source)
            except (OSError, SyntaxError, ValueError) as error:
                self.unreadable[path] = str(error)
                continue
            relative = path.relative_to(self.root if self.root.is_dir() else path.parent)
            parts = relative.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules.append(Module(path, name, source, tree, self))
        return modules

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """The modules by the names that imports may have for them.

        Imports begin below a folder that is no package, as `src`, or with the project's own folder.
        """
        names = {}
        for module in self.modules:
            parts = module.name.split(".")
            if (self.root / "__init__.py").exists():
                names[f"{self.root.resolve().name}.{module.name}"] = module
            folder = self.root
            for number in range(len(parts)):
                names[".".join(parts[number:])] = module
                folder /= parts[number]
                if (folder / "__init__.py").exists():
                    break
        return {**names, **{module.name: module for module in self.modules}}

    def find(self, name: str) -> Module | None:
        """Find a module of the project by the dotted name that an import has."""
        return self.by_name.get(name) if name else None

    def canonical(self, name: str) -> str:
        """Follow a name that a module of the project passes on."""
        for _ in range(10):
            package, _, last = name.rpartition(".")
            module = self.find(package)
            if module is None or last not in module.imported:
                break
            name = module.imported[last]
        return name

    def _paths(self) -> Iterator[Path]:
        if self.root.is_file():
            yield self.root
            return
        for path in self.root.rglob("*.py"):
            folders = path.relative_to(self.root).parts[:-1]
            if not any(each in SKIPPED or each.startswith(".") for each in folders):
                yield path


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        module: Where its annotation is read.
        argument: The parameter.
        annotation: Its type, without ``Annotated``; None where it has none.
        markers: The markers, of ``Annotated`` and as its default.
        default: Its default; None where it has none or where that is a marker.
    """

    module: Module
    argument: ast.arg
    annotation: ast.expr | None
    markers: tuple[ast.expr, ...]
    default: ast.expr | None

    @property
    def name(self) -> str:
        """Its name."""
        return self.argument.arg

    @property
    def origins(self) -> dict[str, ast.expr]:
        """Where the markers come from, each with the marker."""
        return {self.module.origin(called(marker)): marker for marker in self.markers}


def called(node: ast.expr) -> ast.expr:
    """The function of a call, or the node itself."""
    return node.func if isinstance(node, ast.Call) else node


def parameters(module: Module, function: Function) -> Iterator[Parameter]:
    """Go through the parameters of a function, with what `Annotated` says, by whatever name."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    for argument, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
        if argument.arg in ("self", "cls"):
            continue
        where, annotation, markers = _annotation(module, argument.annotation)
        if default is not None and isinstance(default, ast.Call):
            markers, default = (*markers, default), None
        yield Parameter(where, argument, annotation, markers, default)


def _annotation(
    module: Module, node: ast.expr | None
) -> tuple[Module, ast.expr | None, tuple[ast.expr, ...]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return module, node, ()
    if isinstance(node, ast.Name | ast.Attribute):  # perhaps a name for an `Annotated`
        where, value = module.value_of(node)
        if _is_annotated(where, value):
            return _annotation(where, value)
    if _is_annotated(module, node):
        assert isinstance(node, ast.Subscript)
        if isinstance(node.slice, ast.Tuple):
            kind, *markers = node.slice.elts
            return module, kind, tuple(markers)
    return module, node, ()


def _is_annotated(module: Module, node: ast.expr | None) -> bool:
    return isinstance(node, ast.Subscript) and module.origin(node.value) in (
        "typing.Annotated",
        "typing_extensions.Annotated",
    )
