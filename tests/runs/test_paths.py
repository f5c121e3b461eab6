"""Run names, run paths, and the table of runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import RunConfig, TaskConfig, preset, presets
from grokscope.runs import RunError, create_run, list_runs, open_run, reopen_run, run_name, verify_run
from grokscope.runs.layout import check_new_path


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (preset("mul-lion-clip"), "mul-lion-clip-seed0"),
        (preset("s5-lion", seed=3), "s5-lion-seed3"),
        (preset("mul-8layer-lion-clip"), "mul-8layer-lion-clip-seed0"),
        (preset("nanda-add-p113"), "add-p113-nanda-seed0"),
        (preset("mixed-adamw"), "mixed-adamw-seed0"),
        (RunConfig(task=TaskConfig(name="mixed", operations=("add", "mul"))), "add+mul-custom-seed0"),
        (RunConfig(task=TaskConfig(name="parity", bits=12, parity_bits=4)), "parity4of12-custom-seed0"),
        (RunConfig(arm="../../etc/lr=1e-3 ü\0"), "mul-etc-lr-1e-3-seed0"),
        (RunConfig(arm="///"), "mul-custom-seed0"),
    ],
)
def test_run_names(config, name):
    assert run_name(config) == name


@given(st.text(min_size=1), st.integers(0, 2**31 - 1))
def test_every_run_name_is_an_accepted_file_name(arm, seed):
    name = run_name(RunConfig(arm=arm, seed=seed))
    assert check_new_path(name).name == name
    assert len(name) < 200
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


def test_presets_have_different_run_names():
    names = [run_name(one.config) for one in presets().values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../run", r"without '\.\.'"),
        ("a/../run", r"without '\.\.'"),
        ("..", r"without '\.\.'"),
        ("-run", "starts with '-'"),
        ("a/--out", "starts with '-'"),
        ("run\0", "holds a NUL"),
        ("a\0b/run", "holds a NUL"),
        ("run\nname", "control character"),
        ("run\x7f", "control character"),
        ("", "is empty"),
        (".", "names no new directory"),
        ("/", "names no new directory"),
        ("x" * 256, "256 bytes; use at most 255"),
        ("ü" * 128, "256 bytes; use at most 255"),
        ("\ud800", "cannot be encoded"),
        (b"run", "use a str"),
        ("/".join(["x" * 200] * 30), "cannot make run directory .*File name too long"),
    ],
)
def test_a_path_that_is_not_accepted_is_an_error_before_anything_is_made(tmp_path, monkeypatch, config, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=message):
        create_run(path, config)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("use", [open_run, reopen_run, verify_run, list_runs])
@pytest.mark.parametrize("path", ["", "run\0", "x" * 300, "nothing-here"])
def test_readers_answer_a_path_that_holds_nothing_with_a_run_error(tmp_path, monkeypatch, use, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError):
        use(path)


def test_a_missing_run_names_its_siblings(trained):
    with pytest.raises(RunError, match=r"there is no run at .*mul-lion-clip-seed4; nearest: .*mul-lion-clip-seed3"):
        open_run(trained.parent / "mul-lion-clip-seed4")


def test_list_runs_has_a_row_per_run_however_deep_and_whatever_its_state(trained, config, weights_at):
    top = trained.parent
    create_run(top / "sweep" / "b", replace(config, arm="lion", seed=1)).finish("diverged", "loss is nan")
    with create_run(top / "sweep" / "a", config) as writer:
        for step in range(7):
            writer.log({"step": step, "train_accuracy": 1.0, "val_accuracy": 1.0})
        writer.checkpoint(7, weights_at(7))
        writer.finish("finished")
    (top / "no-run").mkdir()
    create_run(top / "broken", config).finish("finished")
    (top / "broken" / "manifest.jsonl").unlink()
    rows = list_runs(top)
    table = pd.DataFrame(rows).set_index("run")
    assert list(table.index) == ["broken", "mul-lion-clip-seed3", "sweep/a", "sweep/b"]
    assert list(table.status) == ["unreadable", "finished", "finished", "diverged"]
    assert "manifest.jsonl is missing" in table.problem["broken"]
    assert rows[2] == {
        "run": "sweep/a", "path": str(top / "sweep" / "a"), "task": "mul-p5", "arm": "lion-clip", "seed": 3,
        "steps": 7, "checkpoints": 1, "status": "finished", "memorisation_step": 0, "grok_step": 0,
        "grok_by": None, "problem": None,
    }  # fmt: skip


def imported(code: str, *names: str) -> str:
    """Which of the packages are imported after the code."""
    code = f"import sys; {code}; print(sorted({set(names)} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_that_is_elsewhere_is_listed_under_its_link(trained, tmp_path):
    listed, elsewhere = tmp_path / "listed", tmp_path / "elsewhere/deep"
    listed.mkdir()
    shutil.copytree(trained, elsewhere / "one")
    shutil.copytree(trained, elsewhere / "two")
    (listed / "a-link").symlink_to(elsewhere / "one")
    (listed / "b-folder").symlink_to(elsewhere)  # `one` is in it too, and listed once
    (listed / "gone").symlink_to("nowhere")
    rows = list_runs(listed)
    assert [(row["run"], row["status"]) for row in rows] == [("a-link", "finished"), ("b-folder/two", "finished")]
    assert [open_run(row["path"]).steps for row in rows] == [open_run(trained).steps] * 2


def test_a_run_and_a_link_to_it_are_one_run_and_links_in_a_circle_come_to_an_end(trained):
    top = trained.parent
    (top / "a-latest").symlink_to(trained.name)
    (trained / "up").symlink_to(top)
    (top / "itself").symlink_to("itself")
    (top / "here").symlink_to(".")
    for one, other in (("p", "q"), ("q", "p")):
        (top / one).mkdir()
        (top / one / other).symlink_to(top / other)
    assert [row["run"] for row in list_runs(top)] == [trained.name]
    assert [row["run"] for row in list_runs(top / "p/q")] == []
    assert [row["run"] for row in list_runs(top / "a-latest")] == ["."]


def test_importing_runs_does_not_import_what_is_slow():
    code = "from grokscope.runs import *"
    assert imported(code, "torch", "transformer_lens", "pandas", "pyarrow", "scipy") == "['torch']"


def test_listing_closed_runs_does_not_import_torch(trained):
    code = f"from grokscope.runs import list_runs; assert list_runs({str(trained.parent)!r})"
    assert imported(code, "torch", "numpy") == "[]"
