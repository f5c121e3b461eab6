"""One vector of all parameters against the libraries' optimizers on one tensor per parameter."""

from __future__ import annotations

import lion_pytorch
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import ConfigError, ModelConfig, OptimizerConfig
from grokscope.model import memory_order, trained_names
from grokscope.optimizers import FlatParameters, build_optimizer, learning_rate
from grokscope.optimizers.rules.muon import is_orthogonalised
from tests.model.strategies import random_weights
from tests.optimizers.parameters import TASK, flat_parameters, gradients

BETAS = (0.8, 0.95)


class FormulaSignSGD(torch.optim.Optimizer):
    """w - lr * (-1, 0 or 1), entry by entry in Python."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                flat, grad = p.flatten().tolist(), p.grad.flatten().tolist()
                moved = [w - group["lr"] * ((g > 0) - (g < 0)) for w, g in zip(flat, grad, strict=True)]
                p.copy_(torch.tensor(moved, dtype=p.dtype).view_as(p))


OPTIMIZERS = {
    "adam": (OptimizerConfig(name="adam", betas=BETAS), lambda p: torch.optim.Adam(p, betas=BETAS, foreach=False)),
    "adam-l2": (
        OptimizerConfig(name="adam", betas=BETAS, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, betas=BETAS, weight_decay=0.1, foreach=False),
    ),
    "adamw": (
        OptimizerConfig(name="adamw", betas=BETAS, weight_decay=1.0),
        lambda p: torch.optim.AdamW(p, betas=BETAS, weight_decay=1.0, foreach=False),
    ),
    "sgd": (
        OptimizerConfig(name="sgd", momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.1, foreach=False),
    ),
    "sgd-plain": (OptimizerConfig(name="sgd"), lambda p: torch.optim.SGD(p, foreach=False)),
    "lion": (
        OptimizerConfig(name="lion", betas=BETAS, weight_decay=0.1),
        lambda p: lion_pytorch.Lion(p, betas=BETAS, weight_decay=0.1),
    ),
    "signsgd": (OptimizerConfig(name="signsgd"), lambda p: FormulaSignSGD(p, lr=1e-3)),
}


OURS = {
    "muon": OptimizerConfig(name="muon", momentum=0.9, betas=BETAS),
    "muon per head": OptimizerConfig(name="muon", momentum=0.9, betas=BETAS, heads="per_head", adam_lr=1e-4),
    "scion": OptimizerConfig(name="scion", radius=2.0),
    "unconstrained scion": OptimizerConfig(name="unconstrained_scion", heads="per_head"),
    "clipped scion": OptimizerConfig(name="clipped_scion", rho=3.0),
    "unconstrained clipped scion": OptimizerConfig(
        name="unconstrained_clipped_scion", group_lmo=(("embed", "col_norm"), ("mlp", "row_norm"), ("unembed", "sign"))
    ),
}
"""Rules with no library to compare with here; their modules' tests have oracles of their own."""
EVERY = {name: config for name, (config, _) in OPTIMIZERS.items()} | OURS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_on_one_vector_equal_twenty_steps_on_separate_parameters(name):
    config, library = OPTIMIZERS[name]
    flat = flat_parameters()
    separate = [torch.nn.Parameter(leaf.detach().clone()) for leaf in flat.leaves]
    ours, theirs = build_optimizer(config, flat), library(separate)
    for step in range(1, 21):
        grads = gradients(flat, step)
        flat.set_gradient(grads)
        rate = 0.01 * min(1.0, step / 5)
        for group in theirs.param_groups:
            group["lr"] = rate
        for parameter, grad in zip(separate, grads, strict=True):
            parameter.grad = grad
        ours.step(rate)
        theirs.step()
        for leaf, parameter in zip(flat.leaves, separate, strict=True):
            torch.testing.assert_close(leaf.detach(), parameter.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EVERY)
def test_a_state_that_went_through_safetensors_continues_bit_for_bit(name, dtype):
    config = EVERY[name]

    def steps(flat, optimizer, first, last):
        for step in range(first, last):
            flat.set_gradient(gradients(flat, step))
            optimizer.step(config.lr)

    whole = flat_parameters(dtype)
    optimizer = build_optimizer(config, whole)
    steps(whole, optimizer, 0, 13)
    saved = safetensors.torch.save({**optimizer.tensors(), "vector": whole.vector.detach()})
    steps(whole, optimizer, 13, 20)

    again = flat_parameters(dtype)
    tensors = safetensors.torch.load(saved)
    with torch.no_grad():
        again.vector.copy_(tensors.pop("vector"))
    continued = build_optimizer(config, again)
    continued.restore(tensors)
    steps(again, continued, 13, 20)
    assert torch.equal(whole.vector, again.vector)
    first, second = optimizer.tensors(), continued.tensors()
    assert set(first) == set(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", EVERY)
def test_a_state_before_the_first_step_can_be_restored(name):
    flat = flat_parameters()
    optimizer = build_optimizer(EVERY[name], flat)
    optimizer.restore(optimizer.tensors())
    optimizer.restore({})  # what a state of step 0 held where moments were made at the first step
    flat.set_gradient(gradients(flat, 0))
    before = flat.vector.detach().clone()
    optimizer.step(EVERY[name].lr)
    assert not torch.equal(before, flat.vector)


def test_weights_share_memory_with_the_vector():
    flat = flat_parameters()
    storage = flat.vector.untyped_storage().data_ptr()
    assert all(flat.weights[name].untyped_storage().data_ptr() == storage for name in flat.names)
    assert sum(flat.weights[name].numel() for name in flat.names) == flat.vector.numel()
    with torch.no_grad():
        flat.vector.fill_(3.0)
        assert all((flat.weights[name] == 3.0).all() for name in flat.names)
        flat.weights["embed.W_E"].fill_(4.0)
    assert int((flat.vector == 4.0).sum()) == flat.weights["embed.W_E"].numel()


def _in_memory(name: str, value: torch.Tensor) -> torch.Tensor:
    """A parameter's entries in the order in which they lie in the vector."""
    order = memory_order(name)
    return (value if order is None else value.permute(order)).flatten()


def test_parameters_are_copied_and_laid_out_in_order():
    config = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=12, biases=False)
    weights = random_weights(config, TASK, 0)
    before = {name: value.clone() for name, value in weights.items()}
    names = trained_names(weights, config)
    flat = FlatParameters(weights, names)
    assert flat.names == names
    assert list(flat.weights) == list(weights)
    assert torch.equal(flat.vector.detach(), torch.cat([_in_memory(name, weights[name]) for name in names]))
    assert all(torch.equal(flat.weights[name].detach(), weights[name]) for name in weights)
    with torch.no_grad():
        flat.vector.zero_()
    assert all(not flat.weights[name].any() for name in names)
    assert all(torch.equal(weights[name], before[name]) for name in weights)
    # What is not trained is there, and no leaf.
    assert not flat.weights["blocks.0.mlp.b_in"].requires_grad
    assert torch.equal(flat.weights["blocks.0.mlp.b_in"], before["blocks.0.mlp.b_in"])
    assert all(leaf.requires_grad and leaf.is_leaf for leaf in flat.leaves)


