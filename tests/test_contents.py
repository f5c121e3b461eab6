"""A package whose docstring lists its modules lists every one of them, once, and nothing else.

A line of such a list starts with the name of a module or subpackage (or several, with commas), two or more spaces, and
what it is about; a long line of names may have that on the next line. A package that speaks of its files in another way
has no such line, and is left alone.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in (ROOT / "grokscope").rglob("__init__.py"))
LINE = re.compile(r"^([a-z_0-9]+(?:, [a-z_0-9]+)*)(?:  +|\n {4,})\S", re.MULTILINE)


def listed(package: Path) -> list[str]:
    """The names that the docstring of a package lists, in its order."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    return [name for match in LINE.finditer(text) for name in match[1].split(", ")]


def modules(package: Path) -> list[str]:
    """The public modules and subpackages of a package."""
    files = [path.stem for path in package.glob("*.py")]
    folders = [path.name for path in package.iterdir() if (path / "__init__.py").exists()]
    return sorted(name for name in files + folders if not name.startswith("_"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_list_of_modules_names_every_module_once_and_nothing_else(package):
    names = listed(package)
    assert not names or sorted(names) == modules(package)


def test_a_list_is_read_as_it_is_written(tmp_path):
    lines = [
        "first         the first",
        "second",
        "              the second",
        "last, least   the",
        "              others",
    ]
    text = "\n".join(["Things.", "", *lines, "", "    code  not a module"])
    (tmp_path / "__init__.py").write_text(f'"""{text}\n"""\n')
    assert listed(tmp_path) == ["first", "second", "last", "least"]
    for name in ("first", "second", "least", "_private"):
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "last").mkdir()
    (tmp_path / "last/__init__.py").touch()
    assert modules(tmp_path) == ["first", "last", "least", "second"]


def test_there_are_packages_with_a_list():
    assert sum(bool(listed(package)) for package in PACKAGES) >= 10
