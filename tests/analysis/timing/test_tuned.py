"""Baselines are tuned with equal effort, and reported on seeds that they were not chosen on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.timing import best_settings, grid_medians, tuned
from tests.analysis.timing_tables import arm


def grid(medians: dict[tuple, float | None], name: str = "a", seeds: int = 5) -> pd.DataFrame:
    """Runs at every (lr, weight_decay); None: all censored."""
    parts = [
        arm(name, [], [5000] * seeds, lr=lr, weight_decay=decay)
        if median is None
        else arm(name, [median + 10 * (i - seeds // 2) for i in range(seeds)], lr=lr, weight_decay=decay)
        for (lr, decay), median in medians.items()
    ]
    return pd.concat(parts, ignore_index=True)


A = {(1e-3, 0.0): 900, (1e-3, 1.0): 500, (1e-2, 0.0): None, (1e-2, 1.0): 700}
B = {(1e-4, 0.0): 300, (1e-4, np.nan): 200, (1e-3, 0.0): 100, (1e-3, np.nan): 150}
NAMES = ["lr", "weight_decay"]


def test_every_setting_of_a_grid_has_its_median():
    found = grid_medians(grid(A), NAMES)
    assert found[NAMES].to_numpy().tolist() == [list(point) for point in A]
    assert found["median"].fillna(-1).tolist() == [900, 500, -1, 700]
    assert found.loc[2, "statement"].startswith("> 5,000 steps (5 of 5 censored)")
    assert set(found["n"]) == {5}


def test_the_best_setting_is_that_of_the_seeds_chosen_on_and_its_other_seeds_are_returned():
    table = pd.concat([grid(A), grid(B, "b")], ignore_index=True)
    # On seeds 3 and 4 alone another setting is best, which must not be seen.
    hidden = (table["arm"] == "a") & (table["lr"] == 1e-2) & (table["weight_decay"] == 1.0) & (table["seed"] > 2)
    table.loc[hidden, "grok_step"] = 1.0
    best = best_settings(table, NAMES, [0, 1, 2])
    assert best[["arm", *NAMES]].to_numpy().tolist() == [["a", 1e-3, 1.0], ["b", 1e-3, 0.0]]
    assert best["tried"].tolist() == [4, 4]
    found = tuned(table, NAMES, choose_on=[0, 1, 2], report_on=[3, 4])
    assert found[["arm", "seed", "lr", "weight_decay"]].to_numpy().tolist() == [
        ["a", 3, 1e-3, 1.0],
        ["a", 4, 1e-3, 1.0],
        ["b", 3, 1e-3, 0.0],
        ["b", 4, 1e-3, 0.0],
    ]
    assert list(found) == list(table)


def test_a_setting_without_a_value_can_be_the_best():
    table = grid({**B, (1e-3, np.nan): 50})
    assert tuned(table, NAMES, [0, 1], [2])["weight_decay"].isna().tolist() == [True]


def test_ties_and_censored_grids_go_by_the_restricted_mean():
    table = pd.concat(
        [
            arm("a", [], [5000] * 3, lr=1.0),
            arm("a", [4000], [5000] * 2, lr=2.0),
            arm("a", [4500], [5000] * 2, lr=3.0),
        ]
    )
    (row,) = best_settings(table, ["lr"], [0, 1, 2]).to_dict("records")
    assert (row["lr"], row["tied"]) == (2.0, 1)
    tie = pd.concat([arm("a", [100, 200, 900], lr=1.0), arm("a", [100, 200, 300], lr=2.0)])
    assert best_settings(tie, ["lr"], [0, 1, 2])["lr"].tolist() == [2.0]
    same = pd.concat([arm("a", [], [50], lr=lr) for lr in (3.0, 1.0, 2.0)])
    assert best_settings(same, ["lr"], [0])[["lr", "tied"]].to_numpy().tolist() == [[1.0, 3.0]]


def test_a_setting_that_diverges_on_most_seeds_is_not_the_best_for_its_one_early_grok():
    wild = arm("a", [400], [50, 50], lr=1.0).assign(status=["finished", "diverged", "diverged"])
    table = pd.concat([wild, arm("a", [700, 800, 900], lr=0.1)])
    assert best_settings(table, ["lr"], [0, 1, 2])["lr"].tolist() == [0.1]


def test_grids_of_different_sizes_are_refused():
    table = pd.concat([grid(A), grid(dict(list(B.items())[:3]), "b")])
    with pytest.raises(ValueError, match=r"grids have different sizes \(a 4, b 3\): tune every arm over as many"):
        tuned(table, NAMES, [0, 1], [3])


def test_seeds_are_not_used_twice():
    with pytest.raises(ValueError, match=r"report_on = \[2, 3\] is not accepted \(seeds \[2\] are in choose_on\)"):
        tuned(grid(A), NAMES, [0, 1, 2], [2, 3])
    with pytest.raises(ValueError, match=r"report_on = \[\] is not accepted \(there are none\)"):
        tuned(grid(A), NAMES, [0], [])


def test_missing_runs_are_named():
    table = grid(A)
    with pytest.raises(ValueError, match=r"1 of 4 settings lack a run of some seed of choose_on = \[0, 1\]"):
        best_settings(table.drop(index=1), NAMES, [0, 1])
    with pytest.raises(ValueError, match=r"4 of 4 settings lack a run of some seed of choose_on = \[8\]"):
        best_settings(table, NAMES, [8])
    with pytest.raises(
        ValueError, match=r"arm 'a' at its best setting \(lr 0.001, weight_decay 1.0\) has no run .* \[9\]"
    ):
        tuned(table, NAMES, [0, 1], [3, 9])
    with pytest.raises(ValueError, match=r"settings = \[\] is not accepted"):
        best_settings(table, [], [0])
    with pytest.raises(ValueError, match=r"choose_on = \[\] is not accepted"):
        best_settings(table, NAMES, [])
    with pytest.raises(ValueError, match=r"no column beta"):
        best_settings(table, ["beta"], [0])
