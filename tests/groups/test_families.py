"""Dihedral groups and products: what is known of them in closed form."""

import numpy as np
import pytest

from grokscope.groups import CyclicGroup, DihedralGroup, ProductGroup, SymmetricGroup, product, short_label


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 12])
def test_dihedral_elements_are_rotations_then_reflections(n):
    group = DihedralGroup(n)
    r, s = 1 % n, n
    assert group.order == 2 * n
    assert group.table[:n, :n].tolist() == CyclicGroup(n).table.tolist()
    assert group.table[s, s] == group.identity == 0
    assert group.table[group.table[s, r], s] == group.inverse[r]
    assert all(group.table[i, s] == n + i for i in range(n))


@pytest.mark.parametrize("n", range(1, 13))
def test_dihedral_irreps_have_their_frequencies_and_mulliken_symbols(n):
    linear = ["A1", "A2", "B1", "B2"] if n % 2 == 0 else ["A1", "A2"]
    irreps = DihedralGroup(n).irreps
    assert [i.label for i in irreps] == linear + [f"E{k}" for k in range(1, (n - 1) // 2 + 1)]
    assert [i.frequency for i in irreps][len(linear) :] == list(range(1, (n - 1) // 2 + 1))
    assert all(i.kind == "real" for i in irreps)


@pytest.mark.parametrize("n", range(1, 13))
def test_a_dihedral_frequency_is_how_fast_a_rotation_turns_and_the_sign_has_none(n):
    group = DihedralGroup(n)
    assert group.irrep("sign").frequency is None
    for irrep in group.irreps:
        if irrep.frequency is not None:
            turned = irrep.matrices[1 % n][0, 0]  # cos(2 pi k / n); -1 for B1 and B2
            assert turned == pytest.approx(np.cos(2 * np.pi * irrep.frequency / n))
    assert [i.name for i in group.irreps if i.frequency == 0] == ["trivial"]


@pytest.mark.parametrize("n", range(1, 13))
def test_short_labels_tell_all_irreps_of_a_dihedral_group_apart(n):
    labels = [short_label(i.name, i.frequency) for i in DihedralGroup(n).irreps]
    assert len(set(labels)) == len(labels)
    linear = ["0", "sign", "B1", "B2"] if n % 2 == 0 else ["0", "sign"]
    assert labels == linear + [str(k) for k in range(1, (n - 1) // 2 + 1)]


def test_short_labels_are_unique_in_every_group(group):
    labels = [short_label(i.name, i.frequency) for i in group.irreps]
    assert len(set(labels)) == len(labels)


def test_dihedral_rotations_by_n_corners_leave_the_polygon_in_place():
    """The 2-dim irrep k = 1 moves the corners of the n-gon as the elements do."""
    n = 7
    angles = 2 * np.pi * np.arange(n) / n
    corners = np.stack([np.cos(angles), np.sin(angles)])
    group = DihedralGroup(n)
    for element in range(2 * n):
        moved = group.irrep("k=1").matrices[element] @ corners
        reflected = element >= n
        expected = [(element % n + (-c if reflected else c)) % n for c in range(n)]
        np.testing.assert_allclose(moved, corners[:, expected], atol=1e-12)


def test_product_elements_are_pairs():
    g, h = SymmetricGroup(3), CyclicGroup(4)
    both = product(g, h)
    assert isinstance(both, ProductGroup)
    assert both.name == "S3 x Z4"
    for a in range(24):
        for b in range(24):
            pair = (g.table[a // 4, b // 4], h.table[a % 4, b % 4])
            assert divmod(int(both.table[a, b]), 4) == pair
    assert both.labels[5] == f"({g.labels[1]}, {h.labels[1]})"


def test_product_irreps_of_two_cyclic_groups_are_pairs_of_frequencies():
    """Over the reals Z5 x Z5 has the trivial irrep and one rotation per pair +-(k, l)."""
    group = product(CyclicGroup(5), CyclicGroup(5))
    a, b = np.divmod(np.arange(25), 5)
    waves = {
        tuple((2 * np.cos(2 * np.pi * (k * a + m * b) / 5)).round(8) + 0.0)
        for k in range(5)
        for m in range(5)
        if k or m
    }
    assert {tuple(i.character.round(8) + 0.0) for i in group.irreps[1:]} == waves
    assert len(group.irreps) == 1 + 12


def test_product_names_say_which_irreps_they_come_from():
    names = product(CyclicGroup(3), CyclicGroup(3)).irrep_names
    assert names == ("trivial", "trivial x k=1", "k=1 x trivial", "k=1 x k=1 (1)", "k=1 x k=1 (2)")
    nested = product(product(CyclicGroup(2), CyclicGroup(2)), CyclicGroup(3))
    assert nested.name == "(Z2 x Z2) x Z3"


def test_product_power_of_a_function_of_one_factor_stays_with_that_factor():
    group = product(SymmetricGroup(3), CyclicGroup(5))
    f = np.random.default_rng(0).standard_normal(6)
    power = group.power(np.repeat(f, 5))
    for name, share in zip(group.irrep_names, power, strict=True):
        if not name.endswith("x trivial"):
            assert share == pytest.approx(0, abs=1e-12)
    alone = dict(zip(group.g.irrep_names, group.g.power(f), strict=True))
    assert power[group.irrep_names.index("standard x trivial")] == pytest.approx(alone["standard"])


@pytest.mark.parametrize("n", [0, -2, 1.5, 5001, 10**18])
def test_polygons_need_a_corner_and_a_table_that_can_be_built(n):
    with pytest.raises(ValueError, match=rf"n = {n} .*a dihedral group needs n in 1\.\.5000"):
        DihedralGroup(n)
