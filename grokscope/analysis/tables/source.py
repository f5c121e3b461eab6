"""The source that a table is computed with: an analysis's own module, and what that imports, and so on.

A table that was kept is stale as soon as any of that source changes. What belongs to it is read off the import
statements, without importing anything: those of whole modules and those inside functions; not those under
`if TYPE_CHECKING:`, which nothing is computed with.

Imports are followed to the module that defines a name. `from grokscope.groups import FiniteGroup` leads to the module
of `FiniteGroup` and to no other of that package, whether the package names it in `__init__.pyi` (lazy packages) or in
`__init__.py`. Of this package everything is followed but what only shows or asks for tables (`OUTSIDE`); of a user's
own module, what lies beside it or in the same package. Other packages are not followed.
"""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import grokscope
from grokscope.analysis.tables.live_source import is_followed, is_installed, module_file, text_of_interactive

PACKAGE = "grokscope"
IMPORTED_AT = time.time()
"""A file of this package that is younger may not be what this process has imported."""
OUTSIDE = tuple(f"{PACKAGE}.{name}" for name in ("cli", "experiments", "figures", "report"))
"""Packages that no number of a table comes from."""


@dataclass(frozen=True)
class Import:
    """A name that a module binds by an import statement."""

    module: str
    """Where it is imported from, in full."""
    name: str | None
    """What of that module; None: the module itself."""
    bound: str
    """What it is called here."""
    chains: tuple[tuple[str, ...], ...] = ()
    """The attributes that are asked of it, as `run_all` of `gs.run_all` and `analysis, keys` of `gs.analysis.keys`."""


def source_digest(function: Callable[..., object]) -> str:
    """16 hex digits that change with any of the source that a function computes with.

    A function that was typed into a notebook has no file. Then its own text counts, that of the functions and constants
    that it uses there, and the modules that those were imported from.
    """
    module, file = module_file(function.__module__)
    if file is not None:
        return files_digest(module, file)[:16]
    text, used = text_of_interactive(function)
    parts = {name: files_digest(*module_file(name)) for name in used if is_followed(name)}
    return _sha256(repr((text, sorted(parts.items()))).encode())[:16]


@cache
def files_digest(module: str, file: Path | None = None) -> str:
    """The sha256 of the files of a module and of all that it imports, in this process computed once.

    Arguments:
        module: its name in full.
        file: where it is; left out: where the name of a module of this package says.
    """
    files = files_of(module, file)
    digests = [(name, _file_digest(path)) for name, path in sorted(files.items())]
    edited = [name for name, path in files.items() if _is_inside(name, PACKAGE) and path.stat().st_mtime > IMPORTED_AT]
    if edited:
        # What runs here may be neither the old source nor the new: no other process is to find these tables.
        digests.append((f"edited while it ran: {', '.join(sorted(edited))}", uuid4().hex))
    return _sha256(repr(digests).encode())


def files_of(module: str, file: Path | None = None) -> dict[str, Path]:
    """The files of a module and of everything that it imports, transitively, by the names of the modules."""
    tree = _Tree.of(module, file)
    files: dict[str, Path] = {}
    waiting = {module}
    while waiting:
        name = waiting.pop()
        path = file if name == module and file is not None else tree.find(name)
        if path is None or name in files or any(_is_inside(name, package) for package in OUTSIDE):
            continue
        files[name] = path
        waiting |= _imported_by(tree, path, name)
    return files


@cache
def _imported_by(tree: _Tree, path: Path, name: str) -> frozenset[str]:
    """The modules that a file takes something from. Analyses share most of their source, so each is looked at once."""
    return frozenset[str]().union(*(tree.modules_of(statement) for statement in imports(path, name)))


