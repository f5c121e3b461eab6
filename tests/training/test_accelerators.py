"""Accelerators in training: what each does to a step, alone and together with norm control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, RunConfig
from grokscope.model import as_matrix, in_scope, is_matrix
from grokscope.norms import row_norms
from grokscope.optimizers.rules.scion import balls
from grokscope.optimizers.transforms.neuralgrok import AmplifierTransform
from grokscope.optimizers.transforms.orthograd import across_
from grokscope.tasks import build_task
from grokscope.training import Diverged, Trainer, branch, train
from grokscope.training.batches import hold_back
from tests.optimizers.test_piecewise import LAYERS, dense

NEURALGROK = {"gradient.name": "neuralgrok", "outer_every": 2, "amplifier_width": 8}
ACCELERATORS: dict[str, dict[str, Any]] = {
    "muon": {"optimizer.name": "muon", "momentum": 0.9, "lr": 0.02},
    "muon per head": {"optimizer.name": "muon", "momentum": 0.9, "lr": 0.02, "heads": "per_head", "adam_lr": 1e-3},
    "scion": {"optimizer.name": "scion", "lr": 0.02, "radius": 5.0},
    "unconstrained scion": {"optimizer.name": "unconstrained_scion", "lr": 0.1},
    "clipped scion": {"optimizer.name": "clipped_scion", "lr": 0.02, "radius": 5.0, "rho": 20.0},
    "unconstrained clipped scion": {"optimizer.name": "unconstrained_clipped_scion", "lr": 0.1, "rho": 0.5},
    "grokfast ema": {"gradient.name": "grokfast_ema", "optimizer.name": "adamw"},
    "grokfast ma": {"gradient.name": "grokfast_ma", "window": 4, "optimizer.name": "adamw"},
    "orthograd": {"gradient.name": "orthograd", "optimizer.name": "adamw"},
    "neuralgrok": {**NEURALGROK, "optimizer.name": "adamw"},
    "neuralgrok frozen": {**NEURALGROK, "optimizer.name": "adamw", "amplifier": "frozen"},
    "decay by group": {"optimizer.name": "lion", "weight_decay": 1.0, "decay_scope": ("mlp", "embed")},
    "cap": {"cap": "spectral", "cap_ratio": 0.8, "lr": 0.01},
}


def _trainer(config, **settings: Any) -> Trainer:
    made: RunConfig = config(**settings)
    return Trainer(made, build_task(made.task))


def _copies(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: trainer.weights[name].detach().clone() for name in trainer.parameters.names}


@pytest.mark.parametrize("name", ACCELERATORS)
def test_rows_are_inside_the_clip_after_every_step(config, name):
    trainer = _trainer(config, **ACCELERATORS[name], max_norm=0.5, init_rows="all")
    for _ in range(5):
        trainer.update()
        for parameter in in_scope(trainer.parameters.names, ("decoder",)):
            # Rounding of one product in float32.
            assert float(row_norms(parameter, trainer.weights[parameter].detach()).max()) <= 0.5 * (1 + 1e-6)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_training_by_the_engine_is_training_by_the_plain_transformer(config, name):
    settings = {**ACCELERATORS[name], "dtype": "float64"}
    engine, hooked = (_trainer(config, **settings, forward=forward) for forward in ("engine", "hooked"))
    for _ in range(3):
        assert engine.update() == pytest.approx(hooked.update(), rel=1e-9)
    for parameter in engine.parameters.names:
        if parameter.endswith("b_K"):
            continue  # no loss depends on it: its gradient is rounding, which signs and normalised steps blow up
        # Gradients agree to 1e-14; Adam's division by their size and five quintics bring that up.
        torch.testing.assert_close(engine.weights[parameter], hooked.weights[parameter], rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_recording_changes_no_bit(config, name):
    plain, recorded = (_trainer(config, **ACCELERATORS[name]) for _ in range(2))
    for _ in range(4):
        plain.update()
        recorded.recorded_update()
    assert torch.equal(plain.parameters.vector, recorded.parameters.vector)
    one, two = plain.state()[0], recorded.state()[0]
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", [name for name in ACCELERATORS if name != "cap"])
def test_the_loss_falls(config, name):
    trainer = _trainer(config, **ACCELERATORS[name])
    before = trainer.evaluate()["train_loss"]
    for _ in range(20):
        trainer.update()
    assert trainer.evaluate()["train_loss"] < before


@pytest.mark.parametrize("transform", ["grokfast_ema", "grokfast_ma", "orthograd"])
def test_a_step_descends_the_transformed_gradient_and_decay_joins_after_it(config, transform):
    """SGD with l2 on one group: w - lr (T(g) + wd w), with T by hand from the gradients as they were recorded."""
    trainer = _trainer(
        config, **{"optimizer.name": "sgd", "lr": 0.1, "gradient.name": transform, "dtype": "float64",
                   "weight_decay": 0.2, "decay_scope": ("mlp",),
                   **({"window": 3} if transform == "grokfast_ma" else {})})  # fmt: skip
    history: list[dict[str, torch.Tensor]] = []
    average: dict[str, torch.Tensor] = {}
    for step in range(1, 7):
        record = trainer.recorded_update()
        history.append({name: g.clone() for name, g in record.gradient.items()})
        expected = {name: g.clone() for name, g in history[-1].items()}
        for name, g in expected.items():
            if transform == "grokfast_ema":
                average[name] = g.clone() if step == 1 else 0.98 * average[name] + 0.02 * g
                g += 2.0 * average[name]
            elif transform == "grokfast_ma" and step >= 3:
                g += 5.0 * sum(past[name] for past in history[-3:]) / 3
        if transform == "orthograd":
            across_(expected, record.before)
        for name, g in expected.items():
            decay = 0.2 if ".mlp.W_" in name else 0.0
            moved = record.before[name] - 0.1 * min(1.0, step / 10) * (g + decay * record.before[name])
            torch.testing.assert_close(record.updated[name], moved, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["grokfast ema", "grokfast ma", "orthograd", "neuralgrok", "muon", "scion"])
def test_numbers_that_are_not_finite_stop_the_run_with_the_weights_as_they_were(config, name):
    trainer = _trainer(config, **ACCELERATORS[name])
    trainer.update()
    with torch.no_grad():
        trainer.weights["unembed.W_U"][0, 0] = float("nan")
    before = _copies(trainer)
    with pytest.raises(Diverged, match="step 2"):
        trainer.update()
    for parameter, value in before.items():
        torch.testing.assert_close(trainer.weights[parameter].detach(), value, rtol=0, atol=0, equal_nan=True)


# Matrix caps and balls


@pytest.mark.parametrize("heads", ["joined", "per_head"])
@pytest.mark.parametrize(("kind", "order"), [("frobenius", "fro"), ("spectral", 2)])
def test_matrices_are_inside_the_cap_of_the_projected_start_after_every_step(config, kind, order, heads):
    settings = {"init_rows": "all", "init_norm": 1.0, "max_norm": 1.0, "dtype": "float64"}
    projected = _copies(_trainer(config, **settings))

    def norms(parameter: str, value: torch.Tensor) -> np.ndarray:
        return np.linalg.norm(as_matrix(parameter, value.detach(), heads).numpy(), ord=order, axis=(-2, -1))

    trainer = _trainer(config, **settings, cap=kind, cap_ratio=0.9, cap_heads=heads, lr=0.05)
    bound = {name: 0.9 * norms(name, value) for name, value in projected.items() if is_matrix(name)}
    for _ in range(12):
        for name, most in bound.items():  # from before the first step on
            assert (norms(name, trainer.weights[name]) <= most * (1 + 1e-12)).all()
        trainer.update()


@pytest.mark.parametrize("name", ["scion", "clipped_scion"])
def test_constrained_training_stays_in_its_balls(config, name):
    lmos = (("attention", "row_norm"), ("mlp", "row_norm"), ("embed", "col_norm"), ("unembed", "sign"),
            ("pos_embed", "col_norm"))  # fmt: skip
    trainer = _trainer(config, **{"optimizer.name": name, "lr": 0.3, "dtype": "float64", "group_lmo": lmos})
    found = balls(trainer.config.optimizer, trainer.parameters.names)
    gain = trainer.weights["blocks.0.ln1.w"].detach()
    assert torch.equal(gain, torch.ones_like(gain))  # on the edge, and not at zero
    for _ in range(20):
        for parameter, ball in found.items():
            assert ball.norm(trainer.weights[parameter].detach()) <= 1 + 1e-12
        trainer.update()


# NeuralGrok


@pytest.mark.parametrize("n", [2, 3, 49, 50, 75, 4656])
def test_about_one_training_example_in_fifty_is_held_back(n):
    examples = torch.randperm(9409, generator=torch.Generator().manual_seed(0))[:n]
    inner, outer = hold_back(examples, 0.02, seed=0)
    assert len(outer) == max(1, round(n / 50))
    assert sorted([*inner.tolist(), *outer.tolist()]) == sorted(examples.tolist())
    assert not set(inner.tolist()) & set(outer.tolist())
    # Those that are trained on keep their order.
    places = {example: place for place, example in enumerate(examples.tolist())}
    assert [places[e] for e in inner.tolist()] == sorted(places[e] for e in inner.tolist())
    again, other = hold_back(examples, 0.02, seed=0), hold_back(examples, 0.02, seed=1)
    assert torch.equal(outer, again[1])
    assert n < 49 or not torch.equal(outer, other[1])


def test_a_large_share_leaves_an_example_to_train_on_and_one_example_is_refused():
    inner, outer = hold_back(torch.arange(3), 0.999, seed=0)
    assert (len(inner), len(outer)) == (1, 2)
    with pytest.raises(ConfigError, match=r"gradient\.outer_fraction = 0\.5 .*1 example cannot be shared"):
        hold_back(torch.arange(1), 0.5, seed=0)


def test_held_back_examples_are_never_trained_on_unless_they_are_merged(config):
    for merged in (False, True):
        trainer = _trainer(config, **NEURALGROK, outer_fraction=0.2, merge_outer=merged)
        whole, val = trainer.task.split(trainer.config.task.train_fraction, trainer.config.seed)
        seen: set[int] = set()
        for _ in range(2 * trainer.batches.steps_per_epoch):
            seen |= set(trainer.recorded_update().examples.tolist())
        outer = set(trainer.held_back.tolist())
        assert len(outer) == 3
        assert outer < set(whole.tolist())
        assert seen == (set(whole.tolist()) if merged else set(whole.tolist()) - outer)
        assert set(trainer.val.tolist()) == set(val.tolist())
        assert set(trainer.train.tolist()) == seen


def test_an_outer_step_is_automatic_differentiation_through_the_whole_update(config):
    """loss(theta - lr G_phi(g)) on the outer examples, by the plain HookedTransformer and torch layers for phi."""
    settings = {**NEURALGROK, "dtype": "float64", "forward": "hooked", "optimizer.name": "adamw", "outer_fraction": 0.2}
    trainer = _trainer(config, **settings, amplifier_lr=0.01, amplifier_weight_decay=0.1)
    transform, model = trainer.transform, trainer._hooked
    assert isinstance(transform, AmplifierTransform)
    layers = dense(transform.amplifier)
    adam = torch.optim.Adam(layers.parameters(), lr=0.01, betas=(0.9, 0.98), weight_decay=0.1)

    def loss(weights: dict[str, torch.Tensor], examples: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(model, weights, (trainer.task.tokens[examples],))[:, -1]
        return torch.nn.functional.cross_entropy(logits, trainer.task.labels[examples])

    for step in range(1, 7):
        record = trainer.recorded_update()
        if step % 2:
            continue
        theta = {name: value.detach().clone().requires_grad_() for name, value in record.after.items()}
        constants = {name: value for name, value in trainer.weights.items() if name not in theta}
        inner = loss(theta | constants, record.examples)
        grads = dict(zip(theta, torch.autograd.grad(inner, list(theta.values())), strict=True))
        moved, lr = {}, trainer.config.optimizer.lr * min(1.0, step / 10)
        for name, g in grads.items():
            entries = g.reshape(-1, 1)
            weighted = torch.softmax(layers(entries)[:, 0], 0) * entries[:, 0]
            moved[name] = theta[name].detach() - lr * (0.2 * weighted / (weighted.norm() + 1e-12)).view(g.shape)
        adam.zero_grad()
        loss(moved | constants, trainer.held_back).backward()
        adam.step()
        for name, parameter in layers.named_parameters():
            ours = transform.amplifier.parameters[LAYERS[name]].detach()
            # Adam divides the gradient by its size: a rounding of a small gradient is felt as that of a large one.
            torch.testing.assert_close(ours, parameter.detach().reshape(ours.shape), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_outer_step_leaves_the_weights_bit_for_bit(config, dtype):
    trainer = _trainer(config, **NEURALGROK, dtype=dtype)
    trainer.update()
    before, amplifier = trainer.parameters.vector.detach().clone(), trainer.transform.tensors()
    amplifier = {name: value.clone() for name, value in amplifier.items()}
    trainer.step = 2
    trainer._let_transform_learn(trainer.transform, trainer.train[:6], 0.1, None)
    assert torch.equal(trainer.parameters.vector, before)
    after = trainer.transform.tensors()
    assert not any(torch.equal(after[name], value) for name, value in amplifier.items())
    # And through a whole step: the first outer step comes after the second update, and changes the third.
    settings = {**NEURALGROK, "optimizer.name": "adamw", "amplifier_lr": 0.1}
    learns, frozen = (_trainer(config, **settings, amplifier=kind) for kind in ("trained", "frozen"))
    for step in range(1, 4):
        learns.update()
        frozen.update()
        assert torch.equal(learns.parameters.vector, frozen.parameters.vector) == (step < 3)


@pytest.mark.parametrize("control", ["frozen", "normalise"])
def test_a_control_never_learns(config, control):
    trainer = _trainer(config, **NEURALGROK, amplifier=control)
    before = {name: value.clone() for name, value in trainer.transform.tensors().items()}
    for _ in range(6):
        trainer.update()
    after = trainer.transform.tensors()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("changes", [
    {}, NEURALGROK, {**NEURALGROK, "outer_every": 3}, {**NEURALGROK, "amplifier": "frozen"},
    {"gradient.name": "orthograd"},
], ids=["plain", "every 2", "every 3", "frozen", "orthograd"])  # fmt: skip
def test_gradient_evaluations_are_those_that_training_computes(config, monkeypatch, changes):
    trainer, counted = _trainer(config, **changes), []
    gradient_of = trainer._gradient

    def counting(examples, spread):
        counted.append(len(examples))
        return gradient_of(examples, spread)

    monkeypatch.setattr(trainer, "_gradient", counting)
    for step in range(1, 11):
        trainer.update()
        assert trainer.config.gradient_evaluations(step) == len(counted)


def test_the_amplifier_and_what_is_held_back_do_not_change_what_arms_share(config):
    """Arms of one seed share initial weights and split; a merged arm shares the batch order too."""
    plain, merged, held = (
        _trainer(config, **changes) for changes in ({}, {**NEURALGROK, "merge_outer": True}, NEURALGROK)
    )
    assert torch.equal(plain.parameters.vector, merged.parameters.vector)
    assert torch.equal(plain.parameters.vector, held.parameters.vector)
    assert torch.equal(plain.val, held.val)
    for _ in range(5):
        assert torch.equal(plain.batches.next(), merged.batches.next())


# Branches


@pytest.mark.parametrize("name", ["muon per head", "neuralgrok", "cap"])
def test_a_branch_with_nothing_changed_is_its_parent(config, tmp_path, name):
    parent = train(config(**ACCELERATORS[name], max_norm=0.8, init_rows="all"), tmp_path / "parent", progress=False)
    same = branch(parent, parent.steps[2], tmp_path / "same", progress=False)
    assert len(same.steps) > 2
    assert all(same.digests[step] == parent.digests[step] for step in same.steps)


def test_a_branch_shares_its_transform_and_its_balls_with_its_parent(config, tmp_path):
    settings = {**ACCELERATORS["clipped scion"], "gradient.name": "grokfast_ema"}
    parent = train(config(**settings), tmp_path / "parent", progress=False)
    step = parent.steps[2]
    for change in ({"alpha": 0.5}, {"gradient.name": "none"}, {"radius": 2.0}, {"heads": "per_head"}):
        with pytest.raises(ConfigError, match=r"a branch cannot change (gradient|optimizer)\."):
            branch(parent, step, tmp_path / "other", progress=False, **change)
    freer = branch(parent, step, tmp_path / "freer", progress=False, rho=100.0, lr=0.2)
    assert freer.digests[step] == parent.digests[step]
    assert freer.digests[freer.steps[-1]] != parent.digests[parent.steps[-1]]
    by_hand = Trainer(parent.config, build_task(parent.config.task))
    for _ in range(step):
        by_hand.update()
    by_hand.control(freer.config)
    assert (by_hand.optimizer.config.rho, by_hand.optimizer.config.averaging) == (100.0, 0.1)
    for _ in range(freer.steps[-1] - step):
        by_hand.update()
    last = freer.weights(freer.steps[-1])
    assert all(torch.equal(by_hand.weights[n].detach(), last[n]) for n in by_hand.parameters.names)


@pytest.mark.parametrize(("name", "changes"), [
    ("scion", {"averaging": 0.5}), ("clipped scion", {"rho": 0.01, "lr": 0.3}),
    ("muon per head", {"lr": 0.1, "adam_lr": 0.02, "momentum": 0.5}), ("decay by group", {"betas": (0.5, 0.6)}),
    ("grokfast ema", {"weight_decay": 0.3, "betas": (0.5, 0.6)}),
])  # fmt: skip
def test_settings_that_are_changed_half_way_are_those_of_the_next_step(config, name, changes):
    """Against a rule that had the new settings from the beginning, given the same weights and moments."""
    trainer = _trainer(config, **ACCELERATORS[name])
    for _ in range(3):
        trainer.update()
    changed = config(**{**ACCELERATORS[name], **changes})
    other, unchanged = Trainer(changed, trainer.task), _trainer(config, **ACCELERATORS[name])
    for each in (other, unchanged):
        tensors, info = trainer.state()
        each.restore({key: value.clone() for key, value in tensors.items()}, info)
    before = _copies(trainer)
    trainer.control(changed)
    for each in (trainer, other, unchanged):
        each.update()
    assert torch.equal(trainer.parameters.vector, other.parameters.vector)
    assert not torch.equal(trainer.parameters.vector, unchanged.parameters.vector)
    assert any(not torch.equal(trainer.weights[parameter], value) for parameter, value in before.items())
