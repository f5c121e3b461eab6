"""Tasks of one's own from the shell and in Python: by formula, by labels, as a Task; through every command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import grokscope as gs
from grokscope.runs import verify_run
from grokscope.sweeps import Job, load_sweep
from grokscope.tasks import Task
from grokscope.training import train

MAX = [[max(a, b) for b in range(7)] for a in range(7)]
SMALL = {
    "training.steps": 20,
    "training.eval_every": 5,
    "training.batch_size": 8,
    "model.n_layers": 1,
    "model.d_model": 16,
    "model.d_mlp": 16,
    "model.n_heads": 2,
    "checkpoints.schedule": "every",
    "checkpoints.every": 5,
}


@pytest.fixture
def small():
    return gs.override(gs.preset("mul-lion-clip"), SMALL)


def largest() -> Task:
    """The larger of two numbers below 7, as a user would write it."""
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    return Task("the larger", pairs, pairs.max(1).values, tuple("abcdefg"), n_answers=7, operand_positions=(0, 1))


class Interrupt:
    """A `Progress` that ends the process at a step, as a user would."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, step: int) -> None:
        if step == self.at:
            raise KeyboardInterrupt

    def evaluation(self, metrics: dict[str, float]) -> None:
        pass

    def end(self) -> None:
        pass