@dataclass(frozen=True)
class _Tree:
    """The folders in which modules are looked for: that of this package, and that of a user's modules."""

    beside: Path | None = None
    """The folder in which the user's modules are; None for a module of this package."""
    package: str | None = None
    """The user's package; None where the module belongs to none, and whatever lies beside it may be imported."""

    @classmethod
    def of(cls, module: str, file: Path | None) -> _Tree:
        if file is None or _is_inside(module, PACKAGE):
            return cls()
        depth = module.count(".") + (file.name == "__init__.py")
        folder = file.parents[depth]
        alone = depth == 0 and not is_installed(folder)
        return cls(folder, None if alone else module.partition(".")[0])

    def find(self, module: str) -> Path | None:
        """The file of a module that is followed; None for any other, and for a package without a file of its own."""
        if _is_inside(module, PACKAGE):
            return _file(Path(grokscope.__file__).parents[1], module)
        if self.beside is not None and (self.package is None or _is_inside(module, self.package)):
            return _file(self.beside, module)
        return None

    def modules_of(self, statement: Import) -> set[str]:
        """The modules that what an import statement binds comes from."""
        name = () if statement.name is None else (statement.name,)
        return set[str]().union(*(self._at(statement.module, (*name, *chain)) for chain in statement.chains or ((),)))

    def _at(self, module: str, attributes: tuple[str, ...]) -> set[str]:
        """The module that holds `module.attribute.attribute`, as far as attributes lead through packages."""
        path = self.find(module)
        if not attributes or (path is not None and path.name != "__init__.py"):
            return {module}
        name, rest = attributes[0], attributes[1:]
        if path is not None:
            stub = path.with_suffix(".pyi")
            exports = imports(stub if stub.exists() else path, module)
            for export in exports:
                if export.bound == name and (export.module, export.name) != (module, name):
                    of = () if export.name is None else (export.name,)
                    return self._at(export.module, (*of, *rest))
            if name in _defined(path):
                return {module}
        if self.find(f"{module}.{name}") is not None:
            return self._at(f"{module}.{name}", rest)
        # A package can make a name when it is asked for: then any module in it that defines the name may be meant.
        if path is None or name.startswith("__"):
            return {module}
        below = [file for file in sorted(path.parent.rglob("*.py")) if name in _defined(file)]
        return {self._name(module, path, file) for file in below} or {module}

    @staticmethod
    def _name(package: str, init: Path, file: Path) -> str:
        parts = file.relative_to(init.parent).with_suffix("").parts
        return ".".join((package, *(part for part in parts if part != "__init__")))


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@cache
def _file(folder: Path, module: str) -> Path | None:
    path = folder.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def imports(path: Path, module: str) -> tuple[Import, ...]:
    """Every import statement of a file, wherever in it, but for those of type checkers alone."""
    nodes = list(_executed(ast.parse(path.read_bytes())))
    chains = _chains(nodes)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    statements: list[Import] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                of = chains.get(alias.asname or alias.name.partition(".")[0], ())
                if alias.asname is not None:
                    statements.append(Import(alias.name, None, alias.asname, of))
                    continue
                # `import a.b` binds a, of which a.b and more may be asked.
                top, *below = alias.name.split(".")
                statements.append(Import(alias.name, None, alias.name))
                statements += [Import(top, None, top, (chain,)) for chain in of if list(chain) != below]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                bound = alias.asname or alias.name
                name = None if alias.name == "*" else alias.name
                statements.append(Import(base, name, bound, chains.get(bound, ())))
    return tuple(statements)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module of `from ..x import y` in full."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module, but for those under `if TYPE_CHECKING:`; each before those below it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        below = node.orelse if isinstance(node, ast.If) and _asks_for_types(node.test) else ast.iter_child_nodes(node)
        waiting += reversed(list(below))


def _asks_for_types(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING` or `typing.TYPE_CHECKING`."""
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _chains(nodes: Iterable[ast.AST]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """For each name, the attributes that a module asks of it, each as far as it goes: `b, c` of `a.b.c`.

    Arguments:
        nodes: of the module, each before those below it.
    """
    chains: dict[str, set[tuple[str, ...]]] = {}
    inner: set[ast.AST] = set()
    for node in nodes:
        if not isinstance(node, ast.Attribute) or node in inner:
            continue
        attributes: list[str] = []
        value: ast.AST = node
        while isinstance(value, ast.Attribute):
            inner.add(value)
            attributes.insert(0, value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            chains.setdefault(value.id, set()).add(tuple(attributes))
    return {name: tuple(sorted(of)) for name, of in chains.items()}


@cache
def _defined(path: Path) -> frozenset[str]:
    """The names that a file defines at its top level, other than by importing them."""
    names: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


@cache
def _file_digest(path: Path) -> str:
    return _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
