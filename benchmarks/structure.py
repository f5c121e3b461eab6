"""How the package is built, in numbers: modules, rooms and arrows, and how many files a thing is declared in.

    python benchmarks/structure.py [CHECKOUT]

Works on any checkout with nothing but Python, so that two of them can be compared. Nothing of the checkout is imported.

A room is a Python file or a folder of Python files directly in a package, other than its `__init__`. An arrow is a pair
of rooms of which the first imports the second, at any depth in either. The files of a thing are those that have its
name as a word, in code, in text or in a table of contents: its own, which is called like it or defines it, and the
others, of which those that only use it would be there without its declaration. Tests, notebooks and published reports
are not counted.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

DOCUMENTS = ("grokscope", "docs", "README.md", "reports/README.md")
EXPERIMENTS = ("grokscope/experiments", "grokscope/cli")
THINGS: dict[str, tuple[str, Sequence[str]]] = {
    "analysis": ("restricted_loss", DOCUMENTS),
    "figure": ("circuit_losses", DOCUMENTS),
    "optimizer": ("signsgd", DOCUMENTS),
    "gradient transform": ("orthograd", DOCUMENTS),
    "norm control": ("frobenius", DOCUMENTS),
    "family of arms": ("spheres", EXPERIMENTS),  # elsewhere a word like any other
}
"""An example of each kind of thing that is added to the package: its name, and where that names nothing else."""

SUFFIXES = (".py", ".pyi", ".md", ".toml")


def modules(package: Path) -> list[Path]:
    """The Python files of a package, at any depth."""
    return sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)


def rooms(package: Path) -> list[str]:
    """What is seen on opening a package: its modules and subpackages."""
    files = [path.stem for path in package.glob("*.py") if path.stem != "__init__"]
    return sorted(files + [path.name for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))])


def imported(path: Path, root: Path) -> Iterator[str]:
    """The full names that a module imports, or imports from: `a.b.c` for `from a.b import c`."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def arrows(package: Path, root: Path) -> set[tuple[str, str]]:
    """Pairs of rooms of a package below `root` of which the first imports the second."""
    prefix = (*package.relative_to(root).parts,)
    names, pairs = set(rooms(package)), set()
    for path in modules(package):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        for name in imported(path, root):
            parts = tuple(name.split("."))
            if parts[: len(prefix)] == prefix and len(parts) > len(prefix) and {own, parts[len(prefix)]} <= names:
                pairs.add((own, parts[len(prefix)]))
    return {(first, second) for first, second in pairs if first != second}


def files_of(word: str, places: Sequence[str], root: Path) -> tuple[list[Path], list[Path]]:
    """The files that have a word: those of the thing that it names, and the others."""
    named = re.compile(rf"\b{re.escape(word)}\b")
    defined = re.compile(rf"^(def|class) {re.escape(word)}\b", re.MULTILINE)
    own, others = [], []
    for place in (root / place for place in places):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".py" and (path.stem == word or defined.search(text)):
                own.append(path.relative_to(root))
            elif named.search(text):
                others.append(path.relative_to(root))
    return own, others


def main(words: Sequence[str]) -> int:
    """Print the numbers of the checkout that is named; left out: of this one."""
    root = Path(words[0]) if words else Path(__file__).parents[1]
    package = root / "grokscope"
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules(package)]
    print(f"modules {len(lines)}, mean lines {sum(lines) / len(lines):.0f}")
    for name in ("analysis", "figures"):
        print(f"{name}: rooms {len(rooms(package / name))}, arrows {len(arrows(package / name, root))}")
    for kind, (word, places) in THINGS.items():
        own, others = files_of(word, places, root)
        print(f"{kind} {word}: {len(own)} of its own, {len(others)} others")
        for path in own:
            print(f"    {path} (own)")
        for path in others:
            print(f"    {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
