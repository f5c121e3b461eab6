"""The transform on G x G, against sums written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.transform import Transform
from grokscope.groups import CyclicGroup, DihedralGroup, FiniteGroup, SymmetricGroup, UnitsModulo

GROUPS = {
    "Z2": CyclicGroup(2),
    "Z7": CyclicGroup(7),
    "Z12": CyclicGroup(12),
    "units mod 11": UnitsModulo(11),
    "D4": DihedralGroup(4),
    "S3": SymmetricGroup(3),
    "S4": SymmetricGroup(4),
}


@pytest.fixture(params=GROUPS, ids=lambda name: name.replace(" ", "-"))
def group(request: pytest.FixtureRequest) -> FiniteGroup:
    return GROUPS[request.param]


def activations(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_transform_is_the_sum_over_pairs(group: FiniteGroup) -> None:
    n, f = group.order, group.fourier_basis()
    x = activations((n, n, 3))
    expected = np.einsum("ai,abu,bj->iju", f, x.numpy(), f)
    assert GridBasis(group).transform(x).numpy() == pytest.approx(expected, abs=1e-12)


def test_energy_is_conserved_and_splits_into_blocks(group: FiniteGroup) -> None:
    basis = GridBasis(group)
    x = activations((group.order, group.order, 2))
    x_hat = basis.transform(x)
    assert x_hat.square().sum((0, 1)).numpy() == pytest.approx(x.square().sum((0, 1)).numpy())
    blocks = basis.block_energy(x_hat)
    for i, rho in enumerate(basis.spans):
        for j, sigma in enumerate(basis.spans):
            assert blocks[i, j].numpy() == pytest.approx(x_hat[rho, sigma].square().sum((0, 1)).numpy())


def test_functions_of_the_product_are_means_over_pairs_of_equal_product(group: FiniteGroup) -> None:
    n, basis = group.order, GridBasis(group)
    x = activations((n, n, 2))
    expected = np.zeros((n, 2))
    for a in range(n):
        for b in range(n):
            expected[group.table[a, b]] += x[a, b].numpy() / n
    assert basis.product_means(x).numpy() == pytest.approx(expected, abs=1e-12)
    of_transform = basis.F @ Transform.of(basis, [basis.transform(x)]).product
    assert of_transform.numpy() == pytest.approx(expected, abs=1e-12)


def test_marginals_are_means_over_the_other_operand(group: FiniteGroup) -> None:
    basis = GridBasis(group)
    x = activations((group.order, group.order, 2))
    of_a, of_b, _ = basis.marginals(x)
    assert of_a.numpy() == pytest.approx(x.mean(1).numpy(), abs=1e-12)
    assert of_b.numpy() == pytest.approx(x.mean(0).numpy(), abs=1e-12)


def test_a_function_of_the_product_or_the_quotient_lies_in_diagonal_blocks(group: FiniteGroup) -> None:
    basis, f = GridBasis(group), torch.tensor(group.fourier_basis())
    for argument, coefficients in ((group.table, "product"), (group.table[:, group.inverse], "quotient")):
        x_hat = basis.transform(f[torch.tensor(argument)])  # unit m is the function F[., m] of the argument
        energy = basis.block_energy(x_hat)
        diagonal = energy.diagonal().sum(1)
        assert diagonal.numpy() == pytest.approx(group.order)
        transform = Transform.of(basis, [x_hat])
        assert transform.diagonal_energy.numpy() == pytest.approx(energy.diagonal().T.numpy(), abs=1e-9)
        assert getattr(transform, coefficients).numpy() == pytest.approx(np.eye(group.order), abs=1e-9)


def test_index_tables_say_which_pairs_have_a_product_or_a_quotient(group: FiniteGroup) -> None:
    n, basis = group.order, GridBasis(group)
    for g in range(n):
        a, b = np.divmod(basis.pairs[g].numpy(), n)
        assert (a == np.arange(n)).all()
        assert (group.table[a, b] == g).all()


def test_a_larger_grid_in_another_order_gives_the_same_transform(group: FiniteGroup) -> None:
    n, rng = group.order, np.random.default_rng(0)
    left, right = rng.permutation(n + 2)[:n], rng.permutation(n + 1)[:n]
    large = activations((n + 2, n + 1, 3))
    small = large[torch.from_numpy(left)][:, torch.from_numpy(right)]
    padded, plain = GridBasis(group, left, right, (n + 2, n + 1)), GridBasis(group)
    assert padded.on_grid(large).equal(small)
    assert padded.transform(large).numpy() == pytest.approx(plain.transform(small).numpy(), abs=1e-12)
    for mine, theirs in zip(padded.marginals(large), plain.marginals(small), strict=True):
        assert mine.numpy() == pytest.approx(theirs.numpy(), abs=1e-12)


def test_float32_activations_are_transformed_in_float32() -> None:
    basis = GridBasis(CyclicGroup(7))
    x = activations((7, 7, 3))
    single = basis.transform(x.float())
    assert single.dtype == torch.float32
    assert single.numpy() == pytest.approx(basis.transform(x).numpy(), abs=1e-5)
