"""Groups in any order of their elements: which known group each is, and irreps with the usual names."""

import itertools
import random

import numpy as np
import pytest
from sympy.combinatorics import Permutation

from grokscope.groups import (
    CyclicGroup,
    FiniteGroup,
    PermutationGroup,
    RecognisedGroup,
    RecognisedPermutations,
    SymmetricGroup,
    group_by_name,
)
from grokscope.groups.mapping import isomorphism

NAMES = [
    "Z1", "Z2", "Z12", "Z97", "Z2xZ2", "Z2xZ2xZ2", "Z2xZ12", "D4", "D6", "D7", "S3", "S4", "S5", "A4", "A5",
    "S3xZ3", "A4xZ2", "S3xS3", "A5xZ2", "S3xZ2xZ2", "D5xZ2xZ2", "A4xZ2xZ2", "S4xZ2xZ2", "D4xD6",
]  # fmt: skip
LARGE = ["Z130", "D61", "A6", "S6"]
UNKNOWN = {"Q8": "Q8", "7:3": "F21", "5:4": "F20", "Q8 x Q8": "order 64"}


def check_irreps(group: FiniteGroup) -> None:
    """Homomorphisms of the group's own product, orthonormal together."""
    for irrep in group.irreps:
        products = irrep.matrices[:, None] @ irrep.matrices
        assert np.abs(products - irrep.matrices[group.table]).max() < 1e-8
    basis = group.fourier_basis()
    assert np.abs(basis.T @ basis - np.eye(group.order)).max() < 1e-8


@pytest.mark.parametrize("name", NAMES)
def test_a_known_group_in_another_order_has_the_irreps_of_its_closed_form(name, shuffle):
    known = group_by_name(name)
    for seed in range(3):
        group = RecognisedGroup(shuffle(known, seed).table)
        assert group.known is not None
        assert group.irrep_names == group.known.group.irrep_names
        assert sorted(group.irrep_names) == sorted(RecognisedGroup(known.table).irrep_names)
        assert sorted((i.dim, i.kind) for i in group.irreps) == sorted((i.dim, i.kind) for i in known.irreps)
        check_irreps(group)


@pytest.mark.parametrize("name", LARGE)
def test_single_factors_are_known_whatever_their_order(name, shuffle):
    known = group_by_name(name)
    group = RecognisedGroup(shuffle(known, 1).table)
    assert group.name == known.name
    assert group.irrep_names == known.irrep_names


@pytest.mark.parametrize("name", [*NAMES, "S6"])
def test_a_table_in_the_order_of_the_known_group_is_mapped_to_it_by_the_identity(name):
    known = group_by_name(name)
    found = isomorphism(known, RecognisedGroup(known.table))
    assert np.array_equal(found, np.arange(known.order))


@pytest.mark.parametrize(("name", "called"), UNKNOWN.items())
def test_other_groups_have_numerical_irreps(name, called, build_group):
    source = build_group(name)
    group = RecognisedGroup(source.table)
    assert group.known is None
    assert group.name == called
    assert group.irrep_names == FiniteGroup(source.table).irrep_names
    check_irreps(group)


def test_two_dihedral_groups_with_a_centre_that_does_not_split_off_have_numerical_irreps(shuffle):
    group = RecognisedGroup(shuffle(group_by_name("D4xD4"), 0).table)
    assert (group.known, group.name) == (None, "order 64")


def test_an_isomorphism_keeps_products_and_there_is_none_between_different_groups(shuffle, build_group):
    known = group_by_name("S4")
    group = shuffle(known, 5)
    element = isomorphism(known, group)
    assert sorted(element) == list(range(24))
    assert np.array_equal(known.table[element][:, element], element[group.table])
    # Q8 and D4, and two abelian groups, agree in order; Z4 x Z4 and Z2 x Q8 even in the orders of their elements.
    assert isomorphism(group_by_name("D4"), build_group("Q8")) is None
    assert isomorphism(group_by_name("Z8"), group_by_name("Z2xZ4")) is None
    four = group_by_name("Z4xZ4")
    quaternions = FiniteGroup(_times_two(build_group("Q8")))
    assert sorted(four.element_orders) == sorted(quaternions.element_orders)
    assert isomorphism(four, quaternions) is None


