"""The sdist and the wheel of this tree, built as an installer builds them, with the setuptools that is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FILES = (
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md", "SECURITY.md",
    "constraints.txt", "pyproject.toml",
)  # fmt: skip
"""What is built from, beside the package. What else lies in the root of a clone must not get into a distribution."""


class Distributions(NamedTuple):
    sdist: Path
    wheel: Path


def build(folder: Path) -> Distributions:
    """Build the sdist from a copy of the tree, and the wheel from nothing but the sdist."""
    tree = copied_tree(folder / "tree")
    for name in ("tests", "benchmarks"):
        (tree / name).mkdir()
        (tree / name / "__init__.py").touch()
    sdist = folder / _hook("build_sdist", tree, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Distributions(sdist, folder / _hook("build_wheel", unpacked, folder))


def copied_tree(tree: Path) -> Path:
    """A copy of what is built from."""
    shutil.copytree(ROOT / "grokscope", tree / "grokscope", ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tree)
    return tree


def _hook(name: str, tree: Path, out: Path) -> str:
    """Call a hook of the build backend; returns the name of the file that it made."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.{name}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
