"""Partitions into cosets: variances against a loop over cosets, scores against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest

from grokscope.analysis.cosets.coset_null import draws_for, relabellings, threshold
from grokscope.analysis.cosets.partitions import CosetPartitions, coset_partitions, group_has_cosets
from grokscope.groups import (
    AlternatingGroup,
    CyclicGroup,
    DihedralGroup,
    FiniteGroup,
    SymmetricGroup,
    UnitsModulo,
    group_by_name,
    subgroup_classes,
)

Q8 = np.array([
    (0, 1, 2, 3, 4, 5, 6, 7), (1, 0, 3, 2, 5, 4, 7, 6), (2, 3, 1, 0, 6, 7, 5, 4), (3, 2, 0, 1, 7, 6, 4, 5),
    (4, 5, 7, 6, 1, 0, 2, 3), (5, 4, 6, 7, 0, 1, 3, 2), (6, 7, 4, 5, 3, 2, 1, 0), (7, 6, 5, 4, 2, 3, 0, 1),
])  # fmt: skip
GROUPS = [
    SymmetricGroup(3),
    SymmetricGroup(4),
    CyclicGroup(12),
    DihedralGroup(6),
    AlternatingGroup(4),
    UnitsModulo(13),
    CyclicGroup(9),
    FiniteGroup(Q8, name="Q8"),
    group_by_name("Z3xS3"),
]


def cosets_by_hand(group: FiniteGroup, elements: np.ndarray, side: str) -> set[frozenset[int]]:
    """{gh : h} or {hg : h} for every g."""
    product = group.table[:, elements] if side != "right" else group.table[elements].T
    return {frozenset(row) for row in product.tolist()}


def concentration_by_hand(f: np.ndarray, cosets: set[frozenset[int]]) -> float:
    within = sum(len(coset) / len(f) * np.var(f[list(coset)]) for coset in cosets)
    return float(within / np.var(f))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_between_is_one_minus_the_concentration_of_a_loop_over_cosets(group: FiniteGroup) -> None:
    partitions = CosetPartitions(group)
    f = np.random.default_rng(0).normal(size=(group.order, 3)) + 5
    between = partitions.between(torch.from_numpy(f)).numpy()
    for i, partition in enumerate(partitions.partitions):
        elements = partition.subgroup.members[partition.member].elements
        cosets = cosets_by_hand(group, elements, partition.side)
        assert len(cosets) == partitions.index[i] == partition.subgroup.index
        assert {frozenset(np.flatnonzero(partitions.labels[i] == k).tolist()) for k in range(len(cosets))} == cosets
        for unit in range(3):
            assert 1 - between[i, unit] == pytest.approx(concentration_by_hand(f[:, unit], cosets), abs=1e-12)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_partition_into_cosets_is_there_once(group: FiniteGroup) -> None:
    partitions = CosetPartitions(group)
    proper = [h for found in subgroup_classes(group) for h in found.members if 1 < h.order < group.order]
    expected = {frozenset(cosets_by_hand(group, h.elements, side)) for h in proper for side in ("left", "right")}
    found = [
        frozenset(cosets_by_hand(group, p.subgroup.members[p.member].elements, p.side)) for p in partitions.partitions
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert (np.diff(partitions.index) >= 0).all()


def test_s5_has_154_proper_subgroups_and_307_partitions() -> None:
    partitions = coset_partitions(SymmetricGroup(5))
    assert sum(len(found.members) for found in partitions.classes) == 154
    # A5 is normal: its left and right cosets are one partition.
    assert len(partitions) == 2 * 154 - 1
    assert [p.subgroup.name for p in partitions.partitions if p.side == "both"] == ["A5"]


def test_relabelled_functions_are_functions_of_the_relabelled_element() -> None:
    partitions, n = coset_partitions(SymmetricGroup(4)), 24
    f, pis = torch.randn(n, 4, dtype=torch.float64), relabellings(n, 3)
    found = partitions.between(f, pis)
    expected = torch.cat([partitions.between(f[torch.from_numpy(pi)]) for pi in pis], dim=1)
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-12)


@pytest.mark.parametrize("group", [SymmetricGroup(4), CyclicGroup(12), SymmetricGroup(5)], ids=lambda g: g.name)
def test_scores_of_gaussian_values_have_mean_0_and_deviation_1(group: FiniteGroup) -> None:
    partitions = coset_partitions(group)
    values = torch.randn(group.order, 20_000, generator=torch.Generator().manual_seed(0))
    between = partitions.between(values)
    scores = partitions.scores(between).double().numpy()
    # The mean of 20,000 is known to 0.007, the deviation of a skewed share (k = 2) to 0.02.
    assert scores.mean(1) == pytest.approx(0, abs=0.03)
    assert scores.std(1) == pytest.approx(1, abs=0.06)
    for i in range(0, len(partitions), 13):
        k, n = partitions.index[i], group.order
        share = beta((k - 1) / 2, (n - k) / 2)
        assert partitions.scores(between)[i, :9].numpy() == pytest.approx(
            (between[i, :9].numpy() - share.mean()) / share.std(), rel=1e-4, abs=1e-5
        )
        # 0.1% critical distance of Kolmogorov and Smirnov, 1.95 / sqrt(20,000).
        assert kstest(between[i].numpy(), share.cdf).statistic < 0.0138


@pytest.mark.parametrize("group", [SymmetricGroup(5), SymmetricGroup(4), CyclicGroup(12), DihedralGroup(6)], ids=str)
def test_a_function_constant_on_cosets_is_attributed_to_the_largest_such_subgroup(group: FiniteGroup) -> None:
    partitions = coset_partitions(group)
    rng = np.random.default_rng(0)
    values = np.stack(
        [rng.normal(size=k)[labels] for k, labels in zip(partitions.index, partitions.labels, strict=True)]
    )
    between = partitions.between(torch.from_numpy(values.T))
    best = partitions.best(between, partitions.scores(between)).numpy()
    assert best.tolist() == list(range(len(partitions)))
    assert between.numpy().diagonal() == pytest.approx(1, abs=1e-12)


def test_the_indicator_of_one_coset_is_given_to_the_first_of_both_sides() -> None:
    partitions = coset_partitions(SymmetricGroup(5))
    s4 = next(i for i, p in enumerate(partitions.partitions) if p.subgroup.name == "S4")
    f = torch.from_numpy((partitions.labels[s4] == 2).astype(float))[:, None]
    for values in (f, f.float(), 1e-3 * f + 7):
        between = partitions.between(values)
        scores = partitions.scores(between)
        assert (scores[:, 0] > scores.max() - 1e-3).sum() == 2  # gH, and (gHg^-1)g
        best = partitions.partitions[int(partitions.best(between, scores)[0])]
        assert (best.subgroup.name, best.side) == ("S4", "left")


def test_the_threshold_is_the_99th_percentile_of_relabelled_best_scores() -> None:
    group = SymmetricGroup(4)
    partitions = coset_partitions(group)
    f = torch.from_numpy(np.random.default_rng(3).exponential(size=(24, 50)))
    found = threshold(partitions, f, draws=20)
    best = []
    for pi in relabellings(24, 20):
        for unit in range(50):
            values = f[torch.from_numpy(pi), unit][:, None]
            best.append(float(partitions.scores(partitions.between(values)).max()))
    assert found == pytest.approx(np.sort(best)[990], abs=1e-9)  # the 991st of 1000: ceil(0.99 * 1001)
    fresh = torch.from_numpy(np.random.default_rng(4).exponential(size=(24, 20_000)))
    above = partitions.scores(partitions.between(fresh)).amax(0) > threshold(partitions, fresh[:, :4096], draws=8)
    assert float(above.double().mean()) == pytest.approx(0.01, abs=0.004)


def test_few_units_have_more_relabellings() -> None:
    assert draws_for(512) == 8
    assert draws_for(2048) == 8
    assert draws_for(12) * 12 >= 4096


@pytest.mark.parametrize("group", [CyclicGroup(7), CyclicGroup(1), CyclicGroup(121)], ids=lambda group: group.name)
def test_groups_without_cosets_to_look_for_are_refused(group: FiniteGroup) -> None:
    assert not group_has_cosets(group)
    with pytest.raises(ValueError, match=rf"{group.name} of order {group.order} has no cosets to look for"):
        CosetPartitions(group)
