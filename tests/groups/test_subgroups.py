"""Subgroups and cosets: known counts, brute force, and the laws of Lagrange."""

from itertools import combinations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.groups import (
    AlternatingGroup,
    CyclicGroup,
    DihedralGroup,
    FiniteGroup,
    SymmetricGroup,
    left_cosets,
    product,
    right_cosets,
    subgroup_classes,
)
from grokscope.groups.isomorphism import isomorphism_type


def all_subgroups(group):
    """Every subgroup, class by class."""
    return [subgroup for found in subgroup_classes(group) for subgroup in found.members]


KNOWN = {  # name: (classes, subgroups)
    "S3": (4, 6),
    "S4": (11, 30),
    "S5": (19, 156),
    "A4": (5, 10),
    "A5": (9, 59),
    "Q8": (6, 6),
    "D4": (8, 10),
    "7:3": (4, 10),
    "Z97": (2, 2),
    "Z1": (1, 1),
    "Z3 x Z3": (6, 6),
}


@pytest.mark.parametrize("name", KNOWN)
def test_there_are_as_many_subgroups_as_is_known(name, build_group):
    classes = subgroup_classes(build_group(name))
    assert (len(classes), sum(len(c.members) for c in classes)) == KNOWN[name]


@pytest.mark.parametrize("name", ["Z1", "Z6", "Z8", "S3", "D4", "Q8", "D5", "A4", "D6", "Z3 x Z3", "Z12"])
def test_the_subgroups_are_exactly_the_closed_subsets(name, build_group):
    group = build_group(name)
    others = [g for g in range(group.order) if g != group.identity]
    closed = set()
    for size in sympy.divisors(group.order):
        for subset in combinations(others, size - 1):
            elements = np.array(sorted((group.identity, *subset)))
            if np.isin(group.table[np.ix_(elements, elements)], elements).all():
                closed.add(tuple(elements.tolist()))
    found = [tuple(s.elements.tolist()) for s in all_subgroups(group)]
    assert set(found) == closed
    assert len(found) == len(closed)


@given(st.integers(1, 60))
@settings(deadline=None, max_examples=25)
def test_counts_follow_the_divisor_formulas(n):
    assert len(all_subgroups(CyclicGroup(n))) == sympy.divisor_count(n)
    if n > 2:
        assert len(all_subgroups(DihedralGroup(n))) == sympy.divisor_count(n) + sympy.divisor_sigma(n)


@pytest.mark.parametrize(("p", "rank", "count"), [(2, 3, 16), (2, 4, 67), (2, 5, 374), (2, 6, 2825), (3, 3, 28)])
def test_counts_of_vector_spaces_are_galois_numbers(p, rank, count):
    group = CyclicGroup(p)
    for _ in range(rank - 1):
        group = product(group, CyclicGroup(p))
    assert len(all_subgroups(group)) == count


def test_members_are_subgroups_and_each_others_conjugates(group):
    if group.order > 120:
        pytest.skip("subgroups are found up to order 120")
    seen = set()
    for found in subgroup_classes(group):
        assert found.order * found.index == group.order
        assert found.is_normal == (len(found.members) == 1)
        conjugates = {tuple(np.sort(group.conjugates[g, found.representative.elements])) for g in range(group.order)}
        assert {tuple(m.elements) for m in found.members} == conjugates
        for member in found.members:
            assert member.order == found.order
            elements = member.elements
            assert elements.dtype == np.int64
            assert np.isin(group.table[np.ix_(elements, elements)], elements).all()
            generated = {group.identity}
            while len(new := generated | {int(group.table[a, g]) for a in generated for g in member.generators}) > len(
                generated
            ):
                generated = new
            assert generated == set(elements.tolist())
            seen.add(elements.tobytes())
    assert len(seen) == len(all_subgroups(group))


def test_classes_come_from_the_trivial_subgroup_to_the_group_with_unique_names(group):
    if group.order > 120:
        pytest.skip("subgroups are found up to order 120")
    classes = subgroup_classes(group)
    orders = [found.order for found in classes]
    assert orders == sorted(orders)
    assert (orders[0], orders[-1]) == (1, group.order)
    assert len({found.name for found in classes}) == len(classes)
    assert all(found.name.startswith(found.isomorphism_type) for found in classes)


