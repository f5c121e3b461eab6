"""Shares of a speed-up place an arm between two others, and say what censoring leaves of that."""

from __future__ import annotations

from math import inf, isnan, log

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.timing import shares
from tests.analysis.timing_tables import arm, simulated


def one(table: pd.DataFrame, **options) -> dict:
    (row,) = shares(table, "base", "whole", "part", **options).to_dict("records")
    return row


def tables(base: list[float], part: list[float], whole: list[float], /, **watched: list[float]) -> pd.DataFrame:
    times = {"base": base, "part": part, "whole": whole}
    return pd.concat([arm(name, known, watched.get(name, [])) for name, known in times.items()], ignore_index=True)


@pytest.mark.parametrize(
    ("part", "share"), [(1000, 0.0), (100, 1.0), (np.sqrt(1000 * 100), 0.5), (10, 2.0), (10_000, -1.0)]
)
def test_it_is_the_arms_place_between_the_other_two_in_logarithms(part, share):
    row = one(tables([1000] * 3, [part] * 3, [100] * 3))
    assert [row[name] for name in ("share", "low", "high")] == pytest.approx([share] * 3, abs=1e-12)
    assert (row["seeds"], row["unknown_draws"]) == (3, 0)


def test_what_seeds_have_in_common_cancels():
    hard = np.exp(np.random.default_rng(0).normal(0, 1, size=12))
    factors = {"base": 900, "part": 300, "whole": 100}
    row = one(pd.concat([simulated(name, factor * hard) for name, factor in factors.items()]))
    assert [row[name] for name in ("share", "low", "high")] == pytest.approx([0.5] * 3)


def test_an_arm_that_never_groks_has_at_most_what_its_budget_gives():
    row = one(tables([4000] * 4, [], [1000] * 4, part=[2000] * 4))
    assert isnan(row["share"])
    assert (row["low"], row["high"]) == (-inf, pytest.approx(0.5))
    assert "at most 50%" in row["statement"]


def test_with_a_baseline_that_never_groks_the_share_is_between_what_its_budget_gives_and_one():
    row = one(tables([], [2000] * 4, [1000] * 4, base=[4000] * 4))
    assert (row["low"], row["high"]) == (pytest.approx(0.5), 1.0)
    assert "between 50% and 100%" in row["statement"]
    faster = one(tables([], [500] * 4, [1000] * 4, base=[4000] * 4))
    assert (faster["low"], faster["high"]) == (1.0, pytest.approx(1.5))


@pytest.mark.parametrize("budget", [1500, 3000, 10_000])
def test_the_bounds_of_censored_arms_hold_the_share_without_censoring(budget):
    source = np.random.default_rng(3)
    times = {
        name: m * np.exp(0.3 * source.normal(size=9)) for name, m in {"base": 4e3, "part": 2e3, "whole": 5e2}.items()
    }
    true = one(pd.concat([simulated(name, t) for name, t in times.items()]))
    seen = one(pd.concat([simulated(name, t, budget) for name, t in times.items()]))
    assert seen["low"] <= true["share"] <= seen["high"]
    assert seen["low"] <= true["low"] + 1e-12
    assert seen["high"] >= true["high"] - 1e-12


def test_a_whole_that_is_not_faster_leaves_no_share():
    for table in (tables([100] * 3, [50] * 3, [100] * 3), tables([1000] * 3, [500] * 3, [], whole=[900] * 3)):
        row = one(table)
        assert isnan(row["share"])
        assert (row["low"], row["high"], row["unknown_draws"]) == (-inf, inf, 1.0)
        assert "no share" in row["statement"]


@pytest.mark.parametrize(("runs", "least", "most"), [(5, 0.92, 0.97), (10, 0.93, 0.98)])
def test_a_known_share_is_within_its_interval_as_often_as_stated(runs, least, most):
    source, within = np.random.default_rng(4), []
    true = log(3) / log(6)
    for _ in range(300):
        common = 0.2 * source.normal(size=runs)
        medians = {"base": 3000, "part": 1000, "whole": 500}
        drawn = [simulated(name, m * np.exp(common + 0.25 * source.normal(size=runs))) for name, m in medians.items()]
        row = one(pd.concat(drawn), draws=600)
        within.append(row["low"] <= true <= row["high"])
    error = 4 * np.sqrt(0.05 * 0.95 / 300)
    assert least - error < np.mean(within) < most + error


def test_one_seed_has_a_share_and_no_interval():
    row = one(tables([900], [300], [100]))
    assert row["share"] == pytest.approx(0.5)
    assert isnan(row["low"])
    assert isnan(row["high"])


def test_bad_arguments_name_what_would_do():
    table = tables([900], [300], [100])
    with pytest.raises(ValueError, match="arm = 'base' is not accepted: use one of part"):
        shares(table, "base", "whole", "base")
    with pytest.raises(ValueError, match="whole = 'hole' is not accepted"):
        shares(table, "base", "hole", "part")
    apart = pd.concat([table, arm("other", [50], seeds=[7])])
    with pytest.raises(ValueError, match="share no seed"):
        shares(apart, "base", "whole", "other")
