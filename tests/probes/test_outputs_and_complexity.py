"""Logit statistics and effective ranks against numpy and closed forms; SGLD against models whose answer is known."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import initial_weights
from grokscope.probes import Walk, circuits, effective_rank, learning_coefficient, output_statistics
from grokscope.tasks import build_task


def _numpy_statistics(z: np.ndarray, y: np.ndarray) -> dict[str, float]:
    centred = z - z.mean(1, keepdims=True)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    others = z.copy()
    others[rows, y] = -np.inf
    return {
        "logit_std": float(np.sqrt((centred**2).mean())),
        "margin": float((z[rows, y] - others.max(1)).mean()),
        "entropy": float(-(p * np.log(p)).sum(1).mean()),
        "zero_loss": 0.0,
        "collapse": 0.0,
    }


def test_output_statistics_agree_with_numpy():
    source = torch.Generator().manual_seed(0)
    z = torch.randn(40, 7, dtype=torch.float64, generator=source)
    y = torch.randint(7, (40,), generator=source)
    assert output_statistics(z, y) == pytest.approx(_numpy_statistics(z.numpy(), y.numpy()))


def test_softmax_collapse_begins_where_float32_rounds_and_not_in_float64():
    # exp(-17) = 4.1e-8 < 2^-24 = 6.0e-8 is lost beside 1 in float32; exp(-16) = 1.1e-7 is not.
    z = torch.zeros(2, 2)
    z[0, 1], z[1, 1] = -17.0, -16.0
    y = torch.tensor([0, 0])
    assert output_statistics(z, y)["collapse"] == 0.5
    assert output_statistics(z, y)["zero_loss"] == 0.5
    assert output_statistics(z.double(), y)["collapse"] == 0.0
    # A collapse on the wrong answer is one too, and no zero loss.
    wrong = output_statistics(z[:1], torch.tensor([1]))
    assert (wrong["collapse"], wrong["zero_loss"], wrong["margin"]) == (1.0, 0.0, -17.0)


def test_statistics_do_not_change_when_a_constant_is_added_to_all_logits():
    z = torch.randn(9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.arange(9) % 5
    assert output_statistics(z + 3.0, y) == pytest.approx(output_statistics(z, y))


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_equal_singular_values_have_their_number_as_effective_rank(rank):
    source = torch.Generator().manual_seed(0)
    u, _ = torch.linalg.qr(torch.randn(9, 6, dtype=torch.float64, generator=source))
    v, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=source))
    matrix = 5 * u[:, :rank] @ v[:, :rank].T
    assert effective_rank(matrix) == pytest.approx(rank)
    assert effective_rank(-0.1 * matrix.T) == pytest.approx(rank)


def test_effective_rank_of_known_singular_values():
    p = np.array([0.5, 0.25, 0.25])
    assert effective_rank(torch.diag(torch.tensor([2.0, 1.0, 1.0]))) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert np.isnan(effective_rank(torch.zeros(2, 3)))


def test_circuits_are_the_products_that_the_network_applies():
    config = ModelConfig(n_layers=2, d_model=8, n_heads=2, d_mlp=12, dtype="float64")
    weights = initial_weights(config, build_task(TaskConfig(name="mul", modulus=5)), 0)
    found = dict(circuits(weights, 2))
    x, y = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind(0)
    q, k = x @ weights["blocks.1.attn.W_Q"][1], y @ weights["blocks.1.attn.W_K"][1]
    torch.testing.assert_close(x @ found["blocks.1.attn.QK.1"] @ y, q @ k)
    moved = x @ weights["blocks.0.attn.W_V"][0] @ weights["blocks.0.attn.W_O"][0]
    torch.testing.assert_close(x @ found["blocks.0.attn.OV.0"], moved)
    assert found["blocks.1.mlp.out_U"].shape == (12, weights["unembed.W_U"].shape[1])
    assert len(found) == 3 + 2 * (2 * 2 + 3 + 1 + 2 + 1)


def _quadratic(curvature: torch.Tensor):
    return lambda w: (float((curvature * w * w).sum() / 2), curvature * w)


def test_the_learning_coefficient_of_a_quadratic_minimum_is_that_of_its_gaussian():
    """n beta E[L] = sum_i (n beta h_i / 2) var_i; the discretised walk's variance is 1 / (a (1 - eps a / 4))."""
    n, walk = 1000, Walk(epsilon=2e-3, gamma=5.0, draws=20_000, burn_in=2000, chains=2)
    h = torch.tensor([0.3, 1.0, 2.0, 0.05], dtype=torch.float64)
    n_beta = n / log(n)
    a = n_beta * h + walk.gamma
    exact = float((n_beta * h / 2 / (a * (1 - walk.epsilon * a / 4))).sum())
    found = learning_coefficient(_quadratic(h), torch.zeros(4, dtype=torch.float64), 0.0, n, walk)
    # The slowest direction forgets in 2 / (eps a) = 80 steps: about 500 independent draws, so 5%.
    assert found.value == pytest.approx(exact, rel=0.05)
    assert exact == pytest.approx(2.0, rel=0.2)  # d / 2, less what gamma takes
    assert not found.diverged


def test_the_learning_coefficient_of_a_quartic_minimum_is_a_quarter():
    def quartic(w):
        return float((w**4).sum()), 4 * w**3

    walk = Walk(epsilon=1e-3, gamma=0.0, draws=60_000, burn_in=2000, chains=2)
    found = learning_coefficient(quartic, torch.zeros(1, dtype=torch.float64), 0.0, 1000, walk)
    assert found.value == pytest.approx(0.25, rel=0.1)


def test_a_walk_that_diverges_says_so_and_bad_settings_are_refused():
    steep = _quadratic(torch.full((2,), 1e6, dtype=torch.float64))
    found = learning_coefficient(steep, torch.ones(2, dtype=torch.float64), 1e6, 1000, Walk(epsilon=1.0))
    assert found.diverged
    assert np.isnan(found.value)
    with pytest.raises(ValueError, match="n = 2 is too few"):
        learning_coefficient(steep, torch.zeros(2), 0.0, 2, Walk())
    for field, value in (("epsilon", 0.0), ("gamma", -1.0), ("draws", 0), ("chains", 0), ("burn_in", -1)):
        with pytest.raises(ValueError, match=f"walk.{field} = "):
            Walk(**{field: value})
