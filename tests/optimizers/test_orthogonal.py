"""Newton-Schulz against numpy's singular value decomposition, and against torch.optim.Muon's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim._muon import _zeropower_via_newtonschulz

from grokscope.optimizers.lmo import SPECTRAL_EXCESS
from grokscope.optimizers.orthogonal import orthogonalised, orthogonalised_values


def _matrix(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _quintics(s: float, steps: int) -> float:
    """The published polynomial on one number, `steps` times."""
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return s


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 6), st.integers(0, 2**20))
def test_singular_vectors_are_kept_and_singular_values_go_through_the_quintic(n_out, n_in, steps, seed):
    matrix = _matrix(n_out, n_in, seed=seed)
    u, s, vt = np.linalg.svd(matrix.numpy(), full_matrices=False)
    # The norm is 1e-7 larger than the matrix's own (the published epsilon): it belongs to the formula.
    mapped = [_quintics(x / (np.linalg.norm(s) + 1e-7), steps) for x in s]
    # Five steps multiply rounding by at most 3.4445^5 = 485, where singular values are small.
    assert orthogonalised(matrix, steps).numpy() == pytest.approx(u * mapped @ vt, abs=1e-11)
    ours = orthogonalised_values(torch.from_numpy(s / np.linalg.norm(s)), steps)
    assert ours.tolist() == pytest.approx([_quintics(x / np.linalg.norm(s), steps) for x in s], abs=1e-12)


def test_five_steps_bring_singular_values_of_size_near_one():
    s = torch.linspace(0.01, 1, 10_001, dtype=torch.float64)
    mapped = orthogonalised_values(s)
    assert 0.65 < float(mapped.min()) < 1 < float(mapped.max()) <= SPECTRAL_EXCESS
    fine = torch.linspace(0, 1, 2_000_001, dtype=torch.float64)
    assert float(orthogonalised_values(fine).max()) == pytest.approx(SPECTRAL_EXCESS, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_a_tall_matrix_is_a_wide_one_transposed_and_a_batch_is_one_after_another(shape):
    batch = _matrix(4, *shape)
    together = orthogonalised(batch)
    for matrix, found in zip(batch, together, strict=True):
        torch.testing.assert_close(orthogonalised(matrix), found, rtol=0, atol=1e-13)
        torch.testing.assert_close(orthogonalised(matrix.mT).mT, found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (2, 4, 4)])
def test_zeros_give_zeros_and_the_matrix_given_stays(shape):
    assert torch.equal(orthogonalised(torch.zeros(shape)), torch.zeros(shape))
    matrix = _matrix(*shape)
    orthogonalised(matrix)
    assert torch.equal(matrix, _matrix(*shape))


def test_scale_does_not_matter():
    matrix = _matrix(6, 9)
    # Up to the epsilon of 1e-7 beside the norm, which small singular values feel 485 times, relatively as much.
    torch.testing.assert_close(orthogonalised(1e3 * matrix), orthogonalised(matrix), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8), (48, 16)])
def test_it_is_the_iteration_of_torch_to_the_precision_of_bfloat16(shape):
    matrix = _matrix(*shape)
    theirs = _zeropower_via_newtonschulz(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7).double()
    ours = orthogonalised(matrix)
    # bfloat16 keeps 8 bits: 0.4% of entries of size up to 1 at each of 15 products.
    assert float((ours - theirs).norm() / ours.norm()) < 0.03
