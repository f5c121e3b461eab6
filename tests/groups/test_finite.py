"""Laws of a group given by its table, and what is refused as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.groups import CyclicGroup, FiniteGroup, PermutationGroup, SymmetricGroup

Z3 = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
# A loop of order 5 (a Latin square with identity 0, each element its own inverse) that is no group.
LOOP = [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]]


def test_tables_satisfy_the_group_axioms(group):
    table, elements = group.table, np.arange(group.order)
    assert table.shape == (group.order, group.order)
    assert table.dtype == np.int64
    assert (table[group.identity] == elements).all()
    assert (table[:, group.identity] == elements).all()
    assert (table[elements, group.inverse] == group.identity).all()
    assert (table[group.inverse, elements] == group.identity).all()
    a, b, c = np.random.default_rng(0).integers(group.order, size=(3, 5000))
    assert (table[table[a, b], c] == table[a, table[b, c]]).all()


def test_conjugacy_classes_partition_the_group_and_are_closed_under_conjugation(group):
    classes = group.conjugacy_classes
    assert np.array_equal(np.sort(np.concatenate(classes)), np.arange(group.order))
    assert classes[0].tolist() == [group.identity]
    for i, members in enumerate(classes):
        assert members.dtype == np.int64
        assert (group.class_of[members] == i).all()
        g = np.arange(group.order)
        conjugates = group.table[group.table[g, members[0]], group.inverse[g]]
        assert np.array_equal(np.unique(conjugates), members)


def test_element_orders_are_the_least_power_that_is_the_identity(group):
    for element in range(min(group.order, 30)):
        power, order = element, 1
        while power != group.identity:
            power, order = group.table[power, element], order + 1
        assert group.element_orders[element] == order


def test_generators_generate_the_group(group):
    reached = {group.identity}
    frontier = reached
    while frontier:
        frontier = {int(group.table[a, g]) for a in frontier for g in group.generators} - reached
        reached = reached | frontier
    assert len(reached) == group.order


def test_is_abelian_agrees_with_one_element_per_class(group):
    assert group.is_abelian == (len(group.conjugacy_classes) == group.order)


def test_arrays_of_a_group_cannot_be_written_to(group):
    for array in (group.table, group.inverse, group.irreps[0].matrices, group.fourier_basis()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_labels_are_distinct_and_one_per_element(group):
    assert len(set(group.labels)) == len(group.labels) == group.order


def test_a_table_given_is_copied():
    table = np.array(Z3)
    group = FiniteGroup(table)
    table[0, 0] = 2
    assert group.table[0, 0] == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[0, 1, 2], [1, 2, 0]], r"table has shape \(2, 3\).*square"),
        ([0, 1], r"table has shape \(2,\).*square"),
        (np.zeros((0, 0), dtype=int), r"table has shape \(0, 0\).*n >= 1"),
        ([[0.0, 1.0], [1.0, 0.0]], "dtype float64.*integers"),
        ([[0, 1], [1, 2]], r"table\[1, 1\] = 2 is not an element.*0\.\.1"),
        ([[0, 1], [1, -1]], r"table\[1, 1\] = -1 is not an element"),
        ([[1, 1], [0, 0]], "no identity"),
        ([[0, 1, 2], [1, 1, 2], [2, 2, 2]], "element 1 has no inverse"),
        (LOOP, r"not associative: \(\d \* \d\) \* \d = \d but \d \* \(\d \* \d\) = \d"),
    ],
)
def test_what_is_not_a_group_is_refused_with_the_entries_at_fault(table, message):
    with pytest.raises(ValueError, match=message):
        FiniteGroup(table)


def test_the_triple_named_in_a_failure_of_associativity_is_one():
    with pytest.raises(ValueError, match="not associative") as error:
        FiniteGroup(LOOP)
    a, g, b, left, _, _, _, right = (int(c) for c in str(error.value) if c.isdigit())
    assert LOOP[LOOP[a][g]][b] == left
    assert LOOP[a][LOOP[g][b]] == right
    assert left != right


@given(st.integers(2, 5), st.data())
@settings(deadline=None, max_examples=150)
def test_a_random_magma_with_identity_is_accepted_exactly_if_it_is_a_group(n, data):
    entries = data.draw(st.lists(st.integers(0, n - 1), min_size=(n - 1) ** 2, max_size=(n - 1) ** 2))
    table = np.zeros((n, n), dtype=int)
    table[0] = table[:, 0] = np.arange(n)
    table[1:, 1:] = np.reshape(entries, (n - 1, n - 1))
    assert _accepted(table) == _is_group(table)


@given(st.integers(2, 8), st.data())
@settings(deadline=None, max_examples=100)
def test_a_group_with_two_entries_exchanged_is_accepted_exactly_if_it_is_a_group(n, data):
    table = CyclicGroup(n).table.copy()
    row, a, b = (data.draw(st.integers(0, n - 1)) for _ in range(3))
    table[row, a], table[row, b] = table[row, b], table[row, a]
    assert _accepted(table) == _is_group(table)


def _accepted(table) -> bool:
    try:
        FiniteGroup(table)
    except ValueError:
        return False
    return True


def _is_group(table) -> bool:
    n = len(table)
    associative = all(
        table[table[a, b], c] == table[a, table[b, c]] for a in range(n) for b in range(n) for c in range(n)
    )
    units = [e for e in range(n) if all(table[e, a] == a == table[a, e] for a in range(n))]
    return (
        associative
        and bool(units)
        and all(any(table[a, b] == units[0] == table[b, a] for b in range(n)) for a in range(n))
    )


@pytest.mark.parametrize("labels", [["e", "r"], ["e", "r", "r"]])
def test_labels_too_few_or_repeated_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels has \d entries, 2 of them distinct; .* needs 3"):
        FiniteGroup(Z3, labels=labels)


def test_an_unknown_irrep_name_lists_the_known_ones():
    group = SymmetricGroup(3)
    assert group.irrep("standard").dim == 2
    with pytest.raises(ValueError, match="irrep = 'k=1' is unknown in S3; accepted: trivial, standard, sign"):
        group.irrep("k=1")


def test_repr_names_the_group_and_its_order():
    assert repr(SymmetricGroup(5)) == "SymmetricGroup(S5, order 120)"


@pytest.mark.parametrize(
    ("permutations", "message"),
    [
        ([[0, 1, 2], [0, 0, 1]], r"permutations\[1\] = \[0, 0, 1\] is not a permutation of 0\.\.2"),
        ([[0, 1], [0, 1]], "2 rows, only 1 of them distinct"),
        ([[0, 1, 2], [1, 2, 0]], r"not closed: \[1, 2, 0\] then \[1, 2, 0\] gives \[2, 0, 1\]"),
        ([0, 1, 2], r"shape \(3,\)"),
        ([[0.0, 1.0]], "dtype float64"),
    ],
)
def test_permutations_that_are_no_group_are_refused(permutations, message):
    with pytest.raises(ValueError, match=message):
        PermutationGroup(permutations, name="P")


def test_permutation_groups_multiply_first_a_then_b_in_any_listed_order(build_group):
    group = build_group("S4")
    order = np.random.default_rng(3).permutation(24)
    shuffled = PermutationGroup(group.permutations[order], name="shuffled S4")
    a, b = np.indices((24, 24))
    composed = np.take_along_axis(shuffled.permutations[b], shuffled.permutations[a], axis=-1)
    assert np.array_equal(shuffled.permutations[shuffled.table], composed)
