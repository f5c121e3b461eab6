"""Where inputs lie on the curve: against least squares by numpy, and networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.analysis import activation_regime
from grokscope.analysis.dynamics.activation_regime import _Moments
from grokscope.config import RunConfig, override
from grokscope.training import train

TINY = {
    "task.name": "mul", "modulus": 7, "n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 16, "dtype": "float64",
    "training.steps": 2, "batch_size": 6, "checkpoints.every": 2, "record_every": None,
}  # fmt: skip


@pytest.mark.parametrize("activation", ["gelu", "relu", "quadratic"])
def test_parts_are_those_of_least_squares_neuron_by_neuron(tmp_path, activation):
    run = train(override(RunConfig(), {**TINY, "activation": activation}), tmp_path / "run", progress=False)
    table = activation_regime(run)
    assert set(table["layer"]) == {0, 1}
    assert set(table["step"]) == {0, 2}
    for row in table.to_dict("records"):
        _, cache = run.model(row["step"]).run_with_cache(run.task.tokens)
        x, y = (cache[f"blocks.{row['layer']}.mlp.hook_{which}"][:, -1].numpy() for which in ("pre", "post"))
        assert row["small"] == pytest.approx((np.abs(x) < 1).mean())
        assert row["input_std"] == pytest.approx(np.sqrt(x.var(0).mean()))
        assert row["input_rms"] == pytest.approx(np.sqrt((x**2).mean()))
        explained = []
        for degree in (0, 1, 2):
            fits = [np.polyval(np.polyfit(x[:, i], y[:, i], degree), x[:, i]) for i in range(x.shape[1])]
            explained.append(((np.stack(fits, 1) - y.mean(0)) ** 2).sum())
        total = ((y - y.mean(0)) ** 2).sum()
        assert row["linear"] == pytest.approx((explained[1] - explained[0]) / total, abs=1e-9)
        assert row["quadratic"] == pytest.approx((explained[2] - explained[1]) / total, abs=1e-9)
        assert row["linear"] + row["quadratic"] + row["rest"] == pytest.approx(1.0)
        if activation == "quadratic":
            assert row["rest"] == pytest.approx(0.0, abs=1e-9)


def _row(x, y):
    moments = _Moments()
    for some in torch.arange(len(x)).split(100):
        moments.add(x[some], y[some])
    return moments.row()


@pytest.mark.parametrize(("scale", "least"), [(0.01, "linear"), (0.1, "linear")])
def test_a_gelu_of_small_inputs_is_linear_and_a_square(scale, least):
    """gelu(x) = x / 2 + x^2 / sqrt(2 pi) + O(x^4); the share of the square grows with the variance."""
    x = scale * torch.randn(20000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    row = _row(x, torch.nn.functional.gelu(x))
    # Variances: s^2 / 4 of x / 2, and 2 s^4 / (2 pi) of x^2 / sqrt(2 pi).
    expected = (2 * scale**4 / (2 * np.pi)) / (scale**2 / 4)
    assert row["quadratic"] / row[least] == pytest.approx(expected, rel=0.05 + 2 * scale**2)
    assert row["small"] == 1.0


def test_a_relu_of_normal_inputs_has_the_shares_of_its_hermite_coefficients():
    x = torch.randn(200000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    row = _row(x, torch.relu(x))
    # relu = sum of c_k He_k: c_1 = 1/2, c_2 = 1 / (2 sqrt(2 pi)); variance 1/2 - 1/(2 pi); energies c_k^2 k!.
    variance = 0.5 - 1 / (2 * np.pi)
    assert row["linear"] == pytest.approx(0.25 / variance, rel=0.01)
    assert row["quadratic"] == pytest.approx(2 / (8 * np.pi) / variance, rel=0.02)


def test_constant_neurons_have_no_parts():
    row = _row(torch.full((10, 2), 0.5, dtype=torch.float64), torch.full((10, 2), 0.3, dtype=torch.float64))
    assert np.isnan(row["linear"])
    assert np.isnan(row["rest"])
