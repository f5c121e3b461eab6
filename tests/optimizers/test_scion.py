"""Scion and its clipped forms against a loop over parameters, written from the papers' formulas in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from grokscope.config import ModelConfig, OptimizerConfig, TaskConfig
from grokscope.model import as_matrix, initial_weights, is_buffer, is_matrix, trained_names
from grokscope.optimizers import build_optimizer
from grokscope.optimizers.lmo import SPECTRAL_EXCESS
from grokscope.optimizers.rules.scion import ScionRule, balls
from grokscope.tasks import build_task
from tests.optimizers.parameters import copies, flat_parameters, gradients, named_gradients

FORMS = ("scion", "unconstrained_scion", "clipped_scion", "unconstrained_clipped_scion")
MIXED = {
    "heads": "per_head",
    "radius": 1.5,
    "group_radius": (("unembed", 4.0), ("biases", 0.5)),
    "group_lmo": (("embed", "col_norm"), ("unembed", "sign"), ("mlp", "row_norm"), ("pos_embed", "sign")),
}


def _lmo(kind: str, d: np.ndarray, radius: float) -> np.ndarray:
    """argmin <d, x> over the ball of a radius, for one matrix [out, in] or one vector."""
    if kind == "bias_rms":
        return -radius * d / np.sqrt(np.mean(d**2))
    d_out, d_in = d.shape
    if kind == "spectral":
        u, s, vt = np.linalg.svd(d, full_matrices=False)
        s = s / (np.linalg.norm(s) + 1e-7)
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        return -radius * np.sqrt(d_out / d_in) * u * s @ vt
    out = np.zeros_like(d)
    if kind == "sign":
        for i, j in np.ndindex(*d.shape):
            out[i, j] = -radius * np.sign(d[i, j]) / d_in
    if kind == "col_norm":
        for j in range(d_in):
            out[:, j] = -radius * np.sqrt(d_out) * d[:, j] / np.linalg.norm(d[:, j])
    if kind == "row_norm":
        for i in range(d_out):
            out[i] = -radius * d[i] / np.linalg.norm(d[i]) / np.sqrt(d_in)
    return out


class NumpyScion:
    """Algorithms 1 and 2 of "LMOs" and 3 and 4 of "(L0, L1)", a parameter after another and a head after another.

    `rho` None is not clipped; steps are gamma min(rho, S) v with gamma = lr / rho.
    """

    def __init__(self, config: OptimizerConfig, weights: dict[str, torch.Tensor]) -> None:
        self.config = config
        lmos, radii = dict(config.group_lmo), dict(config.group_radius)
        self.x: dict[tuple[str, int], np.ndarray] = {}
        self.d: dict[tuple[str, int], np.ndarray] = {}
        self.kind: dict[tuple[str, int], str] = {}
        self.radius: dict[tuple[str, int], float] = {}
        for name, value in weights.items():
            group = _group(name)
            for part, x in enumerate(self.parts(name, value)):
                kind = lmos.get(group, "auto") if is_matrix(name) else "auto"
                self.x[name, part] = x.copy()
                self.d[name, part] = np.zeros_like(x)
                self.kind[name, part] = kind if kind != "auto" else ("spectral" if is_matrix(name) else "bias_rms")
                self.radius[name, part] = radii.get(group, config.radius)

    def parts(self, name: str, value: torch.Tensor) -> list[np.ndarray]:
        value = value.detach()
        if not is_matrix(name):
            return [value.numpy()]
        matrix = as_matrix(name, value, self.config.heads).numpy()
        return list(matrix) if matrix.ndim == 3 else [matrix]

    def step(self, grads: dict[str, torch.Tensor], lr: float) -> None:
        alpha, v, total = self.config.averaging, {}, 0.0
        for name, grad in grads.items():
            for part, g in enumerate(self.parts(name, grad)):
                key = name, part
                self.d[key] = alpha * g + (1 - alpha) * self.d[key]
                v[key] = -_lmo(self.kind[key], self.d[key], self.radius[key])
                if not self.config.name.startswith("unconstrained"):
                    v[key] = self.x[key] + v[key]
                total += float((self.d[key] * v[key]).sum())
        if "clipped" in self.config.name:
            gamma = lr / self.config.rho
            length = gamma * min(self.config.rho, max(total, 0.0))
        else:
            length = lr
        self.total = total
        for key in v:
            self.x[key] -= length * v[key]


def _group(name: str) -> str:
    """The group of a parameter, as the README names them."""
    module, leaf = name.rsplit(".", 1)
    if module in ("embed", "pos_embed", "unembed"):
        return module
    if leaf.startswith("W_"):
        return "attention" if module.endswith("attn") else "mlp"
    return "biases" if leaf.startswith("b") else ("ln_final" if module == "ln_final" else "ln")


def _config(name: str, **settings: Any) -> OptimizerConfig:
    return OptimizerConfig(name=name, **{"lr": 0.05, **settings})


def _started(config: OptimizerConfig):
    flat = flat_parameters()
    with torch.no_grad():
        config.start_inside_(flat.weights, flat.names)
    return flat


@pytest.mark.parametrize("settings", [{}, MIXED], ids=["auto", "mixed"])
@pytest.mark.parametrize(
    ("name", "rho"),
    [*((name, rho) for name in FORMS[2:] for rho in (1e-3, 150.0, 1e6)), *((n, 1.0) for n in FORMS[:2])],
)
def test_steps_are_those_of_the_published_algorithms(name, rho, settings):
    threshold = {"rho": rho} if "clipped" in name else {}
    config = _config(name, averaging=0.3, **threshold, **settings)
    flat = _started(config)
    oracle, optimizer = NumpyScion(config, copies(flat)), build_optimizer(config, flat)
    assert isinstance(optimizer, ScionRule)
    for step in range(6):
        grads = named_gradients(flat, step)
        flat.set_gradient(list(grads.values()))
        optimizer.step(config.lr)
        oracle.step(grads, config.lr)
        if rho == 150.0 and "clipped" in name:
            assert oracle.total > 0
        for parameter in flat.names:
            for part, ours in enumerate(oracle.parts(parameter, flat.weights[parameter])):
                # Rounding of the spectral direction (485 times 1e-16) through some steps.
                np.testing.assert_allclose(ours, oracle.x[parameter, part], rtol=0, atol=1e-12)


def test_the_threshold_is_on_one_sum_over_all_parameters():
    """S is neither of a parameter nor of a layer: one large gradient lengthens the step of every parameter."""
    config = _config("unconstrained_clipped_scion", rho=1e4)
    moved = []
    for factor in (1.0, 7.0):
        flat = flat_parameters()
        before = flat.vector.detach().clone()
        grads = named_gradients(flat, 0)
        grads["embed.W_E"] *= factor
        flat.set_gradient(list(grads.values()))
        build_optimizer(config, flat).step(config.lr)
        moved.append(flat.views(flat.vector.detach() - before))
    ratios = {name: float(moved[1][name].norm() / moved[0][name].norm()) for name in moved[0]}
    assert min(ratios.values()) > 1.05
    assert max(ratios.values()) == pytest.approx(min(ratios.values()), rel=1e-6)


@pytest.mark.parametrize("form", ["scion", "unconstrained_scion"])
def test_a_threshold_near_zero_is_scion_bit_for_bit(form):
    clipped = "unconstrained_clipped_scion" if form == "unconstrained_scion" else "clipped_scion"
    vectors = []
    for config in (_config(form), _config(clipped, rho=1e-9)):
        flat = _started(config)
        optimizer = build_optimizer(config, flat)
        for step in range(5):
            flat.set_gradient(gradients(flat, step))
            optimizer.step(config.lr)
        vectors.append(flat.vector.detach().clone())
    assert torch.equal(*vectors)


@pytest.mark.parametrize("form", ["clipped_scion", "unconstrained_clipped_scion"])
def test_a_threshold_that_is_never_reached_is_steepest_descent(form):
    """lr / rho = gamma held: x <- x - gamma S v, whatever rho."""
    gamma, vectors = 1e-6, []
    for rho in (1e5, 4e5):
        config = _config(form, lr=gamma * rho, rho=rho)
        flat = _started(config)
        optimizer = build_optimizer(config, flat)
        for step in range(5):
            flat.set_gradient(gradients(flat, step))
            optimizer.step(config.lr)
        vectors.append(flat.vector.detach().clone())
    torch.testing.assert_close(*vectors, rtol=1e-12, atol=1e-14)
    # By hand, one step: lengths are proportional to the size of the gradient.
    displacement = []
    for factor in (1.0, 1e-2):
        config = _config(form, lr=0.1, rho=1e6, radius=100.0)
        flat = _started(config)
        before = flat.vector.detach().clone()
        flat.set_gradient([factor * grad for grad in gradients(flat, 0)])
        build_optimizer(config, flat).step(config.lr)
        displacement.append(flat.vector.detach() - before)
    # The direction feels the epsilon of 1e-7 beside norms of 0.05.
    torch.testing.assert_close(displacement[1], displacement[0] / 100, rtol=0, atol=1e-7)


@pytest.mark.parametrize("heads", ["joined", "per_head"])
@pytest.mark.parametrize("name", ["scion", "clipped_scion"])
def test_constrained_weights_never_leave_their_balls(name, heads):
    threshold = {"rho": 50.0} if name == "clipped_scion" else {}
    config = _config(name, lr=1.0, averaging=0.7, **threshold, **{**MIXED, "heads": heads, "radius": 0.6})
    flat = _started(config)
    found, optimizer = balls(config, flat.names), build_optimizer(config, flat)
    for step in range(60):
        flat.set_gradient([(1 + step % 5) * grad for grad in gradients(flat, step)])
        optimizer.step((1.0, 0.3, 0.01)[step % 3])
        for parameter, ball in found.items():
            # Newton-Schulz ends outside the ball of the exact oracle, by its excess and no more.
            most = SPECTRAL_EXCESS if ball.lmo == "spectral" else 1.0
            assert ball.norm(flat.weights[parameter].detach()) <= most * (1 + 1e-12)


def test_unconstrained_weights_leave_every_ball_and_take_steps_of_the_radius():
    config = _config("unconstrained_scion", lr=0.5, **MIXED)
    flat = flat_parameters()
    found, optimizer = balls(config, flat.names), build_optimizer(config, flat)
    for _ in range(20):
        before = copies(flat)
        flat.set_gradient(gradients(flat, 0))
        optimizer.step(config.lr)
        for name, ball in found.items():
            if ball.lmo != "spectral":
                assert ball.norm((flat.weights[name] - before[name]).detach()) == pytest.approx(0.5, rel=1e-9)
    assert all(ball.norm(flat.weights[name].detach()) > 1 for name, ball in found.items())


@pytest.mark.parametrize("name", ["scion", "clipped_scion"])
def test_training_starts_inside_by_scaling_what_is_outside_alone(name):
    config = _config(name, radius=0.4, group_radius=(("mlp", 1e3), ("biases", 1e3)))
    flat = flat_parameters()
    before = copies(flat)
    with torch.no_grad():
        config.start_inside_(flat.weights, flat.names)
    for parameter, ball in balls(config, flat.names).items():
        size, value = ball.norm(before[parameter]), flat.weights[parameter].detach()
        if size <= 1:
            assert torch.equal(value, before[parameter])
        else:
            assert ball.norm(value) == pytest.approx(1.0, rel=1e-12)
            torch.testing.assert_close(value * size, before[parameter], rtol=1e-12, atol=0)
    assert torch.equal(flat.weights["blocks.0.mlp.W_in"].detach(), before["blocks.0.mlp.W_in"])


@pytest.mark.parametrize("name", ["unconstrained_scion", "unconstrained_clipped_scion"])
def test_unconstrained_training_starts_where_it_is(name):
    flat = flat_parameters()
    before = copies(flat)
    _config(name, radius=1e-3).start_inside_(flat.weights, flat.names)
    assert all(torch.equal(flat.weights[n], before[n]) for n in flat.names)


@pytest.mark.parametrize("radius", [0.1, 1.0, 50.0])
def test_layernorm_gains_are_never_zeroed_at_the_start(radius):
    config = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=12)
    weights = initial_weights(config, build_task(TaskConfig(name="add", modulus=5)), 0)
    _config("scion", radius=radius).start_inside_(weights, trained_names(weights, config))
    for name, value in weights.items():
        if name.endswith((".w", ".W_Q", ".W_E")) and not is_buffer(name):
            assert value.norm() > 0
    gain = weights["blocks.0.ln1.w"]
    assert torch.equal(gain, torch.full_like(gain, min(radius, 1.0)))


def test_outside_the_ball_the_clipped_form_waits_rather_than_going_back():
    """S can be below 0 where norm control left the weights outside; a negative length would climb."""
    config = _config("clipped_scion", radius=1e-3)
    flat = flat_parameters()  # not started inside
    grads = [-leaf.detach().clone() for leaf in flat.leaves]
    flat.set_gradient(grads)
    before = flat.vector.detach().clone()
    build_optimizer(config, flat).step(config.lr)
    assert torch.equal(flat.vector.detach(), before)


def test_a_parameter_without_gradient_goes_to_the_centre_or_stays():
    for name in FORMS:
        flat = _started(_config(name))
        grads = named_gradients(flat, 0)
        grads["unembed.W_U"].zero_()
        before = copies(flat)["unembed.W_U"]
        flat.set_gradient(list(grads.values()))
        rho = {"rho": 1e-9} if "clipped" in name else {}
        build_optimizer(_config(name, **rho), flat).step(0.05)
        expected = before if name.startswith("unconstrained") else 0.95 * before
        torch.testing.assert_close(flat.weights["unembed.W_U"].detach(), expected, rtol=1e-14, atol=0)


def test_the_bias_of_the_unembedding_has_a_ball_beside_a_matrix_norm_of_its_group():
    flat = flat_parameters()
    flat.set_gradient(gradients(flat, 0))
    before = copies(flat)["unembed.b_U"]
    build_optimizer(_config("unconstrained_scion", group_lmo=(("unembed", "sign"),)), flat).step(0.05)
    step = flat.weights["unembed.b_U"].detach() - before
    assert float(step.square().mean().sqrt()) == pytest.approx(0.05)
