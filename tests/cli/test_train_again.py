"""`grokscope train` where a run is there already, and what a run that diverges makes of the exit code."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from grokscope.runs import open_run, reopen_run

WILD = ["--optimizer.name=sgd", "--lr=1e15", "--norms.init-rows=none", "--norms.max-norm=none"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def again(grokscope, tiny):
    """`grokscope train` of one tiny run, into `run`, with more words."""
    return lambda *words: grokscope("train", "mul-lion-clip", *tiny, "--out", "run", *words)


def test_a_finished_run_of_the_same_settings_is_said_to_be_done(again, tmp_path):
    first = again()
    before = contents(tmp_path / "run")
    second = again()
    assert (second.code, second.err) == (0, "")
    said, *told = second.out.splitlines()
    assert said == "run was trained with these settings: nothing is left to do"
    assert told == first.out.splitlines()
    assert contents(tmp_path / "run") == before


def test_a_run_of_other_settings_is_told_setting_by_setting_and_left_alone(again, tmp_path):
    assert again().code == 0
    before = contents(tmp_path / "run")
    refused = again("--seed", "1", "--weight-decay", "0.5")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "run holds a run of other settings (seed = 0 there, 1 here; optimizer.weight_decay = " in refused.err
    assert ", 0.5 here): move it away, or choose another directory" in refused.err
    assert contents(tmp_path / "run") == before


def test_an_unfinished_run_of_the_same_settings_is_left_to_resume(again, grokscope, tmp_path):
    assert again().code == 0
    run = open_run(tmp_path / "run")
    with reopen_run(run.path) as writer:
        held = again()
        writer.finish("interrupted")
    before = contents(tmp_path / "run")
    cut = again()
    assert (held.code, cut.code) == (2, 2)
    assert held.err.endswith("run is being trained with these settings by another process: wait for it\n")
    assert cut.err.endswith("run has these settings and is interrupted: continue it with: grokscope resume run\n")
    assert contents(tmp_path / "run") == before
    assert grokscope("resume", "run").code == 0
    assert open_run(tmp_path / "run").digests == run.digests


def test_the_command_that_goes_on_with_a_run_works_as_it_stands_whatever_the_path(grokscope, tiny):
    path = "two  spaces 'n quotes"
    assert grokscope("train", "mul-lion-clip", *tiny, "--out", path).code == 0
    reopen_run(path).finish("interrupted")
    cut = grokscope("train", "mul-lion-clip", *tiny, "--out", path)
    program, *words = shlex.split(cut.err.partition("continue it with: ")[2])
    assert (program, words) == ("grokscope", ["resume", path])
    done = grokscope(*words)
    assert done.code == 0
    assert shlex.split(done.next) == ["grokscope", "report", "mine", path]
    assert f"\n{path}\t" in grokscope("runs", ".").out


def test_a_run_that_diverges_is_told_and_makes_the_exit_code_3(again, grokscope, tmp_path):
    done = again(*WILD)
    assert done.code == 3
    reason = open_run(tmp_path / "run").reason
    assert reason
    assert done.err.splitlines()[-1] == f"grokscope: error: run has diverged: {reason}"
    assert done.out.splitlines()[-1] == "run"
    for once_more in (grokscope("resume", "run"), again(*WILD)):
        assert once_more.code == 3
        assert once_more.err == f"grokscope: error: run has diverged: {reason}\n"


def test_a_branch_that_diverges_makes_the_exit_code_3(again, grokscope, tmp_path):
    assert again("--optimizer.name=sgd", "--lr=0.1", "--checkpoints.every=5").code == 0
    done = grokscope("branch", "run", "--step", "10", "--out", "wild", "--lr", "1e15", "--max-norm", "none")
    assert done.code == 3
    assert open_run(tmp_path / "wild").status == "diverged"
    assert f"wild has diverged: {open_run(tmp_path / 'wild').reason}" in done.err


@pytest.mark.usefixtures("light_workers")
def test_a_diverged_run_of_a_sweep_is_a_result_and_no_failure(grokscope, tmp_path):
    (tmp_path / "wild.toml").write_text(
        'seeds = [0]\n[settings]\ntask = { name = "mul", modulus = 7 }\n'
        "model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }\n"
        "training = { steps = 20, batch_size = 6 }\n"
        '[arms.wild]\nlr = 1e15\noptimizer.name = "sgd"\n'
    )
    done = grokscope("sweep", "wild.toml")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "checkpoints/wild: 1 of 1 runs done, 1 diverged"
