"""Networks that differ from the published ones: each trains alike on every path, and is stored as it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from grokscope.config import ConfigError, ForwardPath, RunConfig, forward, forward_path, override
from grokscope.tasks import build_task
from grokscope.training import MarginRecorder, Trainer, resume, train
from grokscope.training.progress import progress_bar

NETWORKS = {
    "attention only": {"attention_only": True, "n_layers": 2},
    "d_head": {"d_head": 3, "optimizer.name": "muon", "heads": "per_head"},
    "tied": {"tied": True, "scope": ("embed", "decoder"), "unembed_bias": True},
    "tied, joined": {"tied": True, "optimizer.name": "muon", "normalization": "none", "biases": False, "n_layers": 1},
    "tied, folded": {
        "tied": True, "optimizer.name": "adam", "normalization": "none", "biases": False, "activation": "relu",
        "form": "x_y", "batch_size": None, "n_layers": 1, "output": "answers",
    },
    "bidirectional": {"attention_dir": "bidirectional", "activation": "silu", "n_layers": 2},
    "x_y": {"form": "x_y", "activation": "gelu_new", "n_layers": 2},
    "mse": {"loss.name": "mse", "activation": "quadratic"},
    "smoothed": {"smoothing": 0.1},
}  # fmt: skip
EXACT = {"dtype": "float64", "max_norm": 0.8, "init_rows": "all"}


def _trainer(config, **settings) -> Trainer:
    made = config(**EXACT | settings)
    return Trainer(made, build_task(made.task))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_path_trains_the_same_network(config, network):
    weights, metrics = {}, {}
    for path in ("compiled", "engine", "hooked"):
        trainer = _trainer(config, **{"optimizer.name": "adam", **NETWORKS[network], "forward": path})
        assert (trainer.compiled is not None) == (path == "compiled")
        losses = [trainer.update() for _ in range(4)]
        weights[path] = {name: value.detach().clone() for name, value in trainer.weights.items()}
        metrics[path] = [*losses, *trainer.evaluate().values()]
    for path in ("compiled", "engine"):
        assert metrics[path] == pytest.approx(metrics["hooked"], rel=1e-9)
        for name, value in weights["hooked"].items():
            torch.testing.assert_close(weights[path][name], value, rtol=0, atol=1e-8, msg=name)


def test_the_rows_of_a_tied_unembedding_are_those_of_the_embedding_and_are_controlled_once(config):
    trainer = _trainer(config, tied=True, scope=("embed", "unembed"), lr=0.1)
    assert "unembed.W_U" not in trainer.parameters.names
    for step in range(4):
        rows = trainer.weights["embed.W_E"].detach().norm(dim=1)
        # At the start they are projected to the bound, then each is clipped to it.
        assert float((rows - 0.8).abs().max() if step == 0 else rows.max() - 0.8) <= 1e-12
        assert torch.equal(trainer.weights["unembed.W_U"], trainer.weights["embed.W_E"].T)
        trainer.update()


def test_the_gradient_of_a_tied_embedding_is_the_sum_of_both(config):
    """A plain step of gradient descent, against a network whose two tables are free."""
    plain = {"optimizer.name": "sgd", "momentum": 0.0, "warmup_steps": 1, "max_norm": None, "init_rows": "none"}
    tied, free = (_trainer(config, **plain, tied=value, lr=1.0) for value in (True, False))
    with torch.no_grad():
        for name, value in free.weights.items():
            value.copy_(tied.weights[name])
    before = tied.weights["embed.W_E"].detach().clone()
    for trainer in (tied, free):
        trainer.update()
    both = (free.weights["embed.W_E"] - before) + (free.weights["unembed.W_U"] - before.T).T
    torch.testing.assert_close((tied.weights["embed.W_E"] - before).detach(), both.detach(), rtol=0, atol=1e-12)


def test_recorded_margins_of_a_tied_network_are_those_of_the_stage(config):
    """Weights after a step are those before the next: with the unembedding of another stage they would not be."""
    trainer = _trainer(config, tied=True, lr=0.1, margins_every=1)
    recorder = MarginRecorder(trainer)
    first = recorder.rows(trainer.recorded_update())
    second = MarginRecorder(trainer).rows(trainer.recorded_update())
    after, before = (
        [row for row in rows if row["stage"] == stage] for rows, stage in ((first, "after"), (second, "before"))
    )
    assert [{**row, "stage": ""} for row in after] == [{**row, "stage": ""} for row in before]
    updated = next(row for row in second if row["stage"] == "updated")
    assert updated["signal"] != before[0]["signal"]


@pytest.mark.parametrize(
    "settings",
    [
        {"max_norm": 1.0, "scope": ("unembed",)},
        {"group_decay": (("unembed", 0.1),)},
        {"group_rate": (("embed", 2.0), ("unembed", 1.0))},
    ],
)
def test_a_setting_of_a_tied_unembedding_alone_is_refused(config, settings):
    assert config(**settings).model.tied is False
    with pytest.raises(ConfigError, match=r"unembed.* is not accepted: with model\.tied .* name embed instead"):
        config(tied=True, **settings)


@pytest.mark.parametrize("network", ["tied", "attention only", "bidirectional"])
def test_a_run_is_stored_resumed_and_loaded_as_a_hooked_transformer(config, tmp_path, network, monkeypatch):
    made = config(**{**NETWORKS[network], "dtype": "float64", "max_norm": 0.8})
    whole = train(made, tmp_path / "whole", progress=False)
    update = Trainer.update

    def interrupted(self):
        if self.step == 9:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(made, tmp_path / "cut", progress=False)
    assert resume(tmp_path / "cut", progress=False).digests == whole.digests
    weights, task = whole.weights(-1), whole.task
    if made.model.tied:
        assert torch.equal(weights["unembed.W_U"], weights["embed.W_E"].T)
    logits = whole.model(-1)(task.tokens)[:, -1]
    train_set, _ = task.split(made.task.train_fraction, made.seed)
    loss = F.cross_entropy(logits[train_set], task.labels[train_set])
    assert whole.metrics["train_loss"].iloc[-1] == pytest.approx(float(loss.detach()), rel=1e-9)


def test_where_the_compiled_path_cannot_serve_the_engine_trains_and_says_so(config, tmp_path, monkeypatch, capfd):
    why = "compiled loops do not run here"
    monkeypatch.setattr(forward, "why_not_compiled", lambda device: why)
    run = train(config(), tmp_path / "run")
    assert run.forward == {"name": "engine", "why": f"{why}: the engine trains instead"}
    assert capfd.readouterr().err.count(why) == 1
    asked = train(config(forward="engine"), tmp_path / "asked", progress=False)
    assert asked.forward == {"name": "engine", "why": None}
    assert asked.digests == run.digests


def test_a_device_that_compiled_loops_do_not_know_is_named():
    path = forward_path(override(RunConfig(), {"device": "cuda:1"}))
    assert path.name == "engine"
    assert path.why is not None
    assert "training.device is cuda:1: the engine trains instead" in path.why
    assert forward_path(override(RunConfig(), {"device": "cuda:1", "forward": "hooked"})) == ForwardPath("hooked")
    assert forward_path(RunConfig()) == ForwardPath("compiled")


def test_a_run_without_a_bar_has_no_note(capfd):
    with progress_bar(False, "a run", 3, 0, "a note"):
        pass
    assert capfd.readouterr() == ("", "")
