"""A loss or gradient that is not finite ends a run before the update, and loses nothing."""

from __future__ import annotations

import pytest
import torch

from grokscope.model import is_buffer
from grokscope.runs import verify_run
from grokscope.tasks import build_task
from grokscope.training import Diverged, Trainer, resume


def _finite(weights) -> bool:
    return all(bool(value.isfinite().all()) for name, value in weights.items() if not is_buffer(name))


HUGE = {
    "lion": {"optimizer.name": "lion", "lr": 1e15},
    "sgd": {"optimizer.name": "sgd", "lr": 1e15},
    "no-ln": {"optimizer.name": "sgd", "lr": 1e10, "normalization": "none", "batch_size": None},
    "signsgd": {"optimizer.name": "signsgd", "lr": 1e15},
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_learning_rate_ends_a_run_as_diverged_with_finite_checkpoints(trained, name):
    run = trained(**HUGE[name], **{"checkpoints.every": 1, "warmup_steps": 0})
    assert run.status == "diverged"
    assert "step" in run.reason
    assert 0 < run.final_step < 20
    assert all(_finite(run.weights(step)) for step in run.steps)
    assert not any(finding.is_bad for finding in verify_run(run.path))
    assert resume(run.path, progress=False).digests == run.digests


@pytest.mark.parametrize("forward", ["engine", "hooked"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_leaves_weights_and_optimizer_as_they_were(config, bad, forward):
    settings = config(forward=forward, **{"optimizer.name": "adam", "normalization": "none"})
    trainer = Trainer(settings, build_task(settings.task))
    for _ in range(4):
        trainer.update()
    with torch.no_grad():
        trainer.weights["embed.W_E"][:, 0] = bad
    before = {name: value.detach().clone() for name, value in trainer.weights.items()}
    moments = {n: v.clone() for n, v in trainer.state()[0].items() if n.startswith("optimizer.")}
    with pytest.raises(Diverged, match="loss of step 5"):
        trainer.update()
    assert trainer.step == 4
    assert all(torch.equal(value, before[n]) or n == "embed.W_E" for n, value in trainer.weights.items())
    after = trainer.state()[0]
    assert moments
    assert all(torch.equal(after[name], value) for name, value in moments.items())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_gradient_that_is_not_finite_stops_before_the_update(config, monkeypatch, bad):
    settings = config()
    trainer = Trainer(settings, build_task(settings.task))
    gradient_of = trainer._gradient

    def spoiled(examples, spread):
        value, logits, vector = gradient_of(examples, spread)
        vector[17] = bad
        return value, logits, vector

    monkeypatch.setattr(trainer, "_gradient", spoiled)
    before = trainer.parameters.vector.detach().clone()
    with pytest.raises(Diverged, match="gradient of step 1 is not finite"):
        trainer.update()
    assert torch.equal(trainer.parameters.vector.detach(), before)


def test_a_large_gradient_whose_sum_overflows_is_finite(config, monkeypatch):
    settings = config(**{"optimizer.name": "signsgd"})
    trainer = Trainer(settings, build_task(settings.task))
    gradient_of = trainer._gradient

    def large(examples, spread):
        value, logits, vector = gradient_of(examples, spread)
        return value, logits, vector.fill_(3e38)

    monkeypatch.setattr(trainer, "_gradient", large)
    trainer.update()
    assert trainer.step == 1


@pytest.mark.parametrize("at", [0, 5, 8])
def test_a_diverged_run_ends_in_a_checkpoint_of_the_weights_before_the_update(trained, monkeypatch, at):
    plain = trained("plain", **{"checkpoints.every": 1})
    taken = Trainer._step

    def diverge(self, *, record):
        if self.step == at:
            raise Diverged(f"the loss of step {at + 1} is nan")
        return taken(self, record=record)

    monkeypatch.setattr(Trainer, "_step", diverge)
    run = trained("diverged")
    assert run.status == "diverged"
    assert run.reason == f"the loss of step {at + 1} is nan"
    assert run.steps == [step for step in (0, 4, 8, 12, 16) if step < at] + [at]
    assert all(run.digests[step] == plain.digests[step] for step in run.steps)
    assert (run.path / "metrics.parquet").exists()
