"""What the package imports is declared, and what is declared is imported."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = ("lens", "ray", "tensorboard", "wandb")
"""Extras that the package itself imports, where they are asked for."""


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")


@cache
def imported() -> dict[str, set[Path]]:
    """The modules outside Python and grokscope that the package imports anywhere, with the files that do."""
    found: dict[str, set[Path]] = {}
    for path in sorted((ROOT / "grokscope").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                # torch imports tensorboard for it.
                top = "tensorboard" if name.startswith("torch.utils.tensorboard") else name.partition(".")[0]
                if top != "grokscope" and top not in sys.stdlib_module_names:
                    found.setdefault(top, set()).add(path)
    return found


def of_distributions() -> set[str]:
    """The distributions that the imported modules come from."""
    known = packages_distributions()
    return {canonical(known[module][0]) for module in imported()}


def declared(requirements: list[str]) -> set[str]:
    return {canonical(Requirement(one).name) for one in requirements}


def test_every_import_is_declared_and_every_base_dependency_is_imported():
    extras = {name for extra in OPTIONAL for name in declared(PROJECT["optional-dependencies"][extra])}
    found = of_distributions()
    assert found - extras == declared(PROJECT["dependencies"])
    assert extras <= found


def test_what_is_imported_of_an_extra_is_imported_in_a_function_or_for_type_checkers():
    late = {"transformer_lens", "ray", "tensorboard", "wandb"}
    alone = {ROOT / "grokscope/model" / name for name in ("blocks.py", "bridge.py")}  # imported by build.py, late
    paths = {path for module in late for path in imported()[module]} - alone
    assert paths
    for path in paths:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not late & {name.partition(".")[0] for name in names}, path


def test_the_extras_that_the_package_imports_are_part_of_dev():
    (own,) = [r for r in map(Requirement, PROJECT["optional-dependencies"]["dev"]) if r.name == PROJECT["name"]]
    assert own.extras == {*OPTIONAL, "docs"}  # whose tools make the site, and nothing imports