def test_an_expression_trains_from_the_shell_and_says_what_it_leaves_out(grokscope, tiny):
    result = grokscope("train", "mul-lion-clip", "--task", "expression", "--expression", "x/y - 1", *tiny)
    assert result.code == 0
    assert "note: x / y - 1 mod 13: y = 0 left out, where a divisor has no inverse" in result.err
    (path,) = Path("checkpoints").iterdir()
    run = gs.open_run(path)
    assert run.config.task.expression == "x / y - 1"
    assert run.task.n_examples == 13 * 12
    assert path.name.startswith("xovery-1-")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--task", "expression"], "task.name = 'expression' needs a formula"),
        (["--task", "expression", "--expression", "x + z"], "character 5: 'z' is not known"),
        (["--expression", "x + y"], "task.expression is given, but task.name = 'mul': use task.name = expression"),
        (["--task", "expression", "--expression", "x / 2", "--modulus", "0"], "task.modulus = 0"),
        (["--task", "expression", "--expression", "x / 0"], "has a value at 0 pairs"),
        (["--task", "table", "--labels", "none.csv"], "cannot read 'none.csv': No such file"),
        (["--task", "table"], "task.name = 'table' needs labels"),
        (["--task", "given"], "task.name = 'given' needs a Task"),
        (["--task", "div", "--modulus", "12"], "add, sub and task.name = expression take any modulus"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line_and_leaves_nothing(grokscope, words, told):
    result = grokscope("train", "mul-lion-clip", *words)
    assert result.code == 2
    assert told in result.err
    assert result.err.count("\n") == 1
    assert not Path("checkpoints").exists()


def test_labels_of_a_file_train_analyse_and_verify_without_the_file(grokscope, tiny):
    Path("max.csv").write_text("\n".join(",".join(map(str, row)) for row in MAX))
    result = grokscope("train", "mul-lion-clip", "--task", "table", "--labels", "max.csv", *tiny, "--out", "run")
    assert result.code == 0
    assert "note: task.labels: max.csv is CSV: labels of 7 x 7 pairs" in result.err
    Path("max.csv").unlink()
    shutil.move("run", "elsewhere")
    run = gs.open_run("elsewhere")
    assert run.task.labels.tolist() == [label for row in MAX for label in row]
    assert run.task.group is None
    assert grokscope("verify", "elsewhere").code == 0
    result = grokscope("analyze", "elsewhere", "--only", "fourier")
    assert result.code == 2
    assert "has no group" in result.err
    assert "--basis additive" in result.err
    result = grokscope("analyze", "elsewhere", "--only", "spectra", "keys", "neurons", "--basis", "additive")
    assert result.code == 0
    assert [line.split("\t")[1] for line in result.out.splitlines()[1:4]] == ["spectra", "keys", "neurons"]
    result = grokscope("analyze", "elsewhere", "--only", "restricted_loss", "--basis", "multiplicative")
    assert result.code == 2
    assert "does not apply in a basis by choice (multiplicative)" in result.err
    assert grokscope("analyze", "elsewhere", "--only", "margins", "ranks").code == 0


def test_a_named_table_is_a_group_whose_names_are_kept(grokscope, tiny):
    names = np.array(list("eabc"))  # Klein's four-group
    frame = pd.DataFrame(names[np.arange(4)[:, None] ^ np.arange(4)], index=names, columns=names)
    frame.to_csv("v4.csv")
    result = grokscope("train", "mul-lion-clip", "--task", "group", "--table", "v4.csv", *tiny, "--out", "run")
    assert result.code == 0
    assert "v4.csv is CSV, with a header and row names: a table of 4 elements" in result.err
    task = gs.open_run("run").task
    assert task.token_names[:4] == ("e", "a", "b", "c")
    assert task.group is not None
    assert (task.group.name, task.group.labels) == ("Z2 x Z2", ("e", "a", "b", "c"))


@pytest.mark.parametrize("kind", ["expression", "table", "given"])
def test_a_run_resumes_to_the_same_bits_and_branches_without_the_code_that_made_it(grokscope, small, kind):
    changes = {
        "expression": {"task.name": "expression", "task.expression": "x^2 + x*y", "task.modulus": 7},
        "table": {"task.name": "table", "task.labels": MAX},
        "given": {"task": largest()},
    }[kind]
    whole = train(small, "whole", progress=False, **changes)
    with pytest.raises(KeyboardInterrupt):
        train(small, "cut", progress=Interrupt(12), **changes)
    result = grokscope("resume", "cut")
    assert result.code == 0
    assert gs.open_run("cut").digests == whole.digests
    result = grokscope("branch", "whole", "--step", "10", "--max-norm", "1", "--out", "branch", "--steps", "15")
    assert (result.code, result.err.count("error")) == (0, 0)
    branch = gs.open_run("branch")
    assert torch.equal(branch.task.labels, whole.task.labels)
    assert branch.digests[10] == whole.digests[10]
    assert [finding for finding in verify_run("branch") if finding.verdict != "ok"] == []
    assert Path("whole/task.safetensors").exists() == (kind != "expression")


def test_a_damaged_an_exchanged_and_a_missing_task_file_are_refused_by_name(grokscope, small):
    train(small, "one", progress=False, task=largest())
    train(small, "other", progress=False, **{"task.name": "table", "task.labels": MAX})
    file, whole = Path("one/task.safetensors"), Path("one/task.safetensors").read_bytes()
    for content, why in (
        (bytes([*whole[:-1], whole[-1] ^ 1]), "one/task.safetensors has changed"),
        (Path("other/task.safetensors").read_bytes(), "one/task.safetensors is"),
        (whole[:-5], "one/task.safetensors is truncated"),
        (None, "one/task.safetensors is missing"),
    ):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(gs.RunError, match=why):
            gs.open_run("one")
        for command in ("resume", "analyze", "verify"):
            result = grokscope(command, "one")
            assert result.code != 0
            assert why in result.out + result.err
    file.write_bytes(whole)
    assert grokscope("verify", "one").code == 0


def test_a_reference_in_the_config_that_points_nowhere_is_refused(grokscope, small):
    train(small, "one", progress=False, task=largest())
    record = json.loads(Path("one/config.json").read_text())
    del record["sealed"]  # a run that somebody made by hand
    Path("one/seals.jsonl").unlink()
    for value in ("../../etc/passwd", "sha256:0", 3, ["a"]):
        record["config"]["task"]["given"] = value
        Path("one/config.json").write_text(json.dumps(record))
        with pytest.raises(gs.RunError, match=r"task\.given must be the digest and size of task\.safetensors"):
            gs.open_run("one")


def test_a_killed_creation_leaves_room_for_the_run(small, tmp_path):
    config = gs.with_task(small, largest())
    (tmp_path / "task.safetensors").write_bytes(b"half of it")
    assert torch.equal(train(config, tmp_path, progress=False).task.labels, largest().labels)


def test_a_job_of_a_sweep_takes_its_task_along_as_json(small):
    config = gs.with_task(small, largest())
    job = Job(config, "run")
    order = json.loads(json.dumps(job.order()))
    assert gs.config.from_dict(order["config"]) == config
    assert Job(config).name.startswith("given-")


def test_a_sweep_file_takes_expressions_and_files_of_labels(tmp_path, monkeypatch):
    (tmp_path / "max.csv").write_text("\n".join(",".join(map(str, row)) for row in MAX))
    (tmp_path / "min.csv").write_text("\n".join(",".join(str(6 - v) for v in row) for row in MAX))
    file = tmp_path / "sweep.toml"
    file.write_text('seeds = [0]\n[settings]\ntask.name = "table"\n[grid]\n"task.labels" = ["max.csv", "min.csv"]\n')
    jobs = load_sweep(file).jobs
    assert [job.config.arm for job in jobs] == ["custom-labels-max", "custom-labels-min"]
    assert gs.build_task(jobs[0].config.task).labels.tolist() == [label for row in MAX for label in row]
    assert jobs[0].name != jobs[1].name
    file.write_text('seeds = [0]\n[settings]\ntask.name = "expression"\n[grid]\nexpression = ["x+y", "x y"]\n')
    with pytest.raises(gs.ConfigError, match=r"\[grid\] expression: task\.expression = 'x y', character 3"):
        load_sweep(file)


def test_a_report_is_read_in_the_basis_that_is_named(grokscope, small, monkeypatch):
    train(small, "run", progress=False, **{"task.name": "square_sub", "task.modulus": 7})
    seen = []
    monkeypatch.setattr("grokscope.report.build_report", lambda name, runs, out: seen.extend(runs) or "page")
    assert grokscope("report", "page", "run", "--basis", "multiplicative").code == 0
    assert grokscope("report", "page", "run").code == 0
    assert [run.basis for run in seen] == ["multiplicative", None]
    assert grokscope("report", "page", "run", "--basis", "fourier").code == 2
