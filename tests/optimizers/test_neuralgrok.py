"""NeuralGrok's amplifier against a network of torch layers and automatic differentiation."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from grokscope.config import GradientConfig
from grokscope.optimizers.transforms.neuralgrok import AmplifierTransform, NeuralGrok
from tests.optimizers.parameters import copies, flat_parameters, gradients
from tests.optimizers.test_piecewise import LAYERS, dense

SETTINGS: dict[str, Any] = {"name": "neuralgrok", "amplifier_width": 12, "amplifier_scale": 0.3}


def _transform(flat, seed: int = 3, **changes: Any) -> AmplifierTransform:
    config = GradientConfig(**{**SETTINGS, **changes})
    assert isinstance(config, NeuralGrok)
    return config.build(flat, seed)


def _amplified(layers: torch.nn.Module | None, parts: list[torch.Tensor], c: float) -> list[torch.Tensor]:
    """c (p * g) / ||p * g||_2 of every parameter, p = softmax(phi(g)), in the paper's letters."""
    out = []
    for g in parts:
        p = torch.ones_like(g) if layers is None else torch.softmax(layers(g[:, None])[:, 0], dim=0)
        out.append(c * (p * g) / (p * g).norm())
    return out


def _parts(flat, vector: torch.Tensor) -> list[torch.Tensor]:
    return list(vector.split([flat.weights[name].numel() for name in flat.names]))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
@pytest.mark.parametrize("amplifier", ["trained", "frozen", "normalise"])
def test_gradients_are_amplified_as_the_formula_says(amplifier, scale):
    flat = flat_parameters()
    transform = _transform(flat, amplifier=amplifier)
    gradient = flat.set_gradient([scale * grad for grad in gradients(flat, 0)]).clone()
    layers = None if amplifier == "normalise" else dense(transform.amplifier)
    expected = torch.cat(_amplified(layers, _parts(flat, gradient), 0.3)).detach()
    # The epsilon of 1e-12 beside ||p * g|| >= 1e-6: p is near 1 / size.
    torch.testing.assert_close(transform.amplified(gradient), expected, rtol=1e-5 if scale < 1 else 1e-9, atol=0)


def test_every_parameter_gets_a_gradient_of_norm_c_and_all_of_them_are_clipped_together():
    flat = flat_parameters()
    gradient = flat.set_gradient(gradients(flat, 0)).clone()
    transform = _transform(flat, clip_norm=1e3)
    plain = gradient.clone()
    transform.apply_(plain)
    assert [float(part.norm()) for part in _parts(flat, plain)] == pytest.approx([0.3] * len(flat.names), rel=1e-9)
    assert torch.equal(plain, transform.amplified(gradient))
    joint = 0.3 * len(flat.names) ** 0.5
    assert joint > 1.0
    clipped = gradient.clone()
    _transform(flat, clip_norm=1.0).apply_(clipped)
    torch.testing.assert_close(clipped, plain / joint, rtol=1e-9, atol=0)
    assert float(clipped.norm()) == pytest.approx(1.0, rel=1e-12)