def test_gradients_are_written_in_place_and_a_missing_one_is_zeros():
    flat = flat_parameters()
    grads: list[torch.Tensor | None] = list(gradients(flat, 0))
    flat.set_gradient(grads)
    pointer = flat.vector.grad.data_ptr()
    expected = torch.cat(
        [
            _in_memory(name, torch.zeros_like(g) if i == 2 else g)
            for i, (name, g) in enumerate(zip(flat.names, grads, strict=True))
        ]
    )
    grads[2] = None
    # A gradient may come in any memory layout; the numbers go where the weight's are.
    grads[0] = grads[0].T.contiguous().T
    returned = flat.set_gradient(grads)
    assert flat.vector.grad.data_ptr() == pointer == returned.data_ptr()
    assert torch.equal(flat.vector.grad, expected)


@pytest.mark.parametrize("count", [-1, 1])
def test_a_wrong_number_of_gradients_is_refused(count):
    flat = flat_parameters()
    grads = gradients(flat, 0)
    with pytest.raises(ValueError):
        flat.set_gradient(grads[:-1] if count < 0 else [*grads, grads[0]])


@given(st.floats(1e-8, 10), st.integers(0, 30), st.integers(1, 100))
def test_the_warm_up_is_linear_and_then_constant(lr, warmup, step):
    rate = learning_rate(OptimizerConfig(lr=lr, warmup_steps=warmup), step, 1000)
    if step >= warmup:
        assert rate == lr
    else:
        assert rate == pytest.approx(lr * step / warmup, rel=1e-14)
        assert rate < lr


def test_the_default_warm_up_takes_ten_steps():
    rates = [learning_rate(OptimizerConfig(lr=1.0), step, 100) for step in range(1, 13)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0])


def test_sign_sgd_moves_every_entry_by_lr_or_not_at_all():
    flat = flat_parameters()
    flat.gradient.copy_(
        torch.tensor([1e-30, -5.0, 0.0, float("inf"), -0.0]).repeat(len(flat.vector))[: len(flat.vector)]
    )
    before = flat.vector.detach().clone()
    rule = build_optimizer(OptimizerConfig(name="signsgd"), flat)
    rule.step(0.25)
    expected = torch.tensor([-0.25, 0.25, 0.0, -0.25, 0.0], dtype=torch.float64).repeat(len(before))[: len(before)]
    torch.testing.assert_close(flat.vector.detach() - before, expected, rtol=0, atol=1e-12)
    assert torch.equal(flat.vector.detach()[2::5], before[2::5])
    assert rule.tensors() == {}


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_sign_sgd_needs_a_positive_rate(rate):
    with pytest.raises(ConfigError, match=r"optimizer\.lr = "):
        OptimizerConfig(name="signsgd", lr=rate)


def test_states_that_torch_optimizers_wrote_are_restored():
    """Runs written when Muon and Scion were torch optimizers: their moments, by torch's numbers of parameters."""
    flat = flat_parameters()
    vector = {"0.average": torch.randn_like(flat.vector.detach())}
    rule = build_optimizer(OURS["clipped scion"], flat)
    rule.restore(vector)
    assert torch.equal(rule.tensors()["0.average"], vector["0.average"])

    rule = build_optimizer(OURS["muon"], flat)
    others = [name for name in flat.names if not is_orthogonalised(name)]
    written = {"0.momentum_buffer": torch.randn_like(flat.vector.detach())}
    for number, name in enumerate(others, start=1):
        value = torch.randn_like(flat.weights[name].detach())
        written |= {f"{number}.step": torch.tensor(3.0), f"{number}.exp_avg": value, f"{number}.exp_avg_sq": value**2}
    rule.restore(written)
    assert set(rule.tensors()) == set(written)
    assert all(torch.equal(value, written[name]) for name, value in rule.tensors().items())


def test_a_state_that_lacks_a_moment_is_refused():
    rule = build_optimizer(OURS["muon"], flat_parameters())
    with pytest.raises(KeyError, match="exp_avg"):
        rule.restore({name: value for name, value in rule.tensors().items() if not name.endswith("exp_avg")})
