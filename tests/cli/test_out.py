"""A place that results cannot be written to is refused before anything is computed, trained or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import grokscope.analysis.checkpoint.over_checkpoints as passes
import grokscope.training.loop as loop
from grokscope.cli.demo import ARMS, run_demo
from grokscope.disk import DiskError
from grokscope.runs import RunError
from grokscope.training import branch


def nothing_starts(*_: object, **__: object) -> None:
    raise AssertionError("something was computed")


@pytest.fixture
def run(grokscope, tiny, tmp_path, monkeypatch) -> Path:
    """A run, after which nothing is trained, analysed or started any more."""
    assert grokscope("train", "mul-lion-clip", *tiny, "--checkpoints.every", "10", "--out", "run").code == 0
    (tmp_path / "file").touch()
    (tmp_path / "page/index.html").mkdir(parents=True)
    monkeypatch.setattr(passes, "_compute", nothing_starts)
    monkeypatch.setattr(loop.Trainer, "__init__", nothing_starts)
    monkeypatch.setattr("subprocess.Popen", nothing_starts)
    return tmp_path / "run"


SWEEP = "seeds = [0]\npreset = 'mul-lion-clip'\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("report one run --out file/report", "cannot write to file/report: file is not a directory"),
        ("report one run --out file", "cannot write to file: file is not a directory"),
        ("report one run --out page", "cannot write page/index.html: it is a directory"),
        ("scrub run --out page", "cannot write page: it is a directory"),
        ("scrub run --out file/page.html", "cannot write to file: file is not a directory"),
        ("analyze run --out file/tables", "cannot write to file/tables: file is not a directory"),
        ("analyze run other --out file/tables", "cannot write to file/tables: file is not a directory"),
        ("experiment presets --out file", "cannot write to file: file is not a directory"),
        ("experiment published-tables --out page", "cannot write page/index.html: it is a directory"),
        ("experiment why-clipping --out page", "cannot write page/index.html: it is a directory"),
        ("experiment presets --runs file", "cannot write to file: file is not a directory"),
        ("sweep sweep.toml --out file", "cannot write to file: file is not a directory"),
        ("branch run --step 10 --arm b --out file/b", "cannot write to file/b: file is not a directory"),
        ("import x.pt --task mul --out file/x", "cannot write to file/x: file is not a directory"),
    ],
)
def test_a_place_that_takes_no_results_is_told_before_work_begins(grokscope, run, tmp_path, words, message):
    (tmp_path / "sweep.toml").write_text(SWEEP)
    before = sorted(tmp_path.rglob("*"))
    done = grokscope(*words.split())
    assert (done.code, done.err) == (2, f"grokscope: error: {message}\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_demo_whose_report_cannot_be_written_trains_nothing(run, tmp_path):
    with pytest.raises(DiskError, match="file is not a directory"):
        run_demo(ARMS, tmp_path / "checkpoints", tmp_path / "file")
    assert not (tmp_path / "checkpoints").exists()


def test_a_branch_of_a_path_that_is_not_accepted_does_not_train_its_parent_first(run):
    with pytest.raises(RunError, match=r"without '\.\.'"):
        branch(run, 10, run / "../other/../b", progress=False, arm="b")


def test_results_go_to_where_a_link_leads(grokscope, tiny, tmp_path):
    assert grokscope("train", "mul-lion-clip", *tiny, "--checkpoints.every", "10", "--out", "run").code == 0
    (tmp_path / "elsewhere").mkdir()
    os.symlink("elsewhere", tmp_path / "link")
    assert grokscope("analyze", "run", "--only", "ranks", "--out", "link").code == 0
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["run-ranks.csv"]
