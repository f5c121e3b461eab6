"""Laws that the irreps of every group satisfy, whichever way they were found."""

from math import isclose

import numpy as np
import pytest
from scipy.linalg import null_space

from grokscope.groups import CyclicGroup, Irrep, RecognisedGroup, SymmetricGroup, group_by_name
from grokscope.groups.splitting import irreducible_kind, orthonormal_columns

COMMUTANT = {"real": 1, "complex": 2, "quaternionic": 4}


def largest_homomorphism_error(group, irrep) -> float:
    """max over all pairs (a, b) of |rho(a * b) - rho(a) rho(b)|."""
    n, d = group.order, irrep.dim
    side_by_side = irrep.matrices.transpose(1, 0, 2).reshape(d, n * d)
    errors = [
        np.abs((rho_a @ side_by_side).reshape(d, n, d).transpose(1, 0, 2) - irrep.matrices[row]).max()
        for rho_a, row in zip(irrep.matrices, group.table, strict=True)
    ]
    return max(errors)


def test_irreps_are_homomorphisms_on_all_pairs(group):
    for irrep in group.irreps:
        assert largest_homomorphism_error(group, irrep) < 1e-10, irrep.name


def test_irreps_are_orthogonal_matrices(group):
    for irrep in group.irreps:
        gram = irrep.matrices @ irrep.matrices.transpose(0, 2, 1)
        assert np.abs(gram - np.eye(irrep.dim)).max() < 1e-10, irrep.name
        assert irrep.matrices.dtype == np.float64


def test_the_trivial_irrep_comes_first_and_names_are_unique(group):
    assert group.irreps[0].name == "trivial"
    assert np.array_equal(group.irreps[0].matrices, np.ones((group.order, 1, 1)))
    assert len(set(group.irrep_names)) == len(group.irreps)


def test_squared_dimensions_over_commutant_dimensions_sum_to_the_order(group):
    assert sum(irrep.dim**2 / COMMUTANT[irrep.kind] for irrep in group.irreps) == group.order


def test_there_is_one_irrep_per_pair_of_a_class_and_its_inverse(group):
    pairs = {frozenset({int(group.class_of[g]), int(group.class_of[group.inverse[g]])}) for g in range(group.order)}
    assert len(group.irreps) == len(pairs)


def test_matrix_entries_of_different_irreps_are_orthogonal(group):
    blocks = [irrep.matrices.reshape(group.order, -1) for irrep in group.irreps]
    gram = np.concatenate(blocks, axis=1)
    gram = gram.T @ gram / group.order
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    assert np.abs(gram[owner[:, None] != owner]).max(initial=0) < 1e-10


def test_matrix_entries_of_an_irrep_satisfy_schurs_relations(group):
    """Gram = (n c / d) times a projection of rank d^2 / c, which is the identity for real type."""
    for irrep in group.irreps:
        c = COMMUTANT[irrep.kind]
        entries = irrep.matrices.reshape(group.order, -1)
        projection = entries.T @ entries * irrep.dim / (group.order * c)
        assert np.abs(projection @ projection - projection).max() < 1e-10
        assert isclose(np.trace(projection), irrep.dim**2 / c, abs_tol=1e-9)
        if c == 1:
            assert np.abs(projection - np.eye(irrep.dim**2)).max() < 1e-10


def test_the_matrices_commuting_with_an_irrep_have_the_dimension_of_its_kind(group):
    """Solved as the linear system X rho(g) = rho(g) X over generators g; no character is involved."""
    for irrep in group.irreps[:12]:
        eye = np.eye(irrep.dim)
        system = [np.zeros((1, irrep.dim**2))]
        for g in group.generators:
            rho = irrep.matrices[g]
            system.append(np.kron(eye, rho.T) - np.kron(rho, eye))
        assert null_space(np.concatenate(system), rcond=1e-9).shape[1] == COMMUTANT[irrep.kind]
        assert irrep.commutant_dim == COMMUTANT[irrep.kind]


