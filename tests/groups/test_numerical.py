"""Irreps found from a table alone, against closed forms and known character tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag

from grokscope.groups import (
    AlternatingGroup,
    CyclicGroup,
    DihedralGroup,
    FiniteGroup,
    SymmetricGroup,
    numerical,
    product,
)
from grokscope.groups.splitting import split_representation

GROUPS = ["S4", "Q8", "7:3", "Z12", "D5", "Z3 x Z3"]
CLOSED_FORM = {
    **{f"S{n}": lambda n=n: SymmetricGroup(n) for n in (3, 4, 5)},
    **{f"Z{n}": lambda n=n: CyclicGroup(n) for n in (1, 2, 3, 8, 9, 12, 96, 97, 113)},
    **{f"D{n}": lambda n=n: DihedralGroup(n) for n in (1, 2, 3, 4, 7, 10)},
    **{f"A{n}": lambda n=n: AlternatingGroup(n) for n in (3, 4, 5, 6)},
    "Z3 x Z3": lambda: product(CyclicGroup(3), CyclicGroup(3)),
    "S3 x D4": lambda: product(SymmetricGroup(3), DihedralGroup(4)),
    "Z5 x A4": lambda: product(CyclicGroup(5), AlternatingGroup(4)),
}


def same_characters(group: FiniteGroup, other: FiniteGroup) -> None:
    """The irreps of two groups on the same elements agree up to order and change of basis."""
    for one, two in ((group, other), (other, group)):
        for irrep in one.irreps:
            twins = [i for i in two.irreps if np.allclose(i.character, irrep.character, atol=1e-8)]
            assert [twin.kind for twin in twins] == [irrep.kind], irrep.name


def seeded(group: FiniteGroup, seed: int):
    return numerical.numerical_irreps(group.table, group.identity, group.inverse, group.class_of, seed=seed)


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_irreps_from_the_table_agree_with_the_closed_form(name):
    group = CLOSED_FORM[name]()
    same_characters(group, FiniteGroup(group.table))


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_power_from_the_table_agrees_with_the_closed_form(name):
    """Power is a property of the irrep, not of the basis it was found in."""
    group = CLOSED_FORM[name]()
    from_table = FiniteGroup(group.table)
    f = np.random.default_rng(5).standard_normal(group.order)
    power = dict(zip((tuple(i.character.round(6) + 0.0) for i in from_table.irreps), from_table.power(f), strict=True))
    for irrep, share in zip(group.irreps, group.power(f), strict=True):
        assert power[tuple(irrep.character.round(6) + 0.0)] == pytest.approx(share, abs=1e-10)


def test_the_quaternion_group_has_one_quaternionic_irrep(q8):
    assert [(i.name, i.dim, i.kind) for i in q8.irreps] == [
        ("trivial", 1, "real"),
        ("1a", 1, "real"),
        ("1b", 1, "real"),
        ("1c", 1, "real"),
        ("4a", 4, "quaternionic"),
    ]
    minus_one = int(np.flatnonzero(q8.element_orders == 2)[0])
    expected = np.zeros(8)
    expected[q8.identity], expected[minus_one] = 4, -4
    assert q8.irreps[-1].character == pytest.approx(expected, abs=1e-10)
    assert q8.irreps[-1].basis().shape == (8, 4)


def test_the_frobenius_group_of_order_21_has_two_complex_irreps(build_group):
    group = build_group("7:3")
    assert [(i.dim, i.kind) for i in group.irreps] == [(1, "real"), (2, "complex"), (6, "complex")]
    sevens = group.element_orders == 7
    assert group.irreps[2].character[sevens] == pytest.approx(-1)
    assert group.irreps[1].character[sevens] == pytest.approx(2)


def test_products_with_quaternionic_factors_have_the_right_types(build_group):
    kinds = sorted((i.dim, i.kind) for i in build_group("Q8 x Q8").irreps)
    assert kinds == sorted([(1, "real")] * 16 + [(4, "quaternionic")] * 8 + [(4, "real")])
    kinds = sorted((i.dim, i.kind) for i in build_group("Q8 x Z3").irreps)
    assert kinds == sorted([(1, "real")] * 4 + [(2, "complex")] * 4 + [(4, "quaternionic"), (4, "complex")])


@given(st.sampled_from(GROUPS), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_elements_does_not_matter(build_group, name, seed):
    group = build_group(name)
    new = np.random.default_rng(seed).permutation(group.order)
    table = np.empty_like(group.table)
    table[np.ix_(new, new)] = new[group.table]
    shuffled = FiniteGroup(table)
    assert shuffled.identity == new[group.identity]
    for irrep in group.irreps:
        matching = [i for i in shuffled.irreps if np.allclose(i.character[new], irrep.character, atol=1e-8)]
        assert [i.kind for i in matching] == [irrep.kind]


@pytest.mark.parametrize("name", ["S4", "Q8", "7:3"])
def test_the_same_seed_gives_the_same_matrices_and_another_the_same_irreps(name, build_group):
    group = build_group(name)
    first, again, other = seeded(group, 0), seeded(group, 0), seeded(group, 1)
    for one, two, three in zip(first, again, other, strict=True):
        assert np.array_equal(one.matrices, two.matrices)
        assert (one.name, one.kind) == (three.name, three.kind)
        assert three.character == pytest.approx(one.character, abs=1e-8)


@pytest.mark.parametrize("name", GROUPS)
def test_eigenvalues_that_coincide_are_split_again(name, build_group, monkeypatch):
    """As if the first draw had given one single eigenspace: the whole regular representation."""
    group = build_group(name)
    expected = seeded(group, 0)
    monkeypatch.setattr(numerical, "eigenspaces", lambda matrix, relative_gap: [np.eye(len(matrix))])
    refined = seeded(group, 0)
    assert [(i.name, i.kind) for i in refined] == [(i.name, i.kind) for i in expected]
    for one, two in zip(refined, expected, strict=True):
        assert one.character == pytest.approx(two.character, abs=1e-8)
        products = one.matrices[:, None] @ one.matrices
        assert np.abs(products - one.matrices[group.table]).max() < 1e-10


@given(st.sampled_from(GROUPS), st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_a_sum_of_irreps_splits_into_exactly_those(build_group, name, chosen, seed):
    group = build_group(name)
    rng = np.random.default_rng(seed)
    irreps = [group.irreps[i % len(group.irreps)] for i in chosen]
    total = np.stack([block_diag(*(i.matrices[g] for i in irreps)) for g in range(group.order)])
    turn = np.linalg.qr(rng.standard_normal(total.shape[1:]))[0]
    parts = split_representation(turn @ total @ turn.T, np.diagonal(group.table), rng)
    characters = [np.trace(matrices, axis1=1, axis2=2) for _, matrices in parts]
    order = np.lexsort(np.round(characters, 6).T)
    expected = [i.character for i in irreps]
    expected_order = np.lexsort(np.round(expected, 6).T)
    np.testing.assert_allclose(np.array(characters)[order], np.array(expected)[expected_order], atol=1e-9)


def test_matrices_that_are_no_representation_are_refused():
    matrices = np.stack([np.eye(2), np.diag([1.0, -0.5]), np.array([[0.0, 1.0], [1.0, 0.0]])])
    with pytest.raises(RuntimeError, match="did not split"):
        split_representation(matrices, np.array([0, 2, 1]), np.random.default_rng(0))
