"""The coset null of one irrep: a random function of the irrep is above it one time in a hundred, cosets always."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.checkpoint.marginals import Marginal
from grokscope.analysis.cosets.cosets import coset_summary, coset_table, cosets
from grokscope.analysis.cosets.irrep_null import DRAWS, irrep_threshold, own_irreps
from grokscope.analysis.cosets.partitions import coset_partitions
from grokscope.groups import AlternatingGroup, FiniteGroup, SymmetricGroup, UnitsModulo
from grokscope.runs import Run
from tests.planted_cosets import EACH, FIRST, GROUP, KINDS, PARTITIONS, coset_run


def functions_of(group: FiniteGroup, irrep: str, count: int, seed: int = 1) -> np.ndarray:
    """Random functions of an irrep `[element, function]`."""
    basis = group.irrep(irrep).basis()
    return basis @ np.random.default_rng(seed).normal(size=(basis.shape[1], count))


def table_of(group: FiniteGroup, functions: np.ndarray) -> pd.DataFrame:
    f = torch.from_numpy(functions - functions.mean(0))
    variance = f.square().mean(0)
    return coset_table(coset_partitions(group), Marginal(f, variance, variance))


@pytest.mark.parametrize(
    ("group", "irrep"),
    [(SymmetricGroup(4), "standard"), (AlternatingGroup(5), "standard"), (SymmetricGroup(4), "sign-standard")],
    ids=["S4-standard", "A5-standard", "S4-sign-standard"],
)
def test_random_functions_of_an_irrep_beat_random_partitions_and_not_their_own_null(
    group: FiniteGroup, irrep: str
) -> None:
    table = table_of(group, functions_of(group, irrep, 2000))
    assert (table["irrep"] == irrep).all()
    assert table["irrep_share"].to_numpy() == pytest.approx(1.0)
    assert table["irrep_threshold"].nunique() == 1
    # Two quantiles of 999 and 2,000 draws: a standard error of 0.004.
    assert table["beyond_irrep"].mean() < 0.025
    assert table["beyond_irrep"].mean() > 0
    assert table["significant"].mean() > 5 * table["beyond_irrep"].mean()


def test_the_threshold_is_the_quantile_of_scores_that_partitions_give_one_by_one() -> None:
    basis = GROUP.irrep("standard").basis()
    drawn = basis @ np.random.default_rng(0).normal(size=(basis.shape[1], DRAWS))
    best = np.full(DRAWS, -np.inf)
    for partition in PARTITIONS.partitions:
        elements = partition.subgroup.members[partition.member].elements
        products = GROUP.table[:, elements].T if partition.side != "right" else GROUP.table[elements]  # gH or Hg
        labels = np.unique(products.min(0), return_inverse=True)[1]
        means = np.stack([drawn[labels == c].mean(0) for c in range(labels.max() + 1)])[labels]
        k, n = labels.max() + 1, GROUP.order
        share = np.square(means).sum(0) / np.square(drawn).sum(0)
        best = np.maximum(best, (share - (k - 1) / (n - 1)) / (np.sqrt(2 * (k - 1) * (n - k) / (n + 1)) / (n - 1)))
    standard = GROUP.irrep_names.index("standard")
    assert irrep_threshold(PARTITIONS, standard) == pytest.approx(np.sort(best)[989], rel=2e-4)


@pytest.mark.parametrize(("group", "irrep"), [(SymmetricGroup(4), "sign"), (UnitsModulo(13), "sign")])
def test_where_all_functions_of_an_irrep_fit_alike_none_is_beyond_it(group: FiniteGroup, irrep: str) -> None:
    table = table_of(group, functions_of(group, irrep, 50))
    assert table["concentration"].to_numpy() == pytest.approx(0, abs=1e-9)
    assert not table["beyond_irrep"].any()


def test_the_own_irrep_is_the_one_with_most_power() -> None:
    group = SymmetricGroup(4)
    mixed = 3 * functions_of(group, "sign", 5) / np.sqrt(5) + functions_of(group, "standard", 5)
    own, share = own_irreps(coset_partitions(group), torch.from_numpy(mixed))
    shares = group.power(mixed)
    assert own.tolist() == shares.argmax(0).tolist()
    assert share == pytest.approx(shares.max(0))


def test_functions_that_vary_nowhere_have_no_irrep() -> None:
    table = table_of(
        SymmetricGroup(4), np.concatenate([functions_of(SymmetricGroup(4), "sign", 1), np.ones((24, 1))], 1)
    )
    assert table["irrep"].isna().tolist() == [False, True]
    assert table["beyond_irrep"].tolist() == [False, False]
    assert table.loc[1, ["irrep_share", "irrep_threshold"]].isna().all()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path: Path = tmp_path_factory.mktemp("cosets") / "run"
    return coset_run(path)


def test_planted_coset_neurons_are_beyond_their_irrep_and_generic_ones_are_not(planted: Run) -> None:
    table = cosets(planted)
    table = table[(table["neuron"] >= FIRST) & (table["note"] == "")]
    kind = np.array(KINDS)[(table["neuron"] - FIRST) % len(KINDS)]
    beyond = table["beyond_irrep"].groupby(kind).agg(["sum", "size"])
    assert (table["irrep"] == "standard").all()
    for name in KINDS[:4]:
        assert beyond.loc[name, "sum"] == beyond.loc[name, "size"], name
    assert beyond.loc["generic in a", "sum"] <= 1
    assert beyond.loc["generic in a", "size"] == EACH


def test_the_summary_counts_explained_neurons_beyond_their_irrep(planted: Run) -> None:
    table, summary = cosets(planted), coset_summary(planted)
    assert (summary["n_beyond_irrep"] <= summary["n_explained"]).all()
    explained = table[table["explains"] & table["beyond_irrep"]]
    for operand in ("left", "right"):
        row = summary[(summary["operand"] == operand) & (summary["subgroup"] == "any")].iloc[0]
        assert row["n_beyond_irrep"] == (explained["operand"] == operand).sum()
    either = summary[(summary["operand"] == "either") & (summary["subgroup"] == "any")].iloc[0]
    assert either["n_beyond_irrep"] == explained["neuron"].nunique()