def test_bases_of_all_irreps_are_a_complete_orthonormal_basis(group):
    basis = group.fourier_basis()
    assert basis.shape == (group.order, group.order)
    assert np.abs(basis.T @ basis - np.eye(group.order)).max() < 1e-10
    owner = group.fourier_irreps()
    for i, irrep in enumerate(group.irreps):
        assert np.array_equal(basis[:, owner == i], irrep.basis())
        assert irrep.basis().shape == (group.order, irrep.dim**2 // COMMUTANT[irrep.kind])


def test_every_matrix_entry_lies_in_the_span_of_its_irreps_basis(group):
    for irrep in group.irreps:
        entries = irrep.matrices.reshape(group.order, -1)
        assert np.abs(irrep.basis() @ (irrep.basis().T @ entries) - entries).max() < 1e-10


def test_characters_are_class_functions_with_the_norm_of_their_kind(group):
    for irrep in group.irreps:
        for members in group.conjugacy_classes:
            assert np.ptp(irrep.character[members]) < 1e-10
        assert isclose(irrep.character[group.identity], irrep.dim, abs_tol=1e-10)
        assert isclose(np.mean(irrep.character**2), COMMUTANT[irrep.kind], abs_tol=1e-9)


def test_reducible_characters_have_no_kind(group):
    """Sums of two irreps, alike or different, could be taken for one by their norm alone."""
    squares = np.diagonal(group.table)
    for rho in group.irreps[:6]:
        assert irreducible_kind(rho.character, squares) == rho.kind
        for sigma in group.irreps[:6]:
            assert irreducible_kind(rho.character + sigma.character, squares) is None


def test_symmetric_group_of_720_elements_obeys_the_laws():
    group = SymmetricGroup(6)
    assert max(largest_homomorphism_error(group, irrep) for irrep in group.irreps) < 1e-10
    assert np.abs(group.fourier_basis().T @ group.fourier_basis() - np.eye(720)).max() < 1e-10


@pytest.mark.parametrize(
    ("kind", "matrices", "message"),
    [
        ("unitary", np.ones((2, 1, 1)), "kind = 'unitary' is unknown; accepted: real, complex, quaternionic"),
        ("real", np.ones((2, 1)), r"shape \(2, 1\); need \[element, d, d\]"),
        ("real", np.ones((2, 1, 2)), r"shape \(2, 1, 2\); need \[element, d, d\]"),
        ("complex", np.ones((2, 1, 1)), "kind complex has dim 1"),
        ("quaternionic", np.ones((2, 2, 2)), "kind quaternionic has dim 2"),
        ("complex", np.ones((2, 3, 3)), "kind complex has dim 3"),
    ],
)
def test_malformed_irreps_are_refused(kind, matrices, message):
    with pytest.raises(ValueError, match=message):
        Irrep("rho", kind, matrices)


def test_a_dropped_irrep_does_not_go_unnoticed():
    class Forgetful(CyclicGroup):
        def _build_irreps(self):
            return super()._build_irreps()[:-1]

    with pytest.raises(RuntimeError, match="irreps of Z6 span 5 functions, not 6"):
        _ = Forgetful(6).irreps


def test_an_orthonormal_basis_depends_on_the_span_alone():
    rng = np.random.default_rng(0)
    span = np.linalg.qr(rng.standard_normal((12, 5)))[0]
    turned = span @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    one, other = (orthonormal_columns(basis @ basis.T, 5) for basis in (span, turned))
    assert np.abs(one - other).max() < 1e-12
    assert np.abs(one.T @ one - np.eye(5)).max() < 1e-14
    with pytest.raises(ValueError, match="span 5 dimensions; rank = 6"):
        orthonormal_columns(span @ span.T, 6)


@pytest.mark.parametrize("n", [1, 2, 12, 97])
def test_an_irrep_of_the_cyclic_group_turns_by_its_frequency_times_the_element(n):
    for k, irrep in enumerate(CyclicGroup(n).irreps):
        assert irrep.turns == pytest.approx([k * x % n / n for x in range(n)], abs=1e-12)
        assert (irrep.turns < 1).all()


def test_rotations_of_a_polygon_turn_by_their_own_angle_whatever_the_order_of_elements(shuffle):
    group = RecognisedGroup(shuffle(group_by_name("D7"), 3).table)
    orders = [next(m for m in range(1, 8) if _power(group.table, x, m) == group.identity) for x in range(14)]
    irreps = {irrep.frequency: irrep for irrep in group.irreps if irrep.dim == 2}
    # Rotations by k times an angle turn k times as far; of a rotation other than none, each has another angle.
    rotations = [x for x, order in enumerate(orders) if order == 7]
    once = irreps[1].turns[rotations]
    assert sorted(np.round(7 * once)) == [1, 2, 3, 4, 5, 6]
    for k in (2, 3):
        assert irreps[k].turns[rotations] == pytest.approx(k * once % 1, abs=1e-9)
    assert next(irrep for irrep in group.irreps if irrep.name == "sign").turns is None


def _power(table: np.ndarray, x: int, m: int) -> int:
    y = x
    for _ in range(m - 1):
        y = table[y, x]
    return int(y)


def test_a_recognised_cyclic_group_turns_by_what_corresponds_to_its_elements(shuffle):
    group = RecognisedGroup(shuffle(CyclicGroup(13), 1).table)
    once, twice = (group.irreps[k].turns for k in (1, 2))
    assert sorted(np.round(13 * once)) == list(range(13))
    assert not np.allclose(once, np.arange(13) / 13)  # so that the order makes a difference
    # A homomorphism: what a product turns is the sum.
    assert (once[:, None] + once) % 1 == pytest.approx(once[group.table], abs=1e-9)
    assert twice == pytest.approx(2 * once % 1, abs=1e-9)
