"""Muon against torch's Muon on matrices and torch's Adam on the rest."""

from __future__ import annotations

import pytest
import torch

from grokscope.config import OptimizerConfig
from grokscope.model import as_matrix, role
from grokscope.optimizers import WeightDecay, build_optimizer
from grokscope.optimizers.rules.muon import is_orthogonalised
from tests.optimizers.parameters import copies, flat_parameters, gradients, named_gradients

BETAS = (0.8, 0.95)
FLAT = flat_parameters()
MATRICES = [name for name in FLAT.names if is_orthogonalised(name)]
REST = [name for name in FLAT.names if name not in MATRICES]


def _exact_newton_schulz(matrix: torch.Tensor) -> torch.Tensor:
    """U s(S) V^T from the singular value decomposition: the iteration without its rounding."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    s = s / (s.norm(dim=-1, keepdim=True) + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u * s[..., None, :] @ vt


def _steps(config: OptimizerConfig, count: int, dtype: str = "float64", lrs: list[float] | None = None):
    flat = flat_parameters(dtype)
    optimizer = build_optimizer(config, flat)
    for step in range(count):
        flat.set_gradient(gradients(flat, step))
        optimizer.step(config.lr if lrs is None else lrs[step])
    return flat


def test_matrices_of_attention_and_mlps_are_orthogonalised_and_nothing_else():
    assert {role(name) for name in MATRICES} == {"attention", "mlp"}
    assert {name.rpartition(".")[2] for name in MATRICES} == {"W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"}
    assert {"embed.W_E", "pos_embed.W_pos", "unembed.W_U", "unembed.b_U", "ln_final.w"} <= set(REST)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_matrices_follow_torch_optim_muon(momentum):
    """Nesterov momentum, five quintics, and steps sqrt(max(1, d_out / d_in)) long."""
    config = OptimizerConfig(name="muon", lr=0.02, momentum=momentum)
    flat = _steps(config, 6)
    start = flat_parameters()
    theirs = {n: torch.nn.Parameter(as_matrix(n, start.weights[n].detach()).clone()) for n in MATRICES}
    library = torch.optim.Muon(list(theirs.values()), lr=0.02, momentum=momentum, weight_decay=0.0, nesterov=True)
    for step in range(6):
        grads = named_gradients(start, step)
        for name, parameter in theirs.items():
            parameter.grad = as_matrix(name, grads[name]).clone()
        library.step()
    for name, parameter in theirs.items():
        first, ours = (as_matrix(name, f.weights[name].detach()) for f in (start, flat))
        # torch iterates in bfloat16, whose 8 bits are 0.4% at each of 15 products a step: a few percent of what moved.
        assert float((ours - parameter.detach()).norm() / (ours - first).norm()) < 0.03


@pytest.mark.parametrize("heads", ["joined", "per_head"])
def test_matrices_follow_the_formula_in_double_precision(heads):
    m, lr = 0.9, 0.02
    flat = _steps(OptimizerConfig(name="muon", lr=lr, momentum=m, heads=heads), 5)
    start = flat_parameters()
    for name in MATRICES:
        w = as_matrix(name, start.weights[name].detach(), heads).clone()
        b = torch.zeros_like(w)
        for step in range(5):
            g = as_matrix(name, named_gradients(start, step)[name], heads)
            b = m * b + (1 - m) * g
            d_out, d_in = w.shape[-2:]
            w -= lr * max(1.0, d_out / d_in) ** 0.5 * _exact_newton_schulz((1 - m) * g + m * b)
        # The iteration multiplies rounding by 485 in five steps, on entries near 0.1.
        torch.testing.assert_close(as_matrix(name, flat.weights[name].detach(), heads), w, rtol=0, atol=1e-12)


@pytest.mark.parametrize("adam_lr", [None, 3e-3])
def test_everything_else_follows_torch_optim_adam(adam_lr):
    lrs = [0.01 * min(1.0, (step + 1) / 5) for step in range(20)]
    config = OptimizerConfig(name="muon", lr=0.01, momentum=0.9, betas=BETAS, adam_lr=adam_lr)
    flat, start = _steps(config, 20, lrs=lrs), flat_parameters()
    theirs = {name: torch.nn.Parameter(value) for name, value in copies(start).items() if name in REST}
    library = torch.optim.Adam(list(theirs.values()), betas=BETAS, foreach=False)
    for step, lr in enumerate(lrs):
        # Adam's rate warms up with the common one.
        library.param_groups[0]["lr"] = lr if adam_lr is None else lr * adam_lr / 0.01
        grads = named_gradients(start, step)
        for name, parameter in theirs.items():
            parameter.grad = grads[name]
        library.step()
    for name, parameter in theirs.items():
        torch.testing.assert_close(flat.weights[name].detach(), parameter.detach(), rtol=1e-12, atol=1e-14)


def test_heads_joined_and_apart_differ_in_attention_alone():
    config = {"name": "muon", "momentum": 0.9}
    joined, apart = (_steps(OptimizerConfig(**config, heads=heads), 3) for heads in ("joined", "per_head"))
    for name in joined.names:
        same = torch.equal(joined.weights[name], apart.weights[name])
        assert same == (role(name) != "attention")


def test_each_head_of_its_own_moves_as_a_matrix_of_its_own():
    """Scaling one head's gradient changes no update per head, and the other head's update where they are joined."""
    moved = {}
    for heads in ("joined", "per_head"):
        for factor in (1.0, 50.0):
            flat = flat_parameters()
            grads = named_gradients(flat, 0)
            grads["blocks.0.attn.W_Q"][1] *= factor
            flat.set_gradient(list(grads.values()))
            build_optimizer(OptimizerConfig(name="muon", heads=heads), flat).step(1e-3)
            moved[heads, factor] = flat.weights["blocks.0.attn.W_Q"].detach()
    # Up to the epsilon of 1e-7 beside norms of 5.
    torch.testing.assert_close(moved["per_head", 1.0], moved["per_head", 50.0], rtol=0, atol=1e-8)
    assert float((moved["joined", 1.0][0] - moved["joined", 50.0][0]).abs().max()) > 1e-4


def test_float32_is_double_precision_rounded():
    config = OptimizerConfig(name="muon", momentum=0.9)
    double, single = _steps(config, 5), _steps(config, 5, dtype="float32")
    # 485 roundings of 6e-8 of entries below 1, times a rate of 1e-3, and the weights' own rounding.
    torch.testing.assert_close(single.vector.double(), double.vector, rtol=3e-7, atol=3e-7)


def test_its_weight_decay_is_decoupled_at_the_rate_of_each_parameter():
    config = OptimizerConfig(name="muon", lr=0.01, momentum=0.9, betas=BETAS, adam_lr=2e-3, weight_decay=0.5)
    flat, plain = flat_parameters(), flat_parameters()
    for parameters, decays in ((flat, True), (plain, False)):
        parameters.set_gradient(gradients(parameters, 0))
        before = copies(parameters)
        if decays:
            WeightDecay(config, parameters.names).apply_(
                parameters.weights, parameters.views(parameters.vector.grad), 0.01
            )
        build_optimizer(config, parameters).step(0.01)
    for name in flat.names:
        lr = 0.01 if name in MATRICES else 2e-3
        expected = plain.weights[name] - lr * 0.5 * before[name]
        torch.testing.assert_close(flat.weights[name], expected, rtol=1e-13, atol=1e-15)
