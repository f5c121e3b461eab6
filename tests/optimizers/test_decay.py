"""Weight decay on chosen groups against torch's and lion-pytorch's parameter groups."""

from __future__ import annotations

from typing import Any, get_args

import lion_pytorch
import pytest
import torch

from grokscope.config import GroupName, OptimizerConfig
from grokscope.model import in_scope
from grokscope.optimizers import WeightDecay, build_optimizer
from tests.optimizers.parameters import flat_parameters, gradients, named_gradients

BETAS = (0.8, 0.95)
EVERYWHERE = get_args(GroupName)
SCOPES = {"mlp": ("mlp",), "matrices": ("attention", "mlp", "embed", "unembed"), "vectors": ("ln", "biases"),
          "all, in another order": EVERYWHERE[::-1]}  # fmt: skip
LIBRARY = {
    ("adam", "l2"): lambda groups: torch.optim.Adam(groups, betas=BETAS, foreach=False),
    ("adam", "decoupled"): lambda groups: torch.optim.AdamW(groups, betas=BETAS, foreach=False),
    ("adamw", "decoupled"): lambda groups: torch.optim.AdamW(groups, betas=BETAS, foreach=False),
    ("adamw", "l2"): lambda groups: torch.optim.Adam(groups, betas=BETAS, foreach=False),
    ("sgd", "l2"): lambda groups: torch.optim.SGD(groups, momentum=0.0, foreach=False),
    ("lion", "decoupled"): lambda groups: lion_pytorch.Lion(groups, betas=BETAS),
}


def _steps(config: OptimizerConfig, count: int = 12):
    """As the trainer does: decay, then the update, at a rate that warms up."""
    flat = flat_parameters()
    optimizer, decay = build_optimizer(config, flat), WeightDecay(config, flat.names)
    for step in range(count):
        flat.set_gradient(gradients(flat, step))
        lr = config.lr * min(1.0, (step + 1) / 5)
        decay.apply_(flat.weights, flat.views(flat.vector.grad), lr)
        optimizer.step(lr)
    return flat


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize(("name", "form"), LIBRARY)
def test_decay_by_group_is_that_of_the_library_with_parameter_groups(name, form, scope):
    averaging = {} if name == "sgd" else {"betas": BETAS}
    config = OptimizerConfig(name=name, lr=0.01, weight_decay=0.3, decay_form=form, decay_scope=scope, **averaging)
    flat, start = _steps(config), flat_parameters()
    theirs = {n: torch.nn.Parameter(start.weights[n].detach().clone()) for n in start.names}
    chosen = in_scope(start.names, scope)
    assert chosen
    groups: list[dict[str, Any]] = [{"params": [theirs[n] for n in chosen], "weight_decay": 0.3}]
    rest = [theirs[n] for n in start.names if n not in chosen]
    groups += [{"params": rest, "weight_decay": 0.0}] if rest else []
    library = LIBRARY[name, form](groups)
    for step in range(12):
        grads = named_gradients(start, step)
        for group in library.param_groups:
            group["lr"] = 0.01 * min(1.0, (step + 1) / 5)
        for n, parameter in theirs.items():
            parameter.grad = grads[n]
        library.step()
    for n, parameter in theirs.items():
        torch.testing.assert_close(flat.weights[n].detach(), parameter.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "form"), [("adam", "l2"), ("adamw", "decoupled"), ("lion", "decoupled"), ("sgd", "l2")]
)
def test_an_optimizers_own_decay_on_all_parameters_is_left_to_its_rule(name, form):
    for given in ("own", form):
        extra = {} if name == "sgd" else {"betas": BETAS}
        config = OptimizerConfig(name=name, lr=0.01, weight_decay=0.3, decay_form=given, **extra)
        assert config.decays_itself
        assert not WeightDecay(config, flat_parameters().names).acts
        flat, start = _steps(config, 4), flat_parameters()
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        optimizer = kinds.get(name, lion_pytorch.Lion)([start.vector], lr=0.01, weight_decay=0.3, **extra)
        for step in range(4):
            start.set_gradient(gradients(start, step))
            optimizer.param_groups[0]["lr"] = 0.01 * min(1.0, (step + 1) / 5)
            optimizer.step()
        torch.testing.assert_close(flat.vector, start.vector, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ["l2", "decoupled"])
def test_decay_by_the_rule_and_decay_before_it_agree_on_all_parameters(form):
    """The same rule by both ways: Adam with L2 of its own, AdamW's with l2 asked for, and the other way round."""
    settings = {"lr": 0.01, "betas": BETAS, "weight_decay": 0.3, "decay_form": form}
    one, two = (_steps(OptimizerConfig(name=name, **settings)) for name in ("adam", "adamw"))
    torch.testing.assert_close(one.vector, two.vector, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ["l2", "decoupled"])
def test_signsgd_has_decay_in_a_form_that_is_asked_for(form):
    config = OptimizerConfig(name="signsgd", lr=0.01, weight_decay=0.3, decay_form=form, decay_scope=("mlp", "embed"))
    flat, expected = _steps(config, 1), flat_parameters()
    lr = 0.01 / 5
    for name, g in named_gradients(expected, 0).items():
        w = expected.weights[name].detach()
        decay = 0.3 if name.startswith(("embed", "blocks.0.mlp.W")) else 0.0
        if form == "l2":
            w = w - lr * (g + decay * w).sign()
        else:
            w = (1 - lr * decay) * w - lr * g.sign()
        torch.testing.assert_close(flat.weights[name].detach(), w, rtol=1e-14, atol=1e-16)


def test_shrinkages_are_of_decoupled_decay_on_its_parameters():
    names = flat_parameters().names

    def of(**settings: Any) -> dict[str, float]:
        """At a rate of 0.02, whatever the rate after the warm-up."""
        return WeightDecay(OptimizerConfig(**settings), names).shrinkages(0.02)

    assert of(name="lion", weight_decay=0.5) == dict.fromkeys(names, 0.01)
    assert of(name="adamw", weight_decay=0.5, decay_scope=("ln_final",)) == {"ln_final.w": 0.01}
    assert of(name="adam", weight_decay=0.5) == of(name="sgd", weight_decay=0.5) == {}
    assert of(name="lion") == {}
    muon = of(name="muon", lr=0.1, adam_lr=0.01, weight_decay=0.5)
    # Warm-up has reached a fifth of the rate: of Adam's too.
    assert muon["blocks.0.mlp.W_in"] == pytest.approx(0.02 * 0.5)
    assert muon["embed.W_E"] == pytest.approx(0.002 * 0.5)
    assert set(of(name="muon", weight_decay=0.5).values()) == {0.01}


def test_no_decay_writes_nothing():
    flat = flat_parameters()
    gradient = flat.set_gradient(gradients(flat, 0)).clone()
    before = flat.vector.detach().clone()
    for config in (OptimizerConfig(name="lion"), OptimizerConfig(name="lion", weight_decay=1.0)):
        WeightDecay(config, flat.names).apply_(flat.weights, flat.views(flat.vector.grad), 0.1)
    assert torch.equal(flat.vector, before)
    assert torch.equal(flat.vector.grad, gradient)
