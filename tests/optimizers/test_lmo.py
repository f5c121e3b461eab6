"""Directions of steepest descent attain the dual norm of their ball: norms, duals and maximisers by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import OptimizerConfig
from grokscope.model import is_matrix
from grokscope.optimizers.lmo import SPECTRAL_EXCESS, direction, norm, resolved
from grokscope.optimizers.rules.scion import balls
from tests.optimizers.parameters import flat_parameters

MATRIX_LMOS = ("spectral", "sign", "col_norm", "row_norm")
EXACT = ("sign", "col_norm", "row_norm", "bias_rms")
SPECTRAL_LEAST = 0.65
"""What Newton-Schulz leaves at least of singular values that are not far below the largest."""


def _numpy_norm(lmo: str, x: np.ndarray) -> float:
    """The norm by its definition (table 2 of the paper)."""
    if lmo == "bias_rms":
        return float(np.sqrt(np.mean(x**2)))
    d_out, d_in = x.shape
    return {
        "spectral": lambda: np.linalg.norm(x, ord=2) * np.sqrt(d_in / d_out),
        "sign": lambda: np.abs(x).max() * d_in,
        "col_norm": lambda: max(np.linalg.norm(column) / np.sqrt(d_out) for column in x.T),
        "row_norm": lambda: max(np.linalg.norm(row) * np.sqrt(d_in) for row in x),
    }[lmo]()


def _numpy_dual(lmo: str, d: np.ndarray) -> float:
    """max <d, x> over the unit ball, in closed form."""
    if lmo == "bias_rms":
        return float(np.linalg.norm(d) * np.sqrt(d.size))
    d_out, d_in = d.shape
    return {
        "spectral": lambda: np.linalg.norm(d, ord="nuc") * np.sqrt(d_out / d_in),
        "sign": lambda: np.abs(d).sum() / d_in,
        "col_norm": lambda: sum(np.linalg.norm(column) for column in d.T) * np.sqrt(d_out),
        "row_norm": lambda: sum(np.linalg.norm(row) for row in d) / np.sqrt(d_in),
    }[lmo]()


def _draw(lmo: str, n_out: int, n_in: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    shape = (n_out,) if lmo == "bias_rms" else (n_out, n_in)
    d, x = (torch.randn(shape, generator=source, dtype=torch.float64) for _ in range(2))
    return d, x


shapes = st.tuples(st.integers(1, 8), st.integers(1, 8))
seeds = st.integers(0, 2**20)


@pytest.mark.parametrize("lmo", [*MATRIX_LMOS, "bias_rms"])
@given(shape=shapes, seed=seeds)
def test_norms_are_those_of_the_definition(lmo, shape, seed):
    x, _ = _draw(lmo, *shape, seed)
    assert norm(lmo, x) == pytest.approx(_numpy_norm(lmo, x.numpy()), rel=1e-12)


@pytest.mark.parametrize("lmo", EXACT)
@given(shape=shapes, seed=seeds)
def test_a_direction_has_norm_one_attains_the_dual_norm_and_is_beaten_by_nothing_in_the_ball(lmo, shape, seed):
    d, x = _draw(lmo, *shape, seed)
    found = direction(lmo, d)
    assert norm(lmo, found) == pytest.approx(1.0, rel=1e-12)
    attained = float((d * found).sum())
    assert attained == pytest.approx(_numpy_dual(lmo, d.numpy()), rel=1e-12)
    inside = x / _numpy_norm(lmo, x.numpy())
    assert attained >= float((d * inside).sum()) - 1e-12


@given(shape=shapes, seed=seeds)
def test_the_spectral_direction_does_the_same_within_the_bounds_of_newton_schulz(shape, seed):
    d, x = _draw("spectral", *shape, seed)
    found = direction("spectral", d)
    assert norm("spectral", found) <= SPECTRAL_EXCESS * (1 + 1e-12)
    s = np.linalg.svd(d.numpy(), compute_uv=False)
    far = s < 0.01 * np.linalg.norm(s)  # those that five quintics have not brought up
    dual = _numpy_dual("spectral", d.numpy())
    least = SPECTRAL_LEAST * s[~far].sum() / s.sum()
    attained = float((d * found).sum())
    assert least * dual <= attained <= SPECTRAL_EXCESS * dual * (1 + 1e-9)
    inside = x / _numpy_norm("spectral", x.numpy())
    assert float((d * inside).sum()) <= dual * (1 + 1e-12)


def test_exactly_orthogonalised_the_spectral_direction_attains_the_dual_norm():
    d, _ = _draw("spectral", 6, 4, 0)
    u, _, vt = np.linalg.svd(d.numpy(), full_matrices=False)
    exact = np.sqrt(6 / 4) * u @ vt
    assert _numpy_norm("spectral", exact) == pytest.approx(1.0)
    assert float((d.numpy() * exact).sum()) == pytest.approx(_numpy_dual("spectral", d.numpy()))
    found = direction("spectral", d).numpy()
    assert (found * exact).sum() / np.linalg.norm(found) / np.linalg.norm(exact) > 0.97


@pytest.mark.parametrize("lmo", MATRIX_LMOS)
def test_heads_are_directed_each_for_itself_and_measured_by_the_largest(lmo):
    heads = torch.stack([_draw(lmo, 4, 6, seed)[0] * (seed + 1) for seed in range(3)])
    together = direction(lmo, heads)
    for head, found in zip(heads, together, strict=True):
        torch.testing.assert_close(found, direction(lmo, head), rtol=1e-12, atol=1e-13)
    assert norm(lmo, heads) == pytest.approx(max(norm(lmo, head) for head in heads))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lmo", [*MATRIX_LMOS, "bias_rms"])
def test_zeros_give_zeros_and_what_has_decayed_to_nothing_stays_in_the_ball(lmo, dtype):
    """Averages decay geometrically once gradients are exactly zero, through numbers whose squares underflow."""
    d, _ = _draw(lmo, 5, 3, 0)
    assert not direction(lmo, torch.zeros_like(d)).any()
    if lmo in ("col_norm", "row_norm"):
        d[2] = 0.0
        d[:, 1] = 0.0
    smallest = float(np.log10(torch.finfo(dtype).smallest_normal))
    for exponent in np.linspace(0, smallest - 8, 60):
        found = direction(lmo, (d * 10.0**exponent).to(dtype))
        assert bool(found.isfinite().all())
        assert norm(lmo, found) <= (SPECTRAL_EXCESS if lmo == "spectral" else 1.0) * (1 + 1e-5)
        if lmo in ("col_norm", "row_norm"):
            assert not found[2].any()
            assert not found[:, 1].any()


def test_auto_is_spectral_for_matrices_and_a_vector_has_one_norm_whatever_its_group():
    assert resolved("auto", is_matrix=True) == "spectral"
    assert resolved("row_norm", is_matrix=True) == "row_norm"
    assert {resolved(lmo, is_matrix=False) for lmo in ("auto", "bias_rms", "sign", "row_norm")} == {"bias_rms"}


def test_an_unknown_norm_is_refused():
    for function in (direction, norm):
        with pytest.raises(ValueError, match=r"lmo = 'auto' is not accepted: use spectral, sign"):
            function("auto", torch.ones(2, 2))


def test_groups_have_the_norms_and_radii_that_are_asked_for():
    config = OptimizerConfig(
        name="scion",
        radius=3.0,
        group_radius=(("unembed", 10.0), ("ln", 2.0)),
        group_lmo=(("embed", "col_norm"), ("unembed", "sign"), ("attention", "auto")),
    )
    flat = flat_parameters()
    found = balls(config, flat.names)
    assert list(found) == list(flat.names)
    assert (found["embed.W_E"].lmo, found["unembed.W_U"].lmo) == ("col_norm", "sign")
    for name, ball in found.items():
        if name not in ("embed.W_E", "unembed.W_U"):
            assert ball.lmo == ("spectral" if is_matrix(name) else "bias_rms")
    assert {name: ball.radius for name, ball in found.items() if ball.radius != 3.0} == {
        "unembed.W_U": 10.0,
        "unembed.b_U": 10.0,
        "blocks.0.ln1.w": 2.0,
        "blocks.0.ln2.w": 2.0,
    }
    # A token's vector is a column: its root mean square is its norm in the ball.
    value = flat.weights["embed.W_E"].detach()
    rms = value.square().mean(1).sqrt()
    assert found["embed.W_E"].norm(value) == pytest.approx(float(rms.max()) / 3.0)
