"""Runs that were written before the package was rearranged open, verify, analyse and resume.

`data/finished` and `data/interrupted` are two run directories as they were written then, and `data/finished.json` is
what was read from the first of them at that time. Numbers that are computed here are compared with those of then to
rounding: another machine adds in another order. Bits are compared between files of one machine alone.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import torch

import grokscope as gs
from grokscope.analysis import run_all
from grokscope.cli import main
from grokscope.config import from_dict
from grokscope.runs.state import read_state
from grokscope.training import Trainer, resume, train

DATA = Path(__file__).parent / "data"
THEN = json.loads((DATA / "finished.json").read_text())
RESUMED_AT = 10

# What the two runs are of, written out: nothing of it is read from their files.
SHARED = {"modulus": 5, "n_heads": 1, "n_layers": 1, "train_fraction": 0.85, "lr": 0.01, "arm": "old-format"}
OWN = {
    "finished": {
        "steps": 300, "d_model": 12, "d_mlp": 16, "batch_size": 17, "every": 100, "eval_every": 10,
        "record_every": None, "seed": 0,
    },
    "interrupted": {
        "steps": 30, "d_model": 8, "d_mlp": 8, "batch_size": 8, "every": 5, "eval_every": 5,
        "record_every": 50, "seed": 2,
    },
}  # fmt: skip
CONFIGS = {name: gs.preset("mul-lion-clip", **SHARED, **own) for name, own in OWN.items()}


@pytest.fixture
def old(tmp_path):
    """A copy of an old run, which may be written to."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(DATA / name, tmp_path / name))

    return copy


def digests(path: Path) -> dict[int, str]:
    """The digest of every checkpoint file, from the files themselves."""
    files = sorted((path / "checkpoints").iterdir())
    return {int(file.stem.removeprefix("step_")): sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_old_config_is_the_config_that_it_was_made_of(name):
    written = json.loads((DATA / name / "config.json").read_text())["config"]
    # Every setting was written then, those that the chosen method does not read among them.
    assert {"betas", "momentum", "rho"} <= written["optimizer"].keys()
    assert {"max_norm", "cap", "clamp_norm"} <= written["norms"].keys()
    made_of = dataclasses.replace(CONFIGS[name], forward="engine")  # what the default was then
    assert from_dict(written, recorded=True) == made_of == gs.open_run(DATA / name).config


@pytest.mark.parametrize("name", CONFIGS)
def test_every_file_of_an_old_run_can_be_read_and_its_checkpoints_are_as_written(name, old, capsys):
    assert main(["verify", str(old(name))]) == 0
    assert "none bad" in capsys.readouterr().out
    verdicts = {finding.file: finding.verdict for finding in gs.verify_run(DATA / name)}
    assert set(verdicts.values()) == {"ok", "unsealed"}
    assert {verdict for file, verdict in verdicts.items() if file.endswith(".safetensors")} == {"ok"}


def test_an_old_finished_run_tells_what_it_told_then():
    run = gs.open_run(DATA / "finished")
    assert run.status == "finished"
    assert run.steps == [0, 100, 200, 300]
    assert {str(step): digest for step, digest in run.digests.items()} == THEN["digests"]
    assert run.digests == digests(DATA / "finished")
    assert {name: getattr(run, name) for name in THEN["milestones"]} == THEN["milestones"]
    assert run.memorisation_step is not None
    then = pd.DataFrame(THEN["metrics"])
    pd.testing.assert_frame_equal(run.metrics[list(then)], then, check_exact=True)


def test_the_last_weights_of_an_old_run_answer_as_they_did_then():
    run = gs.open_run(DATA / "finished")
    with torch.no_grad():
        logits = run.model(300)(run.task.tokens)[:, -1]
    right = (logits.argmax(1) == run.task.labels).double()
    train_examples, val_examples = run.task.split(0.85, 0)
    assert float(right[train_examples].mean()) == pytest.approx(THEN["metrics"]["train_accuracy"][-1])
    assert float(right[val_examples].mean()) == pytest.approx(THEN["metrics"]["val_accuracy"][-1])


def test_all_analyses_of_an_old_run_are_made_and_those_kept_then_come_out_equal(old):
    path = old("finished")
    kept = {file.parent.name.rpartition(".")[2]: pd.read_parquet(file) for file in path.glob("analysis/*/*.parquet")}
    assert set(kept) == {"spectra", "restricted_loss"}
    tables = run_all(gs.open_run(path))
    assert {"norm_trajectories", "neurons", *kept} <= set(tables)
    for name, then in kept.items():
        now = tables[name][list(then)]
        if name == "restricted_loss":  # sets that have been added since
            now = now[now["set"].isin(then["set"].unique())].reset_index(drop=True)
        if name == "spectra":
            # Rounding differs from machine to machine: a part that carries no more of the variance is made of it.
            carries = then["of_variance"] > 1e-6
            now, then = now[carries], then[carries]
        pd.testing.assert_frame_equal(now, then, rtol=1e-4, atol=1e-5, check_dtype=False)


def test_an_old_interrupted_run_is_resumed_to_its_end(old):
    path = old("interrupted")
    before = {file.name: file.read_bytes() for file in (path / "checkpoints").iterdir()}
    assert gs.open_run(path).status == "interrupted"
    run = resume(path, progress=False)
    assert (run.status, run.final_step) == ("finished", 30)
    assert run.steps == list(range(0, 31, 5))
    assert run.metrics["step"].tolist() == run.steps
    assert {name: (path / "checkpoints" / name).read_bytes() for name in before} == before
    assert set(before) == {f"step_{step:08d}.safetensors" for step in (0, 5, RESUMED_AT)}
    assert {finding.verdict for finding in gs.verify_run(path)} == {"ok"}
    assert set(run.probes["step"]) == {0, 1}
    lines = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (DATA / "interrupted", path)]
    assert lines[1][:3] == lines[0]


def test_a_resume_goes_on_from_the_state_that_was_saved_then(old):
    """The steps after it are taken here by hand, on the same machine, so that every bit is the same."""
    config, path = CONFIGS["interrupted"], old("interrupted")
    state = read_state(path)
    assert state is not None
    trainer = Trainer(config, gs.build_task(config.task))
    trainer.restore(*state)
    assert trainer.step == RESUMED_AT
    while trainer.step < config.training.steps:
        trainer.update()
    last = resume(path, progress=False).weights(30)
    assert all(torch.equal(trainer.weights[name].detach(), value) for name, value in last.items())


def test_where_this_machine_rounds_as_the_one_of_then_a_resumed_run_is_a_run_made_in_one_go(old, tmp_path):
    whole = train(CONFIGS["interrupted"], tmp_path / "whole", progress=False)
    resumed = resume(old("interrupted"), progress=False)
    rounds_alike = whole.digests[RESUMED_AT] == resumed.digests[RESUMED_AT]
    compared = whole.steps if rounds_alike else ()
    assert {step: whole.digests[step] for step in compared} == {step: resumed.digests[step] for step in compared}
    for name, value in whole.weights(0).items():
        torch.testing.assert_close(value, resumed.weights(0)[name], rtol=1e-5, atol=1e-6)


def test_the_data_is_small_and_names_no_machine():
    files = [file for file in DATA.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 160_000
    assert all(json.loads((DATA / name / "status.json").read_text())["host"] == "elsewhere" for name in CONFIGS)