def test_normalised_gradients_keep_their_direction():
    flat = flat_parameters()
    gradient = flat.set_gradient(gradients(flat, 0)).clone()
    for plain, found in zip(
        _parts(flat, gradient), _parts(flat, _transform(flat, amplifier="normalise").amplified(gradient)), strict=True
    ):
        torch.testing.assert_close(found, 0.3 * plain / plain.norm(), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("amplifier", ["trained", "normalise"])
def test_a_gradient_of_zeros_stays_zeros(amplifier):
    flat = flat_parameters("float32")
    transform = _transform(flat, amplifier=amplifier)
    gradient = torch.zeros_like(flat.vector.detach())
    transform.apply_(gradient)
    assert not gradient.any()
    grads = gradients(flat, 0)
    grads[3].zero_()
    gradient = flat.set_gradient(grads)
    transform.apply_(gradient)
    assert [bool(part.any()) for part in _parts(flat, gradient)] == [i != 3 for i in range(len(grads))]


def test_weights_of_training_are_not_in_the_amplifier_nor_changed_by_it():
    flat = flat_parameters()
    before = copies(flat)
    transform = _transform(flat)
    gradient = flat.set_gradient(gradients(flat, 0)).clone()
    transform.learn(gradient, gradient, 0.1)
    assert all(torch.equal(flat.weights[name], before[name]) for name in flat.names)


def test_outer_steps_are_due_every_so_many_for_a_trained_amplifier_alone():
    flat = flat_parameters()
    due = [step for step in range(1, 13) if _transform(flat, outer_every=3).outer_due(step)]
    assert due == [3, 6, 9, 12]
    for control in ("frozen", "normalise"):
        assert not any(_transform(flat, amplifier=control).outer_due(step) for step in range(1, 13))


def _logistic_loss(theta: torch.Tensor) -> torch.Tensor:
    """Of 40 examples under random labels: smooth, and not quadratic."""
    source = torch.Generator().manual_seed(9)
    features = torch.randn((40, len(theta)), generator=source, dtype=torch.float64) / len(theta) ** 0.5
    sign = torch.randn(40, generator=source, dtype=torch.float64).sign()
    return torch.nn.functional.softplus(-sign * (features @ theta)).mean()


def test_learning_is_adam_on_the_outer_loss_by_automatic_differentiation():
    """d/dphi of loss(theta - lr G_phi(g)), through the layers, the softmax and the update; then Adam with L2."""
    flat = flat_parameters()
    settings = {"amplifier_lr": 0.01, "amplifier_betas": (0.8, 0.9), "amplifier_weight_decay": 0.1}
    transform = _transform(flat, **settings)
    layers = dense(transform.amplifier)
    adam = torch.optim.Adam(layers.parameters(), lr=0.01, betas=(0.8, 0.9), weight_decay=0.1)
    theta = flat.vector.detach()
    for step in range(5):
        gradient, lr = flat.set_gradient(gradients(flat, step)).clone(), 0.5 + 0.1 * step
        # Ours: from the gradient of the outer loss at the moved weights.
        moved = (theta - lr * transform.amplified(gradient)).requires_grad_()
        (outer,) = torch.autograd.grad(_logistic_loss(moved), moved)
        found = transform.learn(gradient, outer, lr)
        # Theirs: end to end.
        adam.zero_grad()
        _logistic_loss(theta - lr * torch.cat(_amplified(layers, _parts(flat, gradient), 0.3))).backward()
        for name, parameter in layers.named_parameters():
            expected = parameter.grad.reshape(found[LAYERS[name]].shape)
            torch.testing.assert_close(found[LAYERS[name]], expected, rtol=1e-8, atol=1e-14)
        assert any(bool(parameter.grad.any()) for parameter in layers.parameters())
        adam.step()
        for name, parameter in layers.named_parameters():
            ours = transform.amplifier.parameters[LAYERS[name]].detach()
            # Adam divides gradients by their size, errors with them: where they are near 0 it feels the rounding.
            torch.testing.assert_close(ours, parameter.detach().reshape(ours.shape), rtol=0, atol=1e-8)


def test_learning_lowers_the_outer_loss():
    flat = flat_parameters()
    transform = _transform(flat, amplifier_lr=0.01, amplifier_weight_decay=0.0)
    gradient, theta = flat.set_gradient(gradients(flat, 0)).clone(), flat.vector.detach()

    def outer_loss() -> float:
        return float(_logistic_loss(theta - transform.amplified(gradient)))

    first = outer_loss()
    for _ in range(50):
        moved = (theta - transform.amplified(gradient)).requires_grad_()
        (outer,) = torch.autograd.grad(_logistic_loss(moved), moved)
        transform.learn(gradient, outer, 1.0)
    assert outer_loss() < first - 1e-3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_gradient_that_is_not_finite_does_not_pass_for_one_that_is(value):
    flat = flat_parameters("float32")
    gradient = flat.set_gradient(gradients(flat, 0))
    gradient[17] = value
    _transform(flat).apply_(gradient)
    assert not bool(gradient.isfinite().all())
