"""Losses: StableMax by its definition, temperature, and what they are at extremes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, LossConfig
from grokscope.engine import loss_function


def _draw(scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    z = scale * torch.randn(20, 6, dtype=torch.float64, generator=source)
    return z, torch.randint(6, (20,), generator=source)


def _stablemax(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    s = np.where(z >= 0, z + 1, 1 / (1 - np.minimum(z, 0)))
    return -np.log(s[np.arange(len(y)), y] / s.sum(1))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 7.0])
def test_stablemax_is_its_definition(temperature):
    z, y = _draw()
    loss = loss_function(LossConfig(name="stablemax", temperature=temperature))
    expected = _stablemax(z.numpy() / temperature, y.numpy())
    np.testing.assert_allclose(loss(z, y, "none").numpy(), expected, rtol=1e-12)
    assert float(loss(z, y, "mean")) == pytest.approx(expected.mean())
    assert float(loss(z, y, "sum")) == pytest.approx(expected.sum())


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothing_is_that_of_torch_and_of_a_smoothed_target(smoothing, reduction):
    z, y = _draw()
    ours = loss_function(LossConfig(smoothing=smoothing, temperature=2.0))(z, y, reduction)
    theirs = torch.nn.functional.cross_entropy(z / 2, y, reduction=reduction, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)
    p = np.exp(z.numpy() / 2) / np.exp(z.numpy() / 2).sum(1, keepdims=True)
    target = (1 - smoothing) * np.eye(6)[y.numpy()] + smoothing / 6
    of_each = -(target * np.log(p)).sum(1)
    expected = {"none": of_each, "sum": of_each.sum(), "mean": of_each.mean()}[reduction]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_mse_is_the_mean_square_over_answers_and_examples(temperature):
    z, y = _draw()
    loss = loss_function(LossConfig(name="mse", temperature=temperature))
    errors = np.array(
        [[(z[i, j] / temperature - float(j == y[i])) ** 2 for j in range(6)] for i in range(20)], dtype=float
    )
    np.testing.assert_allclose(loss(z, y, "none").numpy(), errors.mean(1), rtol=1e-12)
    assert float(loss(z, y, "mean")) == pytest.approx(errors.mean())
    assert float(loss(z, y, "sum")) == pytest.approx(errors.mean(1).sum())


def test_a_loss_says_its_unit_and_reads_its_own_settings():
    assert [LossConfig(name=name).UNIT for name in ("cross_entropy", "stablemax", "mse")] == ["nats"] * 2 + [
        "squared error"
    ]
    with pytest.raises(ConfigError, match=r"loss\.smoothing = 0\.1 .*cross_entropy reads it, mse does not"):
        LossConfig(name="mse", smoothing=0.1)


def test_temperature_divides_the_logits_and_its_gradient():
    z, y = _draw()
    z.requires_grad_()
    loss = loss_function(LossConfig(temperature=4.0))(z, y, "mean")
    (ours,) = torch.autograd.grad(loss, z)
    p = torch.softmax(z.detach() / 4, 1)
    expected = (p - torch.nn.functional.one_hot(y, 6)) / 4 / len(y)
    torch.testing.assert_close(ours, expected)
    assert float(loss.detach()) == pytest.approx(float(-(p[torch.arange(20), y]).log().mean()))


def test_stablemax_keeps_a_gradient_where_softmax_has_collapsed():
    z = torch.tensor([[200.0, 0.0, -50.0]], requires_grad=True)
    y = torch.tensor([0])
    (collapsed,) = torch.autograd.grad(loss_function(LossConfig())(z, y, "mean"), z)
    (alive,) = torch.autograd.grad(loss_function(LossConfig(name="stablemax"))(z, y, "mean"), z)
    assert float(collapsed.abs().max()) == 0.0
    assert float(alive.abs().max()) > 1e-6
    huge = torch.tensor([[1e30, -1e30]])
    assert bool(torch.isfinite(loss_function(LossConfig(name="stablemax"))(huge, y, "mean")))


@pytest.mark.parametrize(("field", "value"), [("name", "hinge"), ("temperature", 0.0), ("temperature", float("nan"))])
def test_a_loss_that_does_not_exist_is_refused_by_field_and_value(field, value):
    with pytest.raises(ConfigError, match=f"loss.{field} = "):
        LossConfig(**{field: value})
