"""The switches of a run do to training what they say, and recording does nothing to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, OptimizerConfig, ProbeConfig
from grokscope.norms import row_angles
from grokscope.runs import RunError, open_run, verify_run
from grokscope.tasks import build_task
from grokscope.training import Recorder, Trainer, branch, resume, train


def _trainer(config, **settings) -> Trainer:
    made = config(**settings)
    return Trainer(made, build_task(made.task))


@pytest.mark.parametrize("optimizer", ["adam", "lion", "sgd"])
def test_rows_of_a_group_turn_by_the_angle_that_is_asked_for(config, optimizer):
    trainer = _trainer(config, **{"optimizer.name": optimizer, "angular_step": (("mlp", 2e-3), ("attention", 5e-4))})
    trainer.update()
    before = {n: w.detach().clone() for n, w in trainer.weights.items()}
    trainer.update()
    for leaf, angle in (("mlp", 2e-3), ("attn.W_", 5e-4)):
        names = [n for n in trainer.parameters.names if f".{leaf}" in n and ".W_" in n]
        turned = torch.cat([row_angles(n, before[n], trainer.weights[n]) for n in names])
        # Scaling a straight step scales its angle but for a second order: rows that turned by 0.1 and moved outwards.
        assert float(turned.mean()) == pytest.approx(angle, rel=1e-2)


def test_a_temperature_is_a_network_whose_unembedding_is_smaller(config):
    """Adam's first step does not see the loss's scale; the loss does: it is that of logits divided by tau."""
    plain, hot = _trainer(config), _trainer(config, temperature=10.0)
    examples = plain.batches.next()
    with torch.no_grad():
        logits = plain.engine.answer_logits(plain.weights, examples)
    expected = torch.nn.functional.cross_entropy(logits / 10, plain.engine.labels[examples])
    assert hot.update() == pytest.approx(float(expected), rel=1e-5)
    assert hot.evaluate()["train_loss"] != plain.evaluate()["train_loss"]


def test_recording_changes_no_bit_of_training(config, tmp_path):
    runs = [
        train(config(record_every=every, max_norm=0.5), tmp_path / f"{every}", progress=False) for every in (None, 1, 7)
    ]
    assert runs[0].digests == runs[1].digests == runs[2].digests
    assert runs[0].probes.empty
    assert sorted(set(runs[2].probes["step"])) == [0, *range(1, runs[2].config.training.steps + 1, 7)]
    assert not (runs[0].path / "probes.jsonl").exists()


def test_a_recorded_step_is_the_step_that_was_taken(config):
    trainer = _trainer(config, **{"optimizer.name": "adamw", "weight_decay": 0.3, "max_norm": 0.5})
    for _ in range(3):
        trainer.update()
    before = {n: trainer.weights[n].detach().clone() for n in trainer.parameters.names}
    record = trainer.recorded_update()
    rows = Recorder(trainer).rows(record)
    table = {(row["group"], row["parameter"]): row for row in rows}
    for name in trainer.parameters.names:
        assert torch.equal(record.before[name], before[name])
        assert torch.equal(record.after[name], trainer.weights[name])
        moved = (trainer.weights[name] - before[name]).detach().double()
        found = next(row for (_, parameter), row in table.items() if parameter == name)
        assert found["total"] == pytest.approx(float(moved.norm()), rel=1e-6, abs=1e-12)
        assert found["gradient_l1"] == pytest.approx(float(record.gradient[name].abs().double().sum()))
    whole = table["all", ""]
    vector = np.concatenate([trainer.weights[n].detach().double().numpy().ravel() for n in trainer.parameters.names])
    assert whole["norm"] == pytest.approx(np.linalg.norm(vector))
    # Warm-up is over or not: the decay is lr * weight_decay of that step.
    norm_before = np.linalg.norm(np.concatenate([w.double().numpy().ravel() for w in before.values()]))
    (shrinkage,) = set(record.shrinkage.values())
    assert whole["decay"] == pytest.approx(shrinkage * norm_before)
    assert shrinkage > 0
    assert whole["clip"] > 0
    assert {"logit_std", "margin", "hidden_norm"} <= set(whole)


def test_a_run_that_is_resumed_has_recorded_every_step_once(config, tmp_path, monkeypatch):
    whole = train(config(record_every=2), tmp_path / "whole", progress=False)
    taken = Trainer._step

    def until(self, *, record):
        if self.step == 9:
            raise KeyboardInterrupt
        return taken(self, record=record)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until)
        with pytest.raises(KeyboardInterrupt):
            train(config(record_every=2), tmp_path / "cut", progress=False)
    cut = resume(tmp_path / "cut", progress=False)
    assert cut.digests == whole.digests
    assert cut.probes.equals(whole.probes)
    assert not any(finding.is_bad for finding in verify_run(cut.path))


def test_a_branch_with_nothing_changed_is_its_parent(config, tmp_path):
    parent = train(config(max_norm=0.5, init_rows="all"), tmp_path / "parent", progress=False)
    step = parent.steps[len(parent.steps) // 2]
    same = branch(parent, step, tmp_path / "same", progress=False)
    assert same.parent == {"run": "parent", "step": step, "sha256": parent.digests[step]}
    assert parent.parent is None
    assert same.steps[0] == step
    assert all(parent.digests[s] == same.digests[s] for s in same.steps if s in parent.digests)
    after = parent.metrics[parent.metrics["step"] >= step].drop(columns="seconds").reset_index(drop=True)
    assert same.metrics.drop(columns="seconds").equals(after)


def test_a_branch_without_the_clip_leaves_the_ball_and_keeps_its_batches(config, tmp_path):
    parent = train(config(max_norm=0.5, init_rows="all"), tmp_path / "parent", progress=False)
    step = parent.steps[1]
    free = branch(parent, step, tmp_path / "free", progress=False, max_norm=None, arm="free")
    assert free.config.arm == "free"
    assert free.digests[step] == parent.digests[step]
    assert free.digests[free.steps[-1]] != parent.digests[parent.steps[-1]]
    # By hand: the parent's training up to the step, and then without the clip.
    trainer = Trainer(parent.config, build_task(parent.config.task))
    while trainer.step < step:
        trainer.update()
    trainer.control(free.config)
    while trainer.step < free.steps[-1]:
        trainer.update()
    last = free.weights(-1)
    assert all(torch.equal(trainer.weights[n].detach(), last[n]) for n in last)


def test_a_branch_that_is_interrupted_is_resumed(config, tmp_path, monkeypatch):
    parent = train(config(), tmp_path / "parent", progress=False)
    step = parent.steps[1]
    whole = branch(parent, step, tmp_path / "whole", progress=False, lr=1e-4)
    taken = Trainer._step

    def until(self, *, record):
        if self.config.optimizer.lr == 1e-4 and self.step == step + 3:
            raise KeyboardInterrupt
        return taken(self, record=record)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until)
        with pytest.raises(KeyboardInterrupt):
            branch(parent, step, tmp_path / "cut", progress=False, lr=1e-4)
    cut = resume(tmp_path / "cut", progress=False)
    assert cut.digests == whole.digests
    assert open_run(tmp_path / "cut").parent == whole.parent


def test_a_branch_that_cannot_be_is_refused_before_anything_is_written(config, tmp_path):
    parent = train(config(), tmp_path / "parent", progress=False)
    last = parent.steps[-1]
    for changes, message in (
        ({"seed": 5}, "a branch cannot change seed"),
        ({"n_layers": 2}, "a branch cannot change model.n_layers"),
        ({"optimizer.name": "sgd"}, "a branch cannot change optimizer.name"),
        ({"steps": 1}, "training.steps = 1 is not accepted: the branch begins at step"),
    ):
        with pytest.raises(ConfigError, match=message):
            branch(parent, parent.steps[1], tmp_path / "new", progress=False, **changes)
    with pytest.raises(RunError, match="has no checkpoint at step"):
        branch(parent, last + 1, tmp_path / "new", progress=False)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(RunError, match="is not empty"):
        branch(parent, parent.steps[1], tmp_path / "taken", progress=False)
    assert not (tmp_path / "new").exists()


def test_a_parent_that_cannot_be_repeated_is_refused(config, tmp_path, monkeypatch):
    parent = train(config(), tmp_path / "parent", progress=False)
    taken = Trainer._step

    def other(self, *, record):
        found = taken(self, record=record)
        self.parameters.vector.data[0] += 1e-3
        return found

    monkeypatch.setattr(Trainer, "_step", other)
    with pytest.raises(RunError, match="does not give the weights of its checkpoint"):
        branch(parent, parent.steps[1], tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("value", [(("mlp", -1.0),), (("nothing", 1.0),), "mlp", (("mlp",),)])
def test_an_angular_step_that_makes_no_sense_is_refused(value):
    with pytest.raises(ConfigError, match=r"optimizer\.angular_step"):
        OptimizerConfig(angular_step=value)


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_a_cadence_of_recording_that_makes_no_sense_is_refused(value):
    with pytest.raises(ConfigError, match=r"probes\.record_every"):
        ProbeConfig(record_every=value)
