"""A run whose folder cannot be written to is analysed all the same, and the screen says that nothing is kept there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import grokscope.analysis.tables.cache as cache
from grokscope.analysis import run_all
from grokscope.experiments.experiment import Experiment, Outcome, experiments
from grokscope.report import draw
from grokscope.runs import open_run


@pytest.fixture
def run(grokscope, tiny) -> Path:
    assert grokscope("train", "mul-lion-clip", *tiny, "--checkpoints.every", "10", "--out", "run").code == 0
    return Path("run").absolute()


@pytest.fixture
def read_only(monkeypatch) -> str:
    """As if runs lay on a file system that is mounted for reading; what is said of that."""

    def refuse(path: Path, _: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(cache, "write_atomic", refuse)
    return os.strerror(errno.EROFS)


def note(run: str, why: str) -> str:
    sentence = f"tables of {run} are not kept, and made anew each time: cannot write to {run}/analysis: {why}"
    return f"grokscope: note: {sentence}\n"


def test_analyze_says_so_once_and_writes_its_tables(grokscope, run, read_only):
    done = grokscope("analyze", "run", "--only", "ranks", "spectra", "--out", "tables")
    assert done.code == 0
    assert done.err.count("not kept") == 1
    assert done.err.endswith(note("run", read_only))
    assert done.out.splitlines()[-1] == "run: not kept, written to tables"
    assert sorted(file.name for file in Path("tables").iterdir()) == ["run-ranks.csv", "run-spectra.csv"]


def test_a_report_says_so_once_and_is_written(grokscope, run, read_only, monkeypatch):
    known = draw.plates()  # two of them are enough
    shown = {name: known[name] for name in ("learning_curves", "effective_ranks")}
    monkeypatch.setattr(draw, "plates", lambda: shown)
    done = grokscope("report", "one", "run")
    assert (done.code, done.out) == (0, "reports/one/index.html\n")
    assert done.err == note("run", read_only)
    assert Path("reports/one/figures/effective_ranks.png").exists()


def test_an_experiment_says_so_once_and_has_its_results(grokscope, run, read_only, monkeypatch):
    def start(request: object) -> Outcome:
        tables = run_all(open_run("run"), ["ranks", "spectra"])
        return Outcome.of_table(tables["ranks"].iloc[:1], ())

    experiments()  # all are imported, and declared, before the list of them is another
    declared = [Experiment("own", "What is in a run?", tuple, start)]
    monkeypatch.setattr("grokscope.experiments.experiment._declared", declared)
    done = grokscope("experiment", "own")
    assert done.code == 0
    assert done.err == note("run", read_only)
    assert "lion-clip" in done.out


@pytest.mark.usefixtures("light_workers")
def test_of_several_runs_those_are_named_whose_tables_are_not_kept(grokscope, tiny, run):
    assert grokscope("train", "mul-lion-clip", *tiny, "--seed", "1", "--out", "other").code == 0
    Path("run/analysis").write_text("a file where the folder should be")
    done = grokscope("analyze", "run", "other", "--only", "ranks", "--out", "tables", "--workers", "1")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("2 of 2 runs analysed: tables are kept in the folder analysis of 1 of ")
    assert done.err == note("run", os.strerror(errno.ENOTDIR)).replace(" run/", f" {Path.cwd()}/run/")
    assert sorted(file.name for file in Path("tables").iterdir()) == ["other-ranks.csv", "run-ranks.csv"]
    assert len(list(Path("other/analysis").rglob("*.parquet"))) == 1
