"""What a table is computed with: an edit there makes it anew, and an edit anywhere else does not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from grokscope.analysis.tables.source import files_of, imports
from tests import forked

PACKAGE = Path(__file__).parents[3] / "grokscope"
RUN = """
import sys
from grokscope.analysis.{home} import {name} as analysis
from grokscope.runs import open_run
run = open_run(sys.argv[1])
print("kept" if analysis.kept(run) is not None else "not kept")
if sys.argv[2:] == ["make"]:
    analysis(run)
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, to be edited."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(PACKAGE, folder / "grokscope", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / "grokscope" / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old, text.count(old))
    path.write_text(text.replace(old, new))


def files(module: str, file: Path | None = None) -> set[str]:
    return set(files_of(module, file))


def test_a_table_is_made_again_after_an_edit_two_imports_away_and_after_no_other(write_run, copied: Path) -> None:
    run = write_run()
    code = RUN.format(home="circuit.keys", name="keys")

    def analyse(*how: str) -> str:
        environment = {"PYTHONPATH": str(copied), "PATH": "", "OMP_NUM_THREADS": "1"}
        done = forked.run([sys.executable, "-c", code, str(run.path), *how], env=environment, cwd=copied)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert analyse("make") == "not kept"
    (copied / "grokscope" / "figures" / "style.py").open("a").write("\nEDITED = 1\n")
    (copied / "grokscope" / "groups" / "subgroups.py").open("a").write("\nEDITED = 1\n")  # groups, but not FiniteGroup
    (copied / "grokscope" / "analysis" / "circuit" / "neurons.py").open("a").write("\nEDITED = 1\n")
    assert analyse() == "kept"
    # keys imports checkpoint, which imports null.
    edit(copied, "analysis/checkpoint/null.py", "DRAWS = 200", "DRAWS = 201")
    assert analyse("make") == "not kept"
    # And through a name that a lazy package gives: checkpoint imports Engine from grokscope.engine.
    edit(copied, "engine/layers.py", "EPS = 1e-5", "EPS = 2e-5")
    assert analyse() == "not kept"


def test_reexports_lead_to_the_module_that_holds_the_name() -> None:
    keys = files("grokscope.analysis.circuit.keys")
    assert {"grokscope.analysis.checkpoint.null", "grokscope.groups.finite", "grokscope.engine.layers"} <= keys
    # Of packages that are lazy, and of one whose names stand in __init__.py.
    assert not {"grokscope.groups.subgroups", "grokscope.groups.subgroup_names", "grokscope.engine.memory"} & keys
    assert not {name for name in keys if name.startswith(("grokscope.figures", "grokscope.report", "grokscope.probes"))}
    ranks = files("grokscope.analysis.dynamics.ranks")
    assert "grokscope.probes.complexity" in ranks
    assert "grokscope.probes.sgld" not in ranks


def test_what_the_restricted_loss_is_computed_with_has_the_head_of_the_engine() -> None:
    assert "grokscope.engine.head" in files("grokscope.analysis.circuit.restricted")


def written(folder: Path, modules: dict[str, str]) -> dict[str, Path]:
    """Files with the given text, by name of the module; `a.__init__` for a package."""
    paths = {}
    for name, text in modules.items():
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        paths[name] = path
    return paths


def test_a_users_module_counts_with_those_beside_it_and_what_it_takes_from_the_package(tmp_path: Path) -> None:
    text = """
import numpy
import helper
import grokscope as gs
from grokscope import analysis, figures
from grokscope.analysis import keys as key_table
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import typed

def mine(run):
    from late import later
    return gs.analysis.ranks(run), analysis.phase(run), figures.ablation
"""
    others = {"helper": "import further", "further": "", "late": "", "typed": "", "unused": ""}
    modules = written(tmp_path, {"mine": text, **others})
    found = files("mine", modules["mine"])
    assert {name for name in found if "." not in name} - {"grokscope"} == {"mine", "helper", "further", "late"}
    for name in ("circuit.keys", "dynamics.ranks", "dynamics.phase", "dynamics.norm_trajectories"):
        assert f"grokscope.analysis.{name}" in found, name
    assert not {"grokscope.analysis.circuit.neurons", "grokscope.analysis.timing.tuned"} & found
    assert not {name for name in found if name.startswith(("numpy", "grokscope.figures"))}


def test_a_module_in_a_users_package_counts_with_those_of_that_package(tmp_path: Path) -> None:
    modules = written(
        tmp_path,
        {
            "mine.__init__": "from .inner import exported, other",
            "mine.inner": "exported = 1\nfrom mine.more import other",
            "mine.more": "other = 2",
            "mine.sub.__init__": "",
            "mine.sub.start": "from .. import exported\nfrom ..more import other\nimport beside",
            "mine.unused": "",
            "beside": "",
        },
    )
    found = files("mine.sub.start", modules["mine.sub.start"])
    assert found == {"mine.sub.start", "mine.inner", "mine.more"}


def test_imports_are_read_wherever_they_stand_but_for_those_of_type_checkers(tmp_path: Path) -> None:
    text = """
import typing
if typing.TYPE_CHECKING:
    import a
else:
    import b
class C:
    from c import d as e
"""
    (module,) = written(tmp_path, {"module": text}).values()
    assert {(found.module, found.name, found.bound) for found in imports(module, "module")} == {
        ("typing", None, "typing"), ("b", None, "b"), ("c", "d", "e"),
    }  # fmt: skip


NOTEBOOK = """
import sys
import pandas as pd
from grokscope.analysis import cached
from grokscope.runs import open_run
FACTOR = {factor}
UNUSED = {unused}
def times(step):
    return FACTOR * step
@cached(version=1)
def scaled(run):
    return pd.DataFrame({{"value": [times(step) for step in run.steps]}})
run = open_run(sys.argv[1])
print(scaled.kept(run) is not None)
scaled(run)
"""


def test_what_was_typed_counts_with_the_functions_and_constants_that_it_uses(write_run) -> None:
    run = write_run()

    def kept(factor: int, unused: int) -> str:
        code = NOTEBOOK.format(factor=factor, unused=unused)
        done = forked.run([sys.executable, "-c", code, str(run.path)], env=os.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert kept(2, 0) == "False"
    assert kept(2, 1) == "True"
    assert kept(3, 1) == "False"


CHANGED_IN_A_NOTEBOOK = """
import sys
import pandas as pd
from grokscope.analysis import analysis, cached
from grokscope.runs import open_run

run, FACTOR = open_run(sys.argv[1]), 2

@cached(version=1)
def scaled(run):
    return pd.DataFrame({"value": [FACTOR * len(run.steps)]})

@analysis(family="mine")
def first(run):
    return pd.DataFrame({"value": [FACTOR * len(run.steps)]})

@analysis(family="mine", needs=("first",))
def second(run):
    return first(run)[["value"]]

def show():
    print(*(table(run)["value"].iloc[0] / len(run.steps) for table in (scaled, first, second)))

show()
FACTOR = 3
show()

@analysis(family="mine")
def first(run):
    return pd.DataFrame({"value": [5 * len(run.steps)]})

show()
"""


def test_what_a_cell_changes_counts_in_the_tables_that_earlier_cells_declared(write_run) -> None:
    code = [sys.executable, "-c", CHANGED_IN_A_NOTEBOOK, str(write_run().path)]
    done = forked.run(code, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2.0 2.0 2.0", "3.0 3.0 3.0", "3.0 5.0 5.0"]