@pytest.mark.parametrize("name", ["S3", "S4", "A4", "Q8", "7:3", "Z12", "shuffled S4"])
def test_cosets_are_the_partitions_by_products_with_the_subgroup(name, build_group):
    group = build_group(name)
    for subgroup in all_subgroups(group):
        left, right = left_cosets(group, subgroup), right_cosets(group, subgroup)
        for labels, product_with in ((left, group.table), (right, group.table.T)):
            assert labels.dtype == np.int64
            assert labels.shape == (group.order,)
            for g in range(group.order):
                coset = np.sort(product_with[g, subgroup.elements])
                assert np.array_equal(np.flatnonzero(labels == labels[g]), coset)
            firsts = [int(np.flatnonzero(labels == i)[0]) for i in range(group.order // subgroup.order)]
            assert firsts == sorted(firsts)


@pytest.mark.parametrize("name", ["S5", "A5", "5:4"])
def test_left_and_right_cosets_agree_exactly_for_normal_subgroups(name, build_group):
    group = build_group(name)
    for found in subgroup_classes(group):
        for subgroup in found.members:
            same = np.array_equal(left_cosets(group, subgroup), right_cosets(group, subgroup))
            assert same == found.is_normal


def test_cosets_of_a_point_stabiliser_are_the_images_and_preimages_of_the_point(build_group):
    """With the product first a, then b: H g (H fixing 0) sends 0 to g[0]; g H sends the same point to 0."""
    group = build_group("S5")
    fixing_zero = np.flatnonzero(group.permutations[:, 0] == 0)
    right, left = right_cosets(group, fixing_zero), left_cosets(group, fixing_zero)
    image = group.permutations[:, 0]
    preimage = (group.permutations == 0).argmax(axis=1)
    assert len(set(zip(right, image, strict=True))) == len(set(right)) == 5
    assert len(set(zip(left, preimage, strict=True))) == len(set(left)) == 5


def test_names_of_the_subgroups_of_s5():
    named = {
        found.name: (found.order, len(found.members), found.description)
        for found in subgroup_classes(SymmetricGroup(5))
    }
    assert set(named) == {
        "trivial",
        "Z2 (2+1+1+1)",
        "Z2 (2+2+1)",
        "Z3",
        "V4 (4+1)",
        "V4 (2+2+1)",
        "Z4",
        "Z5",
        "S3 (3+1+1)",
        "S3 (3+2)",
        "Z6",
        "D4",
        "D5",
        "A4",
        "D6",
        "F20",
        "S4",
        "A5",
        "S5",
    }
    assert named["S4"] == (24, 5, "S4, order 24, index 5, stabiliser of a point")
    assert named["D6"] == (12, 10, "D6, order 12, index 10, stabiliser of a set of 2 points")
    assert named["A5"] == (60, 1, "A5, order 60, index 2, the even permutations")
    assert named["F20"] == (20, 6, "F20, order 20, index 6, transitive")
    assert named["S3 (3+1+1)"][2].endswith("stabiliser of the orbits 3+1+1")
    assert named["S3 (3+2)"][2].endswith("orbits 3+2")
    assert named["S5"][2].endswith("the whole group")


def test_classes_that_only_a_letter_tells_apart_get_one():
    names = [found.name for found in subgroup_classes(DihedralGroup(4))]
    assert names == ["trivial", "Z2 (a)", "Z2 (b)", "Z2 (c)", "Z4", "V4 (a)", "V4 (b)", "D4"]


def _names(group: FiniteGroup) -> str:
    return isomorphism_type(group.table, group.element_orders)


def _matrices_mod(p: int) -> FiniteGroup:
    """SL(2, p): 2 x 2 matrices of determinant 1 mod p."""
    units = [(a, b, c, d) for a in range(p) for b in range(p) for c in range(p) for d in range(p)]
    units = [(a, b, c, d) for a, b, c, d in units if (a * d - b * c) % p == 1]
    index = {m: i for i, m in enumerate(units)}
    table = [
        [
            index[((a * e + b * g) % p, (a * f + b * h) % p, (c * e + d * g) % p, (c * f + d * h) % p)]
            for e, f, g, h in units
        ]
        for a, b, c, d in units
    ]
    return FiniteGroup(table)


def test_isomorphism_types_of_groups_that_are_known(q8, build_frobenius, shuffle):
    z, d = CyclicGroup, DihedralGroup
    expected = [
        (z(1), "trivial"),
        (z(2), "Z2"),
        (z(60), "Z60"),
        (d(1), "Z2"),
        (d(2), "V4"),
        (product(z(2), z(4)), "Z2 x Z4"),
        (product(z(4), z(6)), "Z2 x Z12"),
        (product(z(5), z(7)), "Z35"),
        (product(product(z(2), z(2)), z(9)), "Z2 x Z18"),
        (product(z(9), z(3)), "Z3 x Z9"),
        (product(product(z(4), z(2)), z(8)), "Z2 x Z4 x Z8"),
        (SymmetricGroup(3), "S3"),
        (d(4), "D4"),
        (d(30), "D30"),
        (product(SymmetricGroup(3), z(2)), "D6"),
        (SymmetricGroup(4), "S4"),
        (SymmetricGroup(5), "S5"),
        (AlternatingGroup(4), "A4"),
        (AlternatingGroup(5), "A5"),
        (q8, "Q8"),
        (build_frobenius(5, 4), "F20"),
        (build_frobenius(7, 3), "F21"),
        (build_frobenius(7, 6), "F42"),
        (build_frobenius(5, 2), "D5"),
        (_matrices_mod(3), "SL(2,3)"),
        (_matrices_mod(5), "SL(2,5)"),
        (product(AlternatingGroup(4), z(2)), "A4 x Z2"),
        (product(z(3), d(4)), "D4 x Z3"),
        (product(z(4), SymmetricGroup(3)), "S3 x Z4"),
        (product(AlternatingGroup(5), z(2)), "A5 x Z2"),
        (product(q8, z(3)), "Q8 x Z3"),
        (product(SymmetricGroup(3), SymmetricGroup(3)), "S3 x S3"),
    ]
    for group, name in expected:
        assert _names(group) == name
        assert _names(shuffle(group, 4)) == name


def test_dicyclic_groups_are_recognised_and_unknown_ones_named_by_their_order():
    def over_cyclic_half(m: int, square: int, power: int) -> FiniteGroup:
        """r^a s^b with r^m = 1, s^2 = r^square, s r s^-1 = r^power."""
        elements = [(a, b) for a in range(m) for b in range(2)]
        table = [
            [elements.index(((a + power**b * c + square * b * e) % m, (b + e) % 2)) for c, e in elements]
            for a, b in elements
        ]
        return FiniteGroup(table)

    assert _names(over_cyclic_half(4, 2, 3)) == "Q8"
    assert _names(over_cyclic_half(6, 3, 5)) == "Dic3"
    assert _names(over_cyclic_half(10, 5, 9)) == "Dic5"
    assert _names(over_cyclic_half(8, 0, 3)) == "order 16"  # semidihedral


@pytest.mark.parametrize("group", [CyclicGroup(121), AlternatingGroup(6)], ids=["Z121", "A6"])
def test_groups_above_order_120_are_refused(group):
    with pytest.raises(ValueError, match=rf"group.order = {group.order} is too large \({group.name}\).*<= 120"):
        subgroup_classes(group)
    with pytest.raises(ValueError, match="<= 120"):
        all_subgroups(group)


@pytest.mark.parametrize("cosets", [left_cosets, right_cosets])
@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([0, 1], r"subgroup = \[0, 1\] is not closed"),
        ([], "need the indices"),
        ([0, 6], r"element 6: need the indices \(0\.\.5\) of a subgroup of Z6"),
        ([-1, 0], "element -1"),
        ([0.0, 3.0], "need the indices"),
    ],
)
def test_cosets_of_what_is_no_subgroup_are_refused(cosets, elements, message):
    with pytest.raises(ValueError, match=message):
        cosets(CyclicGroup(6), elements)
