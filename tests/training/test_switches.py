"""The switches of a run do to training what they say, and recording does nothing to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, NormConfig, OptimizerConfig, ProbeConfig
from grokscope.model import in_scope
from grokscope.norms import row_angles
from grokscope.runs import RunError, open_run, verify_run
from grokscope.tasks import build_task
from grokscope.training import Recorder, Trainer, branch, resume, train
from grokscope.training.given import Given


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


class _StopAfter:
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, *_: object) -> None:
        if step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("probes", [{"probes.trace": True}, {"record_every": 1}, {"record_every": 10}])
@pytest.mark.parametrize("stop", [9, 11])
def test_a_branch_that_stops_before_its_second_evaluation_is_resumed(config, tmp_path, probes, stop):
    """It begins at step 8 and is evaluated every 15: its metrics begin where it does."""
    parent = train(config(**{"training.steps": 40}), tmp_path / "parent", progress=False)
    changes = {"eval_every": 15, **probes}
    whole = branch(parent, 8, tmp_path / "whole", progress=False, **changes)
    assert list(whole.metrics["step"]) == [8, 15, 30, 40]
    with pytest.raises(KeyboardInterrupt):
        branch(parent, 8, tmp_path / "cut", progress=False, callbacks=[_StopAfter(stop)], **changes)
    cut = resume(tmp_path / "cut", progress=False)
    assert cut.digests == whole.digests
    assert list(cut.metrics["step"]) == list(whole.metrics["step"])
    assert list(cut.probes["step"]) == list(whole.probes["step"])


def test_the_step_of_a_branch_may_be_counted_from_the_end(trained, tmp_path):
    parent = trained("parent")
    branched = branch(parent, -2, tmp_path / "branch", progress=False)
    assert (branched.parent["step"], branched.steps[0]) == (parent.steps[-2], parent.steps[-2])
    for step, message in (
        (-99, "checkpoint -99 from the end does not exist"),
        (8.0, r"step = 8\.0 is not accepted: use an integer"),
        (None, "step = None is not accepted: use an integer"),
        ("8", "step = '8' is not accepted: use an integer"),
    ):
        with pytest.raises(RunError, match=message):
            branch(parent, step, tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


def test_a_branch_lies_beside_its_parent_however_that_is_named(trained, tmp_path, monkeypatch):
    parent = trained("parent")
    monkeypatch.chdir(parent.path)
    branched = branch(".", 8, progress=False, arm="beside")
    assert branched.path.resolve().parent == tmp_path.resolve()
    assert {path.name for path in tmp_path.iterdir()} == {"parent", branched.path.name}


def test_a_branch_where_a_file_is_is_refused_before_the_parent_is_trained_once_more(trained, tmp_path, monkeypatch):
    parent = trained("parent")
    (tmp_path / "file").touch()
    monkeypatch.setattr(Trainer, "_step", lambda *_, **__: pytest.fail("a step is taken"))
    with pytest.raises(RunError, match="file"):
        branch(parent, 8, tmp_path / "file", progress=False)


DECAYED = {"optimizer.name": "adamw", "weight_decay": 1e4, "lr": 1e-5, "warmup_steps": 1}
"""Decay takes a tenth of every weight at each step; what else an update changes is some 1e-5 of an entry."""
HELD = {
    "relative step": {"relative_step": "start"},
    "growing sphere": {"growing_sphere": "tensors"},
    "angular step": {"angular_step": (("mlp", 0.01),)},
    "angular step of others": {"angular_step": (("embed", 0.01),)},
}


@pytest.mark.parametrize("name", HELD)
def test_what_decay_took_away_is_recorded_where_updates_are_controlled(config, name):
    """All that moves the weights is decay: its recorded part is the displacement, but for a hundredth."""
    trainer = _trainer(config, **DECAYED, **HELD[name])
    for _ in range(4):
        trainer.update()
    record = trainer.recorded_update()
    parameter = "blocks.0.mlp.W_in"
    before = record.before[parameter]
    moved, share = record.updated[parameter] - before, record.shrinkage.get(parameter, 0.0)
    if name == "growing sphere":  # decay shortens the parameter that grows, and the network's weights keep their norm
        assert share == 0.0
        assert float(moved.norm()) < 0.01 * float(before.norm())
        return
    assert float((moved + share * before).norm()) < 0.01 * float(moved.norm())
    if name == "angular step of others":
        assert share == pytest.approx(0.1)


def test_probes_are_of_the_logits_that_the_loss_sees(config, tmp_path):
    trace = train(config(**{"probes.trace": True}), tmp_path / "followed", progress=False).trace
    reference = trace.save(tmp_path / "trace")
    run = train(config(seed=1, record_every=1, **{"loss.follow": reference}), tmp_path / "run", progress=False)
    whole = run.probes[(run.probes["group"] == "all") & (run.probes["step"] > 0)]
    np.testing.assert_allclose(whole["logit_std"], trace.logit_std, rtol=1e-5)  # float32


def test_a_transform_that_learns_follows_a_trace_to_its_end(config, tmp_path):
    """NeuralGrok asks for gradients after a step, the last one included: they are of logits at that step's spread."""
    trace = train(config(**{"probes.trace": True}), tmp_path / "followed", progress=False).trace
    follow = {"loss.follow": trace.save(tmp_path / "trace"), "gradient.name": "neuralgrok"}
    trainer = _trainer(config, **follow, outer_fraction=0.2, outer_every=4)
    asked: list[float | None] = []
    taken = trainer._gradient

    def gradient(examples, spread):
        asked.append(spread)
        return taken(examples, spread)

    trainer._gradient = gradient
    for step in range(trainer.config.training.steps):
        trainer.update()
        assert set(asked) == {float(trace.logit_std[step])}
        asked.clear()


