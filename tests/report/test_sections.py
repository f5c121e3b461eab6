"""A report collects what is declared: two files of a user's own put an analysis with its figure on the page."""

from __future__ import annotations

import importlib
import pkgutil

import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope.analysis.tables import declared
from grokscope.figures import plates as plates_module
from grokscope.figures.plates import plate, plates
from grokscope.report import SECTIONS, build_report, sections
from grokscope.report import build as build_module
from grokscope.report.draw import draw_sections
from grokscope.report.sections import learning
from grokscope.runs import create_run, open_run

ANALYSIS = '''
"""How many weights a run has."""

import pandas as pd

from grokscope.analysis.tables.declared import analysis


@analysis(family="toys", version=1)
def toy_weight_counts(run):
    """The number of weights of every checkpoint."""
    counts = [sum(weight.numel() for weight in run.weights(step).values()) for step in run.steps]
    return pd.DataFrame({"step": run.steps, "weights": counts})
'''
FIGURE = '''
"""The number of weights by step."""

from matplotlib.figure import Figure

import toy_analysis
from grokscope.figures.plates import plate


@plate(section="norms", table="toy_weight_counts", caption="How many weights there are.", place=1.5)
def toy_weight_count(table, milestones):
    figure = Figure()
    figure.subplots().plot(table["step"], table["weights"])
    figure.suptitle(f"{len(milestones)} runs")
    return figure
'''


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """What a test declares is forgotten after it."""
    monkeypatch.setattr(plates_module, "_declared", dict(plates()))
    monkeypatch.setattr(declared, "_declared", dict(declared.analyses()))


def only(monkeypatch, section: str) -> None:
    """Leave the plates of one section, which are drawn in little time."""
    chosen = {name: declared for name, declared in plates().items() if declared.section == section}
    monkeypatch.setattr(plates_module, "_declared", chosen)
    monkeypatch.setattr(build_module, "SECTIONS", [one for one in SECTIONS if one.name == section])


def test_two_files_elsewhere_put_an_analysis_and_its_figure_into_a_section(runs, tmp_path, monkeypatch):
    only(monkeypatch, "norms")
    for name, text in (("toy_analysis", ANALYSIS), ("toy_figure", FIGURE)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("toy_figure")
    page = build_report("toys", runs, tmp_path / "report")
    text = page.read_text()
    places = [
        text.index(caption) for caption in ("L2 norm of all weights", "How many weights", "Mean norm of the rows")
    ]
    assert places == sorted(places)
    assert text.index('<section id="norms">') < places[0]
    drawn = pd.read_csv(page.parent / "figures" / "toy_weight_count.csv")
    sizes = {run.name: sum(weight.numel() for weight in run.weights(0).values()) for run in runs}
    assert dict(zip(drawn["run"], drawn["weights"], strict=True)) == sizes
    assert list(drawn.columns) == ["run", "task", "arm", "seed", "step", "weights"]
    assert (page.parent / "figures" / "toy_weight_count.pdf").read_bytes().startswith(b"%PDF")


def test_a_plate_of_a_section_that_does_not_exist_is_refused_naming_those_that_do(runs, tmp_path):
    @plate(section="norm", table="norm_trajectories", caption="C")
    def lost(table: pd.DataFrame) -> Figure:
        return Figure()

    known = "signal, learning, norms, dynamics, circuit, cosets"
    with pytest.raises(ValueError, match=rf"plate 'lost' names section = 'norm', which does not exist.*{known}"):
        build_report("x", runs, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_plate_of_an_analysis_that_no_run_has_is_not_drawn(runs, monkeypatch):
    only(monkeypatch, "learning")

    @plate(section="learning", table="delay_table", runs="all", caption="C")
    def of_clamped_runs(table: pd.DataFrame) -> Figure:
        raise AssertionError("none of the runs is clamped")

    (section,) = draw_sections(runs, [learning.SECTION])
    assert [drawn.name for drawn in section.plates] == ["learning_curves"]


def test_every_section_of_the_package_is_in_the_list_and_has_plates():
    modules = {module.name for module in pkgutil.iter_modules(sections.__path__)}
    assert {section.name for section in SECTIONS} == modules
    assert {declared.section for declared in plates().values()} == modules


def test_runs_without_anything_to_show_have_no_section(write_run, tmp_path):
    with create_run(tmp_path / "empty", write_run().config):
        pass
    assert draw_sections([open_run(tmp_path / "empty")], SECTIONS) == []
