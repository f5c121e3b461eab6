"""Which reading fits: planted functions of each kind are told apart, and R^2 is that of plain least squares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.cosets.partitions import coset_partitions
from grokscope.analysis.cosets.readings import reading_table, readings_of
from grokscope.groups import CyclicGroup, DihedralGroup, FiniteGroup, SymmetricGroup, left_cosets, right_cosets

GROUPS = [SymmetricGroup(4), SymmetricGroup(5), DihedralGroup(6), CyclicGroup(12), SymmetricGroup(3)]
S4, S5, D6 = SymmetricGroup(4), SymmetricGroup(5), DihedralGroup(6)
Values = np.ndarray
"""[a, b]"""


def table_of(group: FiniteGroup, functions: list[Values], dtype: torch.dtype = torch.float32) -> pd.DataFrame:
    return reading_table(group, torch.from_numpy(np.stack(functions, axis=-1)).to(dtype))


def cosets_of(group: FiniteGroup, name: str, side: str, member: int = 0) -> np.ndarray:
    found = next(h for h in coset_partitions(group).classes if h.name == name).members[member]
    return left_cosets(group, found) if side == "left" else right_cosets(group, found)


def table_function(group: FiniteGroup, name: str, seed: int) -> Values:
    """Any values, by the left coset of a and the right coset of b."""
    left, right = cosets_of(group, name, "left"), cosets_of(group, name, "right")
    values = np.random.default_rng(seed).normal(size=(left.max() + 1, right.max() + 1))
    return values[left[:, None], right[None, :]]


def product_function(group: FiniteGroup, irrep: str, seed: int) -> Values:
    """A random combination of the entries of rho(a * b)."""
    rho = group.irrep(irrep).matrices
    return np.tensordot(rho, np.random.default_rng(seed).normal(size=rho.shape[1:]), 2)[group.table]


def operand_function(group: FiniteGroup, irrep: str, seed: int) -> Values:
    """Random combinations of the entries of rho(a), rho(b) and rho(a * b)."""
    rho = group.irrep(irrep).matrices
    a, b = (np.tensordot(rho, np.random.default_rng(seed + i).normal(size=rho.shape[1:]), 2) for i in (1, 2))
    return a[:, None] + b[None, :] + product_function(group, irrep, seed)


@pytest.mark.parametrize(("group", "name"), [(S4, "S3"), (S5, "S4"), (S5, "F20")], ids=str)
def test_planted_tables_over_cosets_are_recognised_as_such(group: FiniteGroup, name: str) -> None:
    noise = np.random.default_rng(9).normal(size=(group.order, group.order))
    found = table_of(group, [table_function(group, name, seed) + 0.1 * noise for seed in range(8)])
    assert (found["better"] == "coset").all()
    for operand, side in (("left", "left"), ("right", "right")):
        assert set(found[f"{operand}_subgroup"]) == {name}
        assert set(found[f"{operand}_side"]) <= {side, "both"}
    assert (found["coset_r2"] > 0.9).all()
    assert (found["coset_parameters"] <= found["irrep_parameters"]).all()
    assert (found["coset_parameters"] == found["left_index"] * found["right_index"]).all()


@pytest.mark.parametrize(
    ("group", "irrep"),
    [(S4, "standard"), (S5, "standard"), (S5, "(3,2)"), (S5, "(3,1,1)"), (D6, "k=1"), (CyclicGroup(12), "k=1")],
    ids=str,
)
@pytest.mark.parametrize("plant", [product_function, operand_function])
def test_generic_matrix_entries_are_recognised_as_an_irrep(
    group: FiniteGroup, irrep: str, plant: Callable[[FiniteGroup, str, int], Values]
) -> None:
    found = table_of(group, [plant(group, irrep, seed) + 7 for seed in range(0, 40, 5)])
    assert (found["better"] == "irrep").all()
    assert set(found["irrep"]) == {irrep}
    assert found["irrep_r2"].to_numpy() == pytest.approx(1, abs=1e-5)
    span = group.irrep(irrep).span_dim
    assert (found["irrep_parameters"] == 1 + 3 * span).all()
    assert (found["coset_r2"] < found["irrep_r2"] - 0.01).all()
    if plant is product_function and group.order > 12:
        assert (found["coset_r2"] < 0.5).all()


def test_where_both_fit_the_one_with_fewer_parameters_is_better() -> None:
    sign = S5.irrep("sign").matrices[:, 0, 0]
    of_point = np.random.default_rng(0).normal(size=5)[cosets_of(S5, "S4", "left")]
    zero = np.zeros((120, 120))
    found = table_of(S5, [sign[:, None] + zero, zero + of_point[None, :]])
    assert found["better"].tolist() == ["coset", "coset"]
    assert found["irrep"].tolist() == ["sign", "standard"]
    assert found["irrep_parameters"].tolist() == [4, 49]
    assert found["coset_parameters"].tolist() == [2, 5]
    assert found[["left_subgroup", "right_subgroup"]].to_numpy().tolist() == [["A5", "S5"], ["S5", "S4"]]
    assert found[["irrep_r2", "coset_r2"]].to_numpy() == pytest.approx(1, abs=1e-6)


def test_noise_and_functions_of_one_operand_without_structure_fit_neither() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(120, 120)) for _ in range(4)]
    # A table of half as many rows as there are elements would explain half of each of these.
    memorised = [rng.normal(size=120)[:, None] + np.zeros((120, 120)) for _ in range(40)]
    found = table_of(S5, noise + memorised)
    assert (found["better"].iloc[:4] == "neither").all()
    # The best of 20 partitions into 40 cosets, which explain a third on average, may come to a half.
    assert (found["better"] == "neither").sum() >= 40
    assert (found[["irrep_r2", "coset_r2"]].iloc[:4].abs() < 0.1).all().all()


def test_a_constant_neuron_and_one_without_held_out_variance_have_a_note() -> None:
    fit, _, _ = readings_of(S4)
    once = np.zeros((24, 24))
    once[tuple(np.argwhere(fit)[0])] = 1.0
    found = table_of(S4, [np.full((24, 24), 1e3), once, np.random.default_rng(0).normal(size=(24, 24))])
    assert found["note"].tolist() == ["constant", "does not vary over the held-out pairs", ""]
    assert found["irrep"].isna().tolist() == [True, False, False]
    assert found["variance"].iloc[0] == 0
    assert found[["irrep_r2", "coset_r2"]].isna().to_numpy().tolist() == [[True, True], [True, True], [False, False]]
    assert found["better"].iloc[:2].tolist() == ["neither", "neither"]


def test_tables_in_a_small_group_are_mostly_found_by_their_means() -> None:
    group = DihedralGroup(6)
    noise = np.random.default_rng(9).normal(size=(12, 12))
    found = table_of(group, [table_function(group, "V4", seed) + 0.1 * noise for seed in range(8)])
    # Means of six pairs, by which cosets are chosen, may point elsewhere.
    assert (found["better"] == "coset").sum() >= 6
    assert (found["coset_parameters"] == 9).all()


def held_out_r2(values: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_r2_is_that_of_least_squares_and_of_means_on_held_out_pairs(group: FiniteGroup) -> None:
    rng = np.random.default_rng(1)
    irrep, subgroup = group.irrep_names[-1], coset_partitions(group).classes[0].name
    functions = [
        operand_function(group, irrep, 3)
        + 0.5 * table_function(group, subgroup, 4)
        + rng.normal(size=(group.order,) * 2)
        for _ in range(3)
    ]
    found = table_of(group, functions, torch.float64)
    fit, _, _ = readings_of(group)
    assert fit.sum() == group.order**2 // 2
    a, b = np.indices(fit.shape)
    for values, row in zip(functions, found.to_dict("records"), strict=True):
        rho = group.irrep(row["irrep"]).basis()
        design = np.concatenate([np.ones((*fit.shape, 1)), rho[a], rho[b], rho[group.table]], axis=-1)
        solved, _, rank, _ = np.linalg.lstsq(design[fit], values[fit], rcond=1e-8)
        assert row["irrep_parameters"] == rank
        assert row["irrep_r2"] == pytest.approx(held_out_r2(values[~fit], design[~fit] @ solved), abs=1e-6)
        # Which conjugates were taken is not in the table: one of them has this R^2.
        lefts, rights = (
            [np.zeros(group.order, dtype=int)]
            if row[f"{operand}_index"] == 1
            else [
                labels
                for labels, p in zip(coset_partitions(group).labels, coset_partitions(group).partitions, strict=True)
                if (p.subgroup.name, p.side) == (row[f"{operand}_subgroup"], row[f"{operand}_side"])
            ]
            for operand in ("left", "right")
        )
        reached = []
        for left in lefts:
            for right in rights:
                frame = pd.DataFrame({"l": left[a[fit]], "r": right[b[fit]], "v": values[fit]})
                means = frame.groupby(["l", "r"])["v"].mean()
                keys = list(zip(left[a[~fit]], right[b[~fit]], strict=True))
                predicted = np.array([means.get(key, values[fit].mean()) for key in keys])
                reached.append(held_out_r2(values[~fit], predicted))
        assert min(abs(r - row["coset_r2"]) for r in reached) < 1e-9


def test_the_table_chosen_is_the_best_of_the_candidates_with_no_more_parameters() -> None:
    partitions = coset_partitions(S4)
    values = table_function(S4, "S3", 0) + 0.3 * table_function(S4, "A4", 1)
    found = table_of(S4, [values], torch.float64).iloc[0]
    fit, _, _ = readings_of(S4)
    a, b = np.nonzero(fit)
    best: tuple[float, tuple[str, str]] = (np.inf, ("", ""))
    for p, left in zip(partitions.partitions, partitions.labels, strict=True):
        for q, right in zip(partitions.partitions, partitions.labels, strict=True):
            parameters = p.subgroup.index * q.subgroup.index
            if parameters <= found["irrep_parameters"]:
                cells = pd.DataFrame({"l": left[a], "r": right[b], "v": values[fit]}).groupby(["l", "r"])["v"]
                residual = float(((values[fit] - cells.transform("mean").to_numpy()) ** 2).sum())
                score = len(a) * np.log(residual) + parameters * np.log(len(a))
                best = min(best, (score, (p.subgroup.name, q.subgroup.name)))
    assert (found["left_subgroup"], found["right_subgroup"]) == best[1] == ("S3", "S3")
