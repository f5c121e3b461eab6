"""A figure declares its plate beside it: what it draws, its caption, its section; and stays a plain function."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope import figures
from grokscope.figures import plates as plates_module
from grokscope.figures.plates import plate, plates

RUNS = pd.DataFrame({"run": ["a", "a", "b"], "kind": ["x", "y", "y"], "value": [1.0, 2.0, 3.0]})
MILESTONES = pd.DataFrame({"run": ["a", "b"]})


class Named:
    """As much of a run as a plate needs."""

    def __init__(self, name: str) -> None:
        self.name = name


A, B = Named("a"), Named("b")


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    """What a test declares is forgotten after it."""
    monkeypatch.setattr(plates_module, "_declared", dict(plates()))


def test_a_declared_figure_is_the_function_that_it_was():
    def twice(table: pd.DataFrame) -> Figure:
        return Figure()

    assert plate(section="norms", table="phase", caption="C")(twice) is twice
    assert isinstance(twice(RUNS), Figure)


def test_what_is_drawn_is_chosen_by_values_or_by_a_function_and_told_by_a_caption_of_it():
    seen = []

    @plate(section="norms", table="phase", of={"kind": "y"}, caption=lambda table: f"{len(table)} rows")
    def chosen(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
        seen.append((table["value"].tolist(), milestones))
        return Figure()

    (drawn,) = plates()["chosen"].draw(RUNS, MILESTONES, [A, B])
    assert (drawn.name, drawn.caption, drawn.table["value"].tolist()) == ("chosen", "2 rows", [2.0, 3.0])
    assert seen == [([2.0, 3.0], MILESTONES)]

    @plate(section="norms", table="phase", of=lambda table: table.iloc[:0], caption="C")
    def nothing(table: pd.DataFrame) -> Figure:
        raise AssertionError("there is nothing to draw")

    assert plates()["nothing"].draw(RUNS, MILESTONES, [A, B]) == []


def test_a_plate_by_run_is_drawn_of_each_run_that_has_something_and_numbered():
    def largest(table: pd.DataFrame, run: Named) -> pd.DataFrame:
        return table.loc[table["value"] >= 2.0].assign(seen=run.name)

    @plate(name="one", section="norms", table="phase", of=largest, by_run=True, caption=lambda t: t["run"].iloc[0])
    def of_one_run(table: pd.DataFrame, run: Named) -> Figure:
        assert table["seen"].tolist() == [run.name]
        return Figure()

    drawn = plates()["one"].draw(RUNS, MILESTONES, [A, Named("c"), B])
    assert [(one.name, one.caption) for one in drawn] == [("one_1", "a"), ("one_2", "b")]
    assert [one.name for one in plates()["one"].draw(RUNS, MILESTONES, [B])] == ["one"]


def test_a_figure_that_would_be_taller_than_two_screens_is_drawn_in_halves_runs_together():
    @plate(section="norms", table="phase", caption=lambda table: f"{len(table)} rows")
    def stacked(table: pd.DataFrame) -> Figure:
        return Figure(figsize=(4, 2 * len(table)))

    layers = pd.DataFrame({"run": ["a"] * 8 + ["b"] * 8, "layer": [*range(8)] * 2})
    drawn = plates()["stacked"].draw(layers, MILESTONES, [A, B])
    assert [each.name for each in drawn] == ["stacked_1", "stacked_2"]  # 16 rows of 2 inches are too tall, 8 are not
    assert [each.table["layer"].unique().tolist() for each in drawn] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert all(each.table["run"].unique().tolist() == ["a", "b"] for each in drawn)
    assert all(each.caption == "8 rows" and each.figure.get_figheight() == 16 for each in drawn)

    (as_it_is,) = plates()["stacked"].draw(layers.assign(layer=0, run="a"), MILESTONES, [A])
    assert as_it_is.figure.get_figheight() == 32  # nothing tells its rows apart

    drawn = plates()["stacked"].draw(layers.assign(layer=0), MILESTONES, [A, B])
    assert [each.table["run"].unique().tolist() for each in drawn] == [["a"], ["b"]]


def test_plates_stand_by_their_place_and_those_without_one_last():
    @plate(section="norms", table="phase", caption="C")
    def last(table: pd.DataFrame) -> Figure:
        return Figure()

    @plate(section="norms", table="phase", caption="C", place=1.5)
    def between(table: pd.DataFrame) -> Figure:
        return Figure()

    of_norms = [name for name, declared in plates().items() if declared.section == "norms"]
    assert of_norms == ["weight_norms", "between", "row_norms", "last"]


def test_a_second_plate_of_one_name_is_refused_and_a_module_that_is_read_again_replaces_its_own():
    def ablation(table: pd.DataFrame) -> Figure:
        return Figure()

    with pytest.raises(
        ValueError, match=r"plate 'ablation' is declared by .*circuit\.ablation\.ablation and by .*test"
    ):
        plate(section="norms", table="phase", caption="C")(ablation)
    plate(section="norms", table="phase", caption="first", name="mine")(ablation)
    plate(section="norms", table="phase", caption="second", name="mine")(ablation)
    assert plates()["mine"].caption(RUNS) == "second"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"runs": "some"}, "runs = 'some' is not accepted: use 'one of each arm' or 'all'"),
        ({"table": ()}, "name the analysis"),
        ({"name": "a/b"}, "figure name 'a/b' is not accepted"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_refused_where_it_stands(given, message):
    with pytest.raises(ValueError, match=message):
        plate(**{"section": "norms", "table": "phase", "caption": "C", **given})(lambda table: Figure())
    assert "a/b" not in plates()


def test_a_mixed_task_is_said_to_share_its_controls_and_no_other_task_is():
    caption = plates()["neuron_clusters"].caption
    of_one = pd.DataFrame({"run": "a", "basis": ["own", "own", "wrong"], "group": ["Z5", "Z5", "units mod 5"]})
    assert "mixed task" not in caption(of_one)
    assert "mixed task" in caption(pd.concat([of_one, of_one.assign(run="b", group=["Z5", "units mod 5", "Z5"])]))


def test_every_figure_can_be_had_by_its_name_and_has_nothing_to_do_with_reports():
    root = Path(figures.__path__[0])
    made = set()
    for module in pkgutil.walk_packages(figures.__path__, "grokscope.figures."):
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            if function.__module__ == module.name and not name.startswith("_") and module.name.count(".") == 3:
                made |= {name} if function.__annotations__.get("return") in ("Figure", Figure) else set()
    assert made == {name for name in figures.__all__ if name[:1].islower()} - {"plate", "save"}
    assert all(getattr(figures, name).__name__ == name for name in made)
    for path in root.rglob("*.py"):
        imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert not [node.module for node in imported if str(node.module).startswith("grokscope.report")], path


def test_a_figure_of_no_rows_is_not_drawn():
    empty = RUNS.iloc[:0].assign(step=np.array([], dtype=int))
    for name in ("branches", "irrep_blocks", "coset_counts"):
        assert plates()[name].draw(empty, MILESTONES, [A, B]) == []
