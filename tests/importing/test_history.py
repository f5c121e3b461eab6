"""An imported network has no history: what lies before its first checkpoint is unknown, and stays so."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from grokscope.analysis import milestones as milestone_table
from grokscope.analysis.timing import outcomes, timing_table
from grokscope.cli.browsing import _grok
from grokscope.config import ConfigError, preset
from grokscope.engine import Engine
from grokscope.importing import import_run
from grokscope.report.findings import findings
from grokscope.report.tables import summary
from grokscope.runs import Milestones, RunError, list_runs, milestones, open_run
from grokscope.tasks import build_task
from grokscope.training import Trainer, branch, resume, train
from tests.importing.shipped import ADD7


@pytest.fixture(scope="module")
def solved():
    """A network that answers 48 of 49 sums modulo 7, which is past both thresholds on any split."""
    changes = {
        "task.name": "add",
        "modulus": 7,
        "form": "x_y_eq",
        "train_indices": tuple(range(48)),
        "residual": "pre_ln",
    }
    config = preset("s5-adamw", **changes, n_layers=2, d_model=8, n_heads=1, d_mlp=8, activation="relu",
                    batch_size=None, lr=1e-2, weight_decay=0.0)  # fmt: skip
    trainer = Trainer(config, build_task(config.task))
    start = {name: value.detach().clone() for name, value in trainer.weights.items()}
    for _ in range(200):
        trainer.update()
    assert trainer.evaluate()["train_accuracy"] == 1.0
    return start, {name: value.detach().clone() for name, value in trainer.weights.items()}


@pytest.fixture
def grokked(solved, tmp_path):
    torch.save(solved[1], tmp_path / "600.pt")
    return import_run(tmp_path / "600.pt", **ADD7, train_indices=tuple(range(20)), out=tmp_path / "run")


def rows(*accuracies):
    return [{"step": 100 + 10 * i, "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies)]


def test_what_was_so_at_the_first_evaluation_has_no_step_where_history_is_unknown():
    found = milestones(rows(*[1.0] * 7), history_known=False)
    assert (found.memorisation_step, found.grok_step, found.sustained_grok_step, found.delay) == (None,) * 4
    assert (found.memorisation_by, found.grok_by, found.sustained_grok_by) == (100, 100, 100)
    assert found.grok_words == "grokked at or before step 100"
    # What was seen to happen is known, whatever came before.
    seen = milestones(rows(0.5, *[1.0] * 7), history_known=False)
    assert (seen.memorisation_step, seen.grok_step, seen.sustained_grok_step) == (110, 110, 110)
    assert seen.unseen == {}
    known = milestones(rows(*[1.0] * 7))
    assert (known.grok_step, known.sustained_grok_step, known.unseen) == (100, 100, {})


def test_a_grok_that_was_lost_again_is_no_later_grok_where_history_is_unknown():
    found = milestones(rows(1.0, 0.5, *[1.0] * 7), history_known=False)
    assert (found.grok_step, found.grok_by) == (None, 100)
    assert (found.sustained_grok_step, found.sustained_grok_by) == (None, 120)
    assert found.sustained_at == milestones(rows(1.0, 0.5, *[1.0] * 7)).sustained_at


def test_when_training_stops_does_not_depend_on_what_is_known():
    one, other = Milestones(), Milestones(history_known=False)
    for row in rows(*[1.0] * 9):
        for each in (one, other):
            each.update(row["step"], row["train_accuracy"], row["val_accuracy"])
        assert one.evaluations_since_sustained == other.evaluations_since_sustained


def test_a_single_checkpoint_has_no_grok_step_anywhere(grokked, tmp_path):
    run = grokked
    assert (run.memorisation_step, run.grok_step, run.sustained_grok_step, run.delay) == (None,) * 4
    assert "grokked at or before step 600" in repr(run)
    (listed,) = list_runs(tmp_path)
    assert (listed["grok_step"], listed["grok_by"], _grok(listed)) == (None, 600, "<=600")
    (row,) = milestone_table(run).to_dict("records")
    assert pd.isna(row["grok_step"])
    assert row["grok_by"] == 600
    table = timing_table(run)
    assert table["grok_step"].isna().all()
    with pytest.raises(ValueError, match="has no grok time: it lies at or before step 600"):
        outcomes(table)
    with pytest.raises(ValueError, match="has no delay time"):
        outcomes(table, "delay")
    cells = summary([run])
    assert cells.rows[0][cells.columns.index("grokked")] == "≤ 600"
    (sentence, *_) = findings([run])
    assert "memorised at or before step 600 and grokked at or before step 600" in sentence


def test_a_grok_between_two_checkpoints_is_known(solved, tmp_path):
    torch.save({0: solved[0], 600: solved[1]}, tmp_path / "all.pt")
    run = import_run(tmp_path / "all.pt", **ADD7, train_indices=tuple(range(20)), out=tmp_path / "run")
    assert (run.memorisation_step, run.grok_step) == (600, 600)
    assert outcomes(timing_table(run))["imported"].time.tolist() == [600.0]
    assert "grok_by" not in timing_table(run)


def test_without_a_split_there_is_no_saying_whether_it_grokked(solved, tmp_path):
    torch.save(solved[1], tmp_path / "600.pt")
    run = import_run(tmp_path / "600.pt", **ADD7, out=tmp_path / "run")
    assert "grok unknown for want of a split" in repr(run)
    assert "cannot be told, for its split is not known" in findings([run])[0]


def test_a_branch_goes_on_from_the_stored_weights_with_fresh_moments(grokked, tmp_path):
    run = grokked
    changes = {"optimizer.name": "adamw", "lr": 1e-3, "weight_decay": 0.0, "batch_size": None, "steps": 604,
               "eval_every": 1, "checkpoints.every": 1}  # fmt: skip
    tuned = branch(run, 600, tmp_path / "tuned", progress=False, **changes)
    assert tuned.steps[0] == 600
    assert tuned.digests[600] == run.digests[600]
    assert tuned.parent == {"run": "run", "step": 600, "sha256": run.digests[600], "moments": "fresh",
                            "split": "given: 20 train indices"}  # fmt: skip
    # By hand: torch's Adam from the stored weights, without memory.
    config = tuned.config
    parameters = {name: torch.nn.Parameter(value) for name, value in run.weights(600).items()
                  if not name.endswith(("mask", "IGNORE", "unembed.b_U"))}  # fmt: skip
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-3, weight_decay=0.0,
                                  betas=config.optimizer.betas)  # fmt: skip
    engine, train_side = Engine(config.model, run.task), torch.arange(20)
    rest = {name: value for name, value in run.weights(600).items() if name not in parameters}
    for _ in range(4):
        optimizer.zero_grad()
        engine.loss({**rest, **parameters}, train_side).backward()
        for name, value in parameters.items():
            if name.endswith("b_K"):
                value.grad.zero_()
        optimizer.step()
    for name, value in parameters.items():
        assert torch.allclose(tuned.weights(604)[name], value.detach(), atol=2e-6), name
    assert tuned.grok_step is None
    assert tuned.milestones.grok_by == 600


def test_a_fine_tuned_run_that_was_interrupted_is_resumed_bit_for_bit(grokked, tmp_path, monkeypatch):
    run = grokked
    changes = {"steps": 608, "eval_every": 1}
    whole = branch(run, 600, tmp_path / "whole", progress=False, **changes)
    taken = Trainer._step

    def until(self, *, record):
        if self.step == 604:
            raise KeyboardInterrupt
        return taken(self, record=record)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until)
        with pytest.raises(KeyboardInterrupt):
            branch(run, 600, tmp_path / "cut", progress=False, **changes)
    assert resume(tmp_path / "cut", progress=False).digests == whole.digests
    # A branch of what was fine-tuned repeats its training from the same weights.
    again = branch(whole, 608, tmp_path / "again", progress=False, steps=609)
    assert again.digests[608] == whole.digests[608]


def test_another_task_with_the_same_vocabulary_is_learned_from_the_stored_weights(grokked, tmp_path):
    run = grokked
    changes = {"task.name": "sub", "steps": 601, "eval_every": 1}
    moved = branch(run, 600, tmp_path / "sub", progress=False, **changes)
    assert moved.task.name == "sub mod 7"
    assert moved.digests[600] == run.digests[600]
    assert moved.config.task.train_indices is None
    assert moved.parent["split"] == "drawn here: train_fraction 0.5, seed 0"
    assert moved.milestones.grok_by is None
    for settings, part in (
        ({"task.modulus": 11}, r"does not have the vocabulary of run: embed\.W_E is \[8, 8\] and would be \[12, 8\]"),
        ({"d_mlp": 64}, r"a branch cannot change model\.d_mlp: it goes on with the network that was imported"),
        ({"steps": 600}, "the branch begins at step 600; use more"),
    ):
        with pytest.raises(ConfigError, match=part):
            branch(run, 600, tmp_path / "no", progress=False, **{"steps": 601, **settings})
    assert not (tmp_path / "no").exists()


def killed(path):
    """Make of a finished import what one leaves that was killed before its last checkpoint."""
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps({**status, "state": "running", "pid": 2**22 + 1}))
    (path / "metrics.parquet").unlink()
    (path / "metrics.jsonl").write_text("")
    (path / "seals.jsonl").write_text((path / "seals.jsonl").read_text().splitlines(keepends=True)[0])


def test_an_import_that_was_killed_is_imported_again_and_not_resumed(solved, tmp_path):
    torch.save(solved[1], tmp_path / "600.pt")
    whole = import_run(tmp_path / "600.pt", **ADD7, out=tmp_path / "run")
    digests = whole.digests
    killed(whole.path)
    assert open_run(whole.path).status == "interrupted"
    with pytest.raises(RunError, match=r"trained elsewhere.*Its import was cut short: import it again"):
        resume(whole.path, progress=False)
    assert open_run(whole.path).status == "interrupted"
    again = import_run(tmp_path / "600.pt", **ADD7, out=tmp_path / "run")
    assert (again.status, again.digests, len(again.metrics)) == ("finished", digests, 1)


def test_only_what_a_killed_import_left_is_replaced(solved, tmp_path):
    torch.save(solved[1], tmp_path / "600.pt")
    config = preset("s5-adamw", **{"task.name": "add", "modulus": 7}, d_model=8, n_heads=2, d_mlp=8, steps=2)
    own = train(config, tmp_path / "own", progress=False)
    killed(own.path)
    before = sorted(path.name for path in own.path.rglob("*"))
    with pytest.raises(RunError, match="is a run already"):
        import_run(tmp_path / "600.pt", **ADD7, out=own.path)
    assert sorted(path.name for path in own.path.rglob("*")) == before
    # And an import that does not get as far as writing leaves the remains alone.
    half = import_run(tmp_path / "600.pt", **ADD7, out=tmp_path / "half")
    killed(half.path)
    with pytest.raises(Exception, match="cannot read"):
        import_run(tmp_path / "nothing.pt", **ADD7, out=half.path)
    assert (half.path / "config.json").exists()