def _times_two(group: FiniteGroup) -> np.ndarray:
    swap = np.arange(2)[:, None] ^ np.arange(2)
    return (group.table[:, None, :, None] * 2 + swap[None, :, None, :]).reshape(2 * group.order, -1)


@pytest.mark.parametrize("product", ["ab", "ba"])
@pytest.mark.parametrize("n", [3, 4, 5])
def test_all_permutations_in_any_order_have_youngs_form_under_either_product(n, product):
    rows = list(itertools.permutations(range(n)))
    random.Random(n).shuffle(rows)
    group = RecognisedPermutations(rows, product=product)
    assert group.name == f"S{n}"
    assert group.irrep_names == SymmetricGroup(n).irrep_names
    assert [i.partition for i in group.irreps] == [i.partition for i in SymmetricGroup(n).irreps]
    fixed = np.array([sum(row[i] == i for i in range(n)) for row in rows])
    np.testing.assert_allclose(group.irrep("standard").character, fixed - 1, atol=1e-9)
    signs = [Permutation(list(row)).signature() for row in rows]
    np.testing.assert_allclose(group.irrep("sign").character, signs, atol=1e-9)
    check_irreps(group)


@pytest.mark.parametrize("product", ["ab", "ba"])
def test_on_six_points_the_outer_automorphism_does_not_exchange_irreps(product):
    rows = list(itertools.permutations(range(6)))
    random.Random(0).shuffle(rows)
    group = RecognisedPermutations(rows, product=product)
    fixed = np.array([sum(row[i] == i for i in range(6)) for row in rows])
    np.testing.assert_allclose(group.irrep("standard").character, fixed - 1, atol=1e-9)


@pytest.mark.parametrize("product", ["ab", "ba"])
def test_permutation_groups_that_are_not_all_of_s_n_are_recognised_too(product):
    even = [row for row in itertools.permutations(range(5)) if Permutation(list(row)).is_even]
    random.Random(1).shuffle(even)
    group = RecognisedPermutations(even, product=product)
    assert group.name == "A5"
    check_irreps(group)
    square = [
        (0, 1, 2, 3),
        (1, 2, 3, 0),
        (2, 3, 0, 1),
        (3, 0, 1, 2),
        (3, 2, 1, 0),
        (0, 3, 2, 1),
        (1, 0, 3, 2),
        (2, 1, 0, 3),
    ]
    assert RecognisedPermutations(square, product=product).name == "D4"
    four_of_five = [(*row, 4) for row in itertools.permutations(range(4))]
    assert RecognisedPermutations(four_of_five, product=product).name == "S4"


def test_products_of_permutations_are_read_from_the_right():
    rows = list(itertools.permutations(range(4)))
    index = {row: i for i, row in enumerate(rows)}
    after, before = (PermutationGroup(rows, name="S4", product=product) for product in ("ba", "ab"))
    for a, b in itertools.product(rows, rows):
        first_a = index[tuple(b[a[i]] for i in range(4))]
        first_b = index[tuple(a[b[i]] for i in range(4))]
        assert after.table[index[a], index[b]] == first_a
        assert before.table[index[a], index[b]] == first_b
    with pytest.raises(ValueError, match="product = 'aba' is unknown; accepted: ab, ba"):
        PermutationGroup(rows, name="S4", product="aba")


@pytest.mark.parametrize(("name", "order"), [("Z3xS3", 18), ("D12", 24), ("A5", 60), ("Z2xZ2xD3", 24)])
def test_a_name_has_its_factors_orders_multiplied(name, order):
    assert group_by_name(name).order == order


@pytest.mark.parametrize("name", ["", "Q8", "S7", "S1", "Z0", "Z03", "Z3x", "Z3 x S3", "z3", "S3xS", "Zx"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="accepted: Zn, Dn, Sn, An"):
        group_by_name(name)
    assert isinstance(group_by_name("Z3"), CyclicGroup)
