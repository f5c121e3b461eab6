"""The cap on norms of matrices against numpy's norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import ConfigError, ModelConfig, NormConfig, TaskConfig
from grokscope.model import as_matrix, in_scope, is_matrix, trained_names
from grokscope.norms import MatrixCap, NormControl, frobenius_norm, row_norms, spectral_norm, start_rows_
from grokscope.tasks import build_task
from tests.model.strategies import random_weights

CONFIG = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=12, dtype="float64", unembed_bias=True)
TASK = build_task(TaskConfig(name="mul", modulus=5))
NAMES = trained_names(random_weights(CONFIG, TASK, 0), CONFIG)
MATRICES = [name for name in NAMES if is_matrix(name)]
ORD = {"frobenius": "fro", "spectral": 2}


def _weights(scale: float = 1.0) -> dict[str, torch.Tensor]:
    return {name: value * scale if name in NAMES else value for name, value in random_weights(CONFIG, TASK, 0).items()}


def _norms(kind: str, name: str, value: torch.Tensor, heads: str = "joined") -> list[float]:
    matrix = as_matrix(name, value, heads).numpy()
    return [float(np.linalg.norm(part, ord=ORD[kind])) for part in matrix.reshape(-1, *matrix.shape[-2:])]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**20))
def test_norms_of_matrices_are_those_of_numpy(n_out, n_in, seed):
    matrix = torch.randn((2, n_out, n_in), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for kind, norm in (("frobenius", frobenius_norm), ("spectral", spectral_norm)):
        expected = [np.linalg.norm(part, ord=ORD[kind]) for part in matrix.numpy()]
        assert norm(matrix).numpy() == pytest.approx(expected, rel=1e-12)
        assert float(norm(torch.zeros_like(matrix)).max()) == 0.0


@pytest.mark.parametrize("heads", ["joined", "per_head"])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("kind", ORD)
def test_matrices_above_are_scaled_to_the_bound_and_others_stay_bit_for_bit(kind, ratio, heads):
    start, weights = _weights(), _weights()
    factors = {name: (3.0, 0.1, 1.2)[i % 3] for i, name in enumerate(MATRICES)}
    for name, factor in factors.items():
        weights[name].mul_(factor)
    before = {name: value.clone() for name, value in weights.items()}
    cap = MatrixCap(NormConfig(cap=kind, cap_ratio=ratio, cap_heads=heads), start, NAMES)
    assert list(cap.bounds) == MATRICES
    cap.apply_(weights, 1)
    for name in NAMES:
        if name not in MATRICES or factors[name] <= ratio:
            assert torch.equal(weights[name], before[name])
            continue
        # Scaled by one number: the direction is kept. Rounding of a norm of at most 96 entries, and of one product.
        assert _norms(kind, name, weights[name], heads) == pytest.approx(
            [ratio * norm for norm in _norms(kind, name, start[name], heads)], rel=1e-12
        )
        torch.testing.assert_close(weights[name], start[name] * ratio, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", ORD)
def test_heads_are_bound_each_for_itself_where_that_is_asked_for(kind):
    start = _weights()
    for heads in ("joined", "per_head"):
        weights = _weights()
        weights["blocks.0.attn.W_Q"][1].mul_(4.0)
        MatrixCap(NormConfig(cap=kind, cap_heads=heads), start, NAMES).apply_(weights, 1)
        first, second = weights["blocks.0.attn.W_Q"] / start["blocks.0.attn.W_Q"]
        if heads == "joined":  # both pay for the second
            assert float(first.max()) < 0.99
            assert float(second.min()) == pytest.approx(4 * float(first.max()), rel=1e-12)
        else:
            assert torch.equal(first, torch.ones_like(first))
            assert second.numpy() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("kind", ORD)
def test_a_second_application_changes_nothing_beyond_rounding(kind):
    weights = _weights(5.0)
    cap = MatrixCap(NormConfig(cap=kind), _weights(), NAMES)
    cap.apply_(weights, 1)
    once = {name: value.clone() for name, value in weights.items()}
    cap.apply_(weights, 1)
    for name in MATRICES:
        torch.testing.assert_close(weights[name], once[name], rtol=1e-14, atol=0)


def test_a_scope_is_its_matrices_alone():
    cap = MatrixCap(NormConfig(cap="frobenius", cap_scope=("unembed", "mlp")), _weights(), NAMES)
    assert set(cap.bounds) == {"unembed.W_U", "blocks.0.mlp.W_in", "blocks.0.mlp.W_out"}
    assert MatrixCap(NormConfig(), _weights(), NAMES).bounds == {}


@pytest.mark.parametrize("kind", ORD)
def test_the_cap_is_relative_to_the_projected_start(kind):
    weights = _weights()
    config = NormConfig(init_rows="all", init_norm=0.5, cap=kind)
    projected = _weights()
    start_rows_(projected, NormConfig(init_rows="all", init_norm=0.5))
    start = start_rows_(weights, config)
    for name in NAMES:
        assert torch.equal(start[name], projected[name])
    grown = {name: value * 2 for name, value in start.items()}
    NormControl(config, NAMES, start).apply_(grown, 1)
    for name in MATRICES:
        torch.testing.assert_close(grown[name], start[name], rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", ORD)
def test_a_ratio_below_one_binds_at_the_start(kind):
    weights = _weights()
    start = start_rows_(weights, NormConfig(cap=kind, cap_ratio=0.5))
    for name in MATRICES:
        assert torch.equal(start[name], _weights()[name])
        torch.testing.assert_close(weights[name], start[name] / 2, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", ORD)
def test_rows_are_clipped_first_and_both_bounds_hold_after(kind):
    start = _weights()
    config = NormConfig(max_norm=0.8, cap=kind, cap_ratio=0.7)
    weights = {name: value * 2 if name in NAMES else value for name, value in _weights().items()}
    by_hand = {name: value.clone() for name, value in weights.items()}
    NormControl(config, NAMES, start).apply_(weights, 1)
    NormControl(NormConfig(max_norm=0.8), NAMES).apply_(by_hand, 1)
    MatrixCap(NormConfig(cap=kind, cap_ratio=0.7), start, NAMES).apply_(by_hand, 1)
    assert all(torch.equal(weights[name], by_hand[name]) for name in NAMES)
    for name in in_scope(NAMES, ("decoder",)):
        if not name.endswith(("b_Q", "b_K", "b_V")):
            assert float(row_norms(name, weights[name]).max()) <= 0.8 * (1 + 1e-12)
    for name in MATRICES:
        assert _norms(kind, name, weights[name])[0] <= 0.7 * _norms(kind, name, start[name])[0] * (1 + 1e-12)


@pytest.mark.parametrize("kind", ORD)
def test_a_matrix_of_zeros_at_the_start_stays_zero(kind):
    start = _weights()
    start["unembed.W_U"].zero_()
    weights = _weights()
    cap = MatrixCap(NormConfig(cap=kind), start, NAMES)
    cap.apply_(weights, 1)
    assert not weights["unembed.W_U"].any()
    cap.apply_(weights, 1)
    assert not weights["unembed.W_U"].any()


@pytest.mark.parametrize("group", ["ln", "ln_final", "biases"])
def test_groups_without_matrices_are_refused_by_name(group):
    with pytest.raises(ConfigError, match=rf"norms\.cap_scope = .*: {group} has no matrices; leave it out"):
        NormConfig(cap_scope=("mlp", group))


def test_a_cap_without_a_start_says_what_is_missing():
    with pytest.raises(ValueError, match=r"norms\.cap = 'spectral' needs the weights at the start"):
        NormControl(NormConfig(cap="spectral"), NAMES).apply_(_weights(), 1)