@pytest.mark.parametrize("norms", [{"clamp_norm": 20.0}, {"sphere": "tensors"}])
def test_controls_start_from_where_constrained_scion_does(config, norms):
    """The clamp holds before the first step, and what the sphere keeps is the norm inside the ball."""
    trainer = _trainer(config, **{"optimizer.name": "scion", "lr": 0.01, "warmup_steps": 1, **norms})
    names = ["pos_embed.W_pos", "blocks.0.mlp.W_in", "blocks.0.attn.W_Q"]
    clamped = in_scope(trainer.weights, NormConfig().clamp_scope)

    def joint() -> float:
        return sum(float(trainer.weights[name].detach().square().sum()) for name in clamped) ** 0.5

    start = {name: float(trainer.weights[name].detach().norm()) for name in names}
    if "clamp_norm" in norms:
        assert joint() == pytest.approx(20.0, rel=1e-5)  # float32
    for _ in range(3):
        trainer.update()
        if "clamp_norm" in norms:
            assert joint() == pytest.approx(20.0, rel=1e-5)
        else:
            for name, norm in start.items():
                assert float(trainer.weights[name].detach().norm()) == pytest.approx(norm, rel=1e-5)


def test_a_transform_counts_the_steps_of_the_run_where_that_begins_later(config):
    steps: list[tuple[str, int]] = []
    given = Given(
        transform=lambda gradients, step: steps.append(("transform", step)),
        norm_control=lambda weights, step: steps.append(("norm control", step)),
    )
    made = given.recorded(config())
    weights = {name: value.detach().clone() for name, value in _trainer(config).weights.items()}
    trainer = Trainer(made, build_task(made.task), given, (8, weights))
    trainer.update()
    trainer.update()
    assert steps == [("transform", 9), ("norm control", 9), ("transform", 10), ("norm control", 10)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"max_norm": 1.0, "norms.scope": ("blocks.9.*",)},
            r"norms\.scope names 'blocks\.9\.\*', which no parameter is",
        ),
        ({"sphere": "rows", "sphere_scope": ("a.*",)}, r"norms\.sphere_scope names 'a\.\*'"),
        ({"growing_sphere": "rows", "growing_sphere_scope": ("a.*",)}, r"norms\.growing_sphere_scope names 'a\.\*'"),
        ({"relative_step": "start", "relative_step_scope": ("a.*",)}, r"norms\.relative_step_scope names 'a\.\*'"),
        ({"init_rows": "chosen", "init_norm": 1.0, "init_scope": ("a.*",)}, r"norms\.init_scope names 'a\.\*'"),
        (
            {"normalization": "none", "max_norm": 1.0, "norms.scope": ("ln", "ln_final")},
            r"norms\.scope = \('ln', 'ln_final'\) is not accepted: this network has no such parameter; it has embed",
        ),
        (
            {"attention_only": True, "sphere": "tensors", "sphere_scope": ("mlp",)},
            r"norms\.sphere_scope = \('mlp',\) is not accepted: this network has no such parameter",
        ),
    ],
)
def test_a_control_of_no_parameter_is_refused_before_anything_is_written(config, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        train(config(**settings), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
