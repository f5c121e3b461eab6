"""S_n and A_n: the product, the names, and characters against the Murnaghan-Nakayama rule."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from sympy.combinatorics import Permutation

from grokscope.groups import AlternatingGroup, SymmetricGroup
from grokscope.groups.young import conjugate, partitions, standard_tableaux


def murnaghan_nakayama(partition, cycle_type) -> int:
    """Character of S_n by removing rim hooks: a bead (beta number) moved down past m others gives (-1)^m."""
    beta = {part + len(partition) - 1 - i for i, part in enumerate(partition)}

    def remove(beads, cycles):
        if not cycles:
            return 1
        total = 0
        for bead in beads:
            target = bead - cycles[0]
            if target >= 0 and target not in beads:
                height = sum(target < other < bead for other in beads)
                total += (-1) ** height * remove(beads - {bead} | {target}, cycles[1:])
        return total

    return remove(frozenset(beta), tuple(cycle_type))


def hook_length_dimension(partition) -> int:
    columns = conjugate(partition)
    hooks = [part - j + columns[j] - i - 1 for i, part in enumerate(partition) for j in range(part)]
    return factorial(sum(partition)) // int(np.prod(hooks))


def cycle_type(permutation) -> list[int]:
    return sorted((size for size, count in Permutation(permutation).cycle_structure.items() for _ in range(count)))


def test_murnaghan_nakayama_of_this_test_gives_the_character_table_of_s3():
    table = [[murnaghan_nakayama(p, c) for c in ((1, 1, 1), (2, 1), (3,))] for p in ((3,), (2, 1), (1, 1, 1))]
    assert table == [[1, 1, 1], [2, 0, -1], [1, -1, 1]]


@pytest.mark.parametrize("n", range(2, 7))
def test_characters_follow_the_murnaghan_nakayama_rule(n):
    group = SymmetricGroup(n)
    assert len(group.conjugacy_classes) == len(group.irreps)
    for members in group.conjugacy_classes:
        cycles = cycle_type(group.permutations[members[0]].tolist())
        for irrep in group.irreps:
            expected = murnaghan_nakayama(irrep.partition, cycles)
            assert irrep.character[members] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("n", range(2, 7))
def test_dimensions_follow_the_hook_length_formula_and_all_irreps_are_real(n):
    for irrep in SymmetricGroup(n).irreps:
        assert irrep.dim == hook_length_dimension(irrep.partition) == len(standard_tableaux(irrep.partition))
        assert irrep.kind == "real"


@pytest.mark.parametrize("n", range(2, 7))
def test_elements_are_in_the_order_of_itertools_and_the_product_is_first_a_then_b(n):
    group = SymmetricGroup(n)
    elements = list(permutations(range(n)))
    assert [tuple(row) for row in group.permutations.tolist()] == elements
    rng = np.random.default_rng(0)
    for a, b in rng.integers(group.order, size=(200, 2)):
        composed = tuple(elements[b][elements[a][i]] for i in range(n))
        assert elements[group.table[a, b]] == composed


@pytest.mark.parametrize("n", range(3, 7))
def test_the_standard_irrep_is_the_permutation_representation_without_its_mean(n):
    group = SymmetricGroup(n)
    fixed_points = (group.permutations == np.arange(n)).sum(axis=1)
    assert group.irrep("standard").character == pytest.approx(fixed_points - 1)


@pytest.mark.parametrize("n", range(2, 7))
def test_conjugate_partitions_differ_by_the_sign(n):
    group = SymmetricGroup(n)
    sign = [Permutation(row).signature() for row in group.permutations.tolist()]
    by_partition = {irrep.partition: irrep for irrep in group.irreps}
    assert group.irrep("sign").character == pytest.approx(sign)
    for partition, irrep in by_partition.items():
        assert by_partition[conjugate(partition)].character == pytest.approx(irrep.character * sign)


def test_names_partitions_and_dimensions_of_s5():
    assert [(i.name, i.label, i.partition, i.dim) for i in SymmetricGroup(5).irreps] == [
        ("trivial", "(5)", (5,), 1),
        ("standard", "(4,1)", (4, 1), 4),
        ("(3,2)", "(3,2)", (3, 2), 5),
        ("(3,1,1)", "(3,1,1)", (3, 1, 1), 6),
        ("(2,2,1)", "(2,2,1)", (2, 2, 1), 5),
        ("sign-standard", "(2,1,1,1)", (2, 1, 1, 1), 4),
        ("sign", "(1,1,1,1,1)", (1, 1, 1, 1, 1), 1),
    ]


@pytest.mark.parametrize("n", range(1, 9))
def test_partitions_are_all_of_them_in_reverse_lexicographic_order(n):
    found = partitions(n)
    assert found == sorted(set(found), reverse=True)
    assert len(found) == [1, 2, 3, 5, 7, 11, 15, 22][n - 1]
    assert all(sum(p) == n and conjugate(conjugate(p)) == p for p in found)


@pytest.mark.parametrize("n", range(2, 7))
def test_alternating_irreps_are_restrictions_of_symmetric_ones(n):
    group, full = AlternatingGroup(n), SymmetricGroup(n)
    index = {tuple(row): number for number, row in enumerate(full.permutations.tolist())}
    even = [index[tuple(row)] for row in group.permutations.tolist()]
    assert even == sorted(even)
    assert np.array_equal(full.table[np.ix_(even, even)], np.array(even)[group.table])
    for irrep in full.irreps:
        largest = max(irrep.partition, conjugate(irrep.partition))
        halves = [i for i in group.irreps if i.partition == largest]
        assert sum(half.character for half in halves) == pytest.approx(irrep.character[even])


def test_alternating_irreps_have_their_known_names_dimensions_and_kinds():
    def summary(n):
        return [(irrep.name, irrep.dim, irrep.kind) for irrep in AlternatingGroup(n).irreps]

    assert summary(3) == [("trivial", 1, "real"), ("standard", 2, "complex")]
    assert summary(4) == [("trivial", 1, "real"), ("standard", 3, "real"), ("(2,2)", 2, "complex")]
    assert [(name, dim) for name, dim, _ in summary(5)] == [
        ("trivial", 1),
        ("standard", 4),
        ("(3,2)", 5),
        ("(3,1,1)+", 3),
        ("(3,1,1)-", 3),
    ]
    assert sorted(dim for _, dim, _ in summary(6)) == [1, 5, 5, 8, 8, 9, 10]


def test_the_two_icosahedral_irreps_of_a5_have_golden_characters_on_five_cycles():
    group = AlternatingGroup(5)
    golden = (1 + np.sqrt(5)) / 2
    five_cycles = np.flatnonzero(group.element_orders == 5)
    for name in ("(3,1,1)+", "(3,1,1)-"):
        values = np.unique(group.irrep(name).character[five_cycles].round(10))
        assert values == pytest.approx([1 - golden, golden])
    first = five_cycles[0]
    assert group.irrep("(3,1,1)+").character[first] > group.irrep("(3,1,1)-").character[first]


@pytest.mark.parametrize("family", [SymmetricGroup, AlternatingGroup])
@pytest.mark.parametrize("n", [1, 7, -1, 4.0, "5"])
def test_degrees_out_of_range_are_refused(family, n):
    with pytest.raises(ValueError, match=rf"n = {n!r} is .*{family.__name__} needs n in 2..6"):
        family(n)
