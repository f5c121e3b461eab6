"""As soon as a reference: against scipy's paired test, and how often it errs in samples whose truth is known."""

from __future__ import annotations

from itertools import product
from math import exp, inf, log

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from grokscope.analysis.timing import non_inferiority, seeds_needed
from grokscope.analysis.timing.non_inferiority import signed_rank_bound


def _table(**times):
    """Runs with these times of the sustained grok; None: censored at 3,000."""
    rows = [
        {
            "arm": arm, "seed": seed, "status": "finished", "budget": 3000, "cadence": 10,
            "sustained_grok_step": time, "grok_step": time, "observed": 3000, "sustained_observed": 3000,
        }
        for arm, of_arm in times.items()
        for seed, time in enumerate(of_arm)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(("sustained_grok_step", "grok_step"), "Int64"))


CLIP = [440, 520, 590, 460, 480]


def test_the_interval_is_that_of_a_paired_test_of_logarithms():
    arm = [460, 510, 610, 500, 470]
    (row,) = non_inferiority(_table(clip=CLIP, arm=arm), "clip").to_dict("records")
    apart = np.log(np.array(arm) / np.array(CLIP))
    assert row["ratio"] == pytest.approx(stats.gmean(arm) / stats.gmean(CLIP))
    for margin in (row["high"] * 0.999, row["high"] * 1.001):
        p = stats.ttest_1samp(apart, log(margin), alternative="less").pvalue
        assert (p < 0.05) == (margin > row["high"])
    p = stats.ttest_1samp(apart, log(row["low"]), alternative="greater").pvalue
    assert p == pytest.approx(0.05)
    assert row["verdict"] == "as soon"
    assert (row["seeds"], row["is_lower_bound"], row["statement"]) == (5, False, "")


@pytest.mark.parametrize(
    ("arm", "verdict"),
    [
        ([400, 500, 580, 450, 470], "as soon"),
        ([900, 1100, 1200, 1000, 950], "later"),
        ([300, 900, 500, 700, 400], "cannot tell"),
        ([None, None, None, None, None], "later"),
        ([440, 520, 590, 460, None], "cannot tell"),
    ],
)
def test_verdicts(arm, verdict):
    (row,) = non_inferiority(_table(clip=CLIP, arm=arm), "clip").to_dict("records")
    assert row["verdict"] == verdict
    if None in arm:
        assert row["is_lower_bound"]
        assert row["high"] == np.inf
        assert row["statement"].startswith("at least")


def test_a_later_end_of_watching_never_lowers_the_bound_of_a_censored_arm():
    """What the runs that were not seen to grok have in truth is later still: the bound must hold for that too."""
    clip = [500] * 8
    near, far = (non_inferiority(_censored(clip, [700] * 7, seen), "clip") for seen in (800, 30000))
    low, far_low = near["low"].iloc[0], far["low"].iloc[0]
    assert 1.3 < low <= far_low
    assert near["verdict"].tolist() == far["verdict"].tolist() == ["later"]
    # The bound by t does fall: it is no bound of what was not seen.
    apart = np.log(np.array([700] * 7 + [30000]) / 500)
    assert exp(apart.mean() - stats.t.ppf(0.95, 7) * apart.std(ddof=1) / np.sqrt(8)) < 1.15
    rng = np.random.default_rng(0)
    for n in (5, 9, 20):
        apart = rng.normal(0.3, 0.5, n)
        risen = apart.copy()
        for _ in range(20):
            risen[rng.integers(n)] += rng.exponential(3.0)
            assert signed_rank_bound(risen) >= signed_rank_bound(apart)


def _censored(clip: list[int], times: list[int], seen: int) -> pd.DataFrame:
    """An arm with these times, and a last run that was watched until a step and had not grokked."""
    table = _table(clip=clip, arm=[*times, None])
    last = table.index[-1]
    table.loc[last, ["observed", "sustained_observed", "budget"]] = seen
    return table


@pytest.mark.parametrize("n", [5, 7, 10])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_bound_of_a_censored_arm_is_where_the_signed_rank_test_stops_rejecting(n, level):
    """By brute force: of all 2^n signs of the ranks, the share with a sum of the positive ones at least as large."""
    apart = np.random.default_rng(n).normal(0.4, 0.6, n)
    sums = np.array(list(product((0, 1), repeat=n))) @ np.arange(1, n + 1)

    def p(centre: float) -> float:
        shifted = apart - centre
        positive = stats.rankdata(np.abs(shifted))[shifted > 0].sum()
        return float((sums >= positive).mean())

    bound = signed_rank_bound(apart, level)
    assert p(bound - 1e-9) <= 1 - level < p(bound + 1e-9)
    for centre in (bound - 1e-9, bound + 1e-9):
        scipys = stats.wilcoxon(apart - centre, alternative="greater", method="exact").pvalue
        assert p(centre) == pytest.approx(scipys)


def test_the_bound_of_a_censored_arm_is_exact_for_forty_seeds():
    apart = np.random.default_rng(40).normal(0.2, 0.5, 40)
    bound = signed_rank_bound(apart)
    below, above = (
        stats.wilcoxon(apart - centre, alternative="greater", method="exact").pvalue
        for centre in (bound - 1e-9, bound + 1e-9)
    )
    assert below <= 0.05 < above


def _spread(n, rng, centre=1.0):
    """Steps of a reference, and of an arm that is as soon but for its spread."""
    clip = (500 * np.exp(0.2 * rng.standard_normal(n))).round().astype(int)
    return clip, (clip * centre * np.exp(0.1 * rng.standard_normal(n))).round().astype(int)


@pytest.mark.parametrize("n", [9, 10, 17])
def test_one_censored_run_leaves_an_upper_end_from_ten_seeds_on(n):
    clip, arm = _spread(n, np.random.default_rng(n))
    (row,) = non_inferiority(_table(clip=clip, arm=[*arm[:-1], None]), "clip").to_dict("records")
    assert row["is_lower_bound"]
    if n == 9:  # 9 of the averages are infinite, and the bound is the ninth largest: T+ <= 8 has the probability 0.049
        assert row["high"] == inf
        assert row["verdict"] == "cannot tell"
        return
    # Whatever the last run's time is in truth, the signed-rank test rejects centres above the bound, and none below.
    apart = np.log([*(arm[:-1] / clip[:-1]), 1e6])
    for factor, rejected in ((0.999, False), (1.001, True)):
        p = stats.wilcoxon(apart - log(factor * row["high"]), alternative="less", method="exact").pvalue
        assert (p <= 0.05) == rejected
    assert (row["verdict"] == "as soon") == (row["high"] <= 1.15)
    assert row["low"] < row["ratio"]


def test_a_censored_reference_is_the_same_question_the_other_way_round():
    clip, arm = _spread(17, np.random.default_rng(3))
    table = _table(clip=[*clip[:-1], None], arm=arm)
    (row,) = non_inferiority(table, "clip").to_dict("records")
    (other,) = non_inferiority(table, "arm").to_dict("records")
    assert (row["is_lower_bound"], row["is_upper_bound"]) == (False, True)
    assert (other["is_lower_bound"], other["is_upper_bound"]) == (True, False)
    for name, mirrored in (("ratio", "ratio"), ("low", "high"), ("high", "low")):
        assert row[name] == pytest.approx(1 / other[mirrored])
    assert row["statement"] == "at most: some runs are censored of the reference"
    # Five seeds, one of the reference censored: no lower end, and the upper one is the largest of five.
    (five,) = non_inferiority(_table(clip=[*CLIP[:4], None], arm=CLIP), "clip").to_dict("records")
    assert five["low"] == 0
    assert five["high"] == 1.0
    assert five["verdict"] == "as soon"
    (four,) = non_inferiority(_table(clip=[*CLIP[:3], None], arm=CLIP[:4]), "clip").to_dict("records")
    assert four["verdict"] == "cannot tell"


def test_runs_of_both_that_are_censored_leave_ends_and_no_ratio():
    clip, arm = _spread(20, np.random.default_rng(5))
    both = _table(clip=[*clip[:-2], None, clip[-1]], arm=[*arm[:-1], None])
    (row,) = non_inferiority(both, "clip").to_dict("records")
    assert np.isnan(row["ratio"])
    assert row["statement"] == "no ratio: some runs are censored of both"
    assert 0 < row["low"] < row["high"] < inf
    assert not row["is_lower_bound"]
    assert not row["is_upper_bound"]
    same_seed = _table(clip=[*clip[:-1], None], arm=[*arm[:-1], None])
    (row,) = non_inferiority(same_seed, "clip").to_dict("records")
    assert 0 < row["low"] < row["high"] < inf


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_censored_arm_of_fewer_than_five_seeds_has_no_lower_end(n):
    (row,) = non_inferiority(_table(clip=CLIP[:n], arm=[2900] * (n - 1) + [None]), "clip").to_dict("records")
    assert np.isnan(row["low"])
    assert row["high"] == inf
    assert row["verdict"] == "cannot tell"
    assert row["statement"] == "at least: some runs are censored; too few seeds for a lower end"
    assert np.isnan(signed_rank_bound(np.ones(n)))
    assert signed_rank_bound(np.ones(5)) == 1.0


def test_one_seed_has_no_interval_and_tells_nothing():
    (row,) = non_inferiority(_table(clip=[440], arm=[440]), "clip").to_dict("records")
    assert row["verdict"] == "cannot tell"
    assert np.isnan(row["high"])
    assert np.isnan(row["seeds_needed"])


@pytest.mark.parametrize(("truth", "verdict"), [(1.15, "as soon"), (1.15, "later")])
def test_at_the_margin_itself_either_verdict_is_wrong_in_one_of_twenty_samples(truth, verdict):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        base = 500 * np.exp(0.1 * rng.standard_normal(6))
        arm = base * truth * np.exp(0.12 * rng.standard_normal(6))
        table = _table(clip=base.round().astype(int), arm=arm.round().astype(int))
        wrong += non_inferiority(table, "clip")["verdict"].iloc[0] == verdict
    # 5% of 400 with a standard deviation of 4.4; three of those.
    assert abs(wrong - 20) <= 13


@pytest.mark.parametrize("spread", [0.08, 0.15, 0.25])
def test_so_many_seeds_have_the_power_that_is_named(spread):
    n = seeds_needed(spread)
    rng = np.random.default_rng(1)

    def power(seeds: int) -> float:
        apart = spread * rng.standard_normal((20000, seeds))
        half = stats.t.ppf(0.95, seeds - 1) * apart.std(1, ddof=1) / np.sqrt(seeds)
        return float((np.exp(apart.mean(1) + half) <= 1.15).mean())

    # The formula takes t quantiles for those of the noncentral t: good to a few points, and never optimistic by more.
    assert power(n) >= 0.78
    if n > 3:
        assert power(n - 1) < 0.85


def test_many_seeds_are_capped():
    assert seeds_needed(2.0) == 40


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"reference": "clap"}, "clap"),
        ({"reference": "clip", "arm": "free"}, "free"),
        ({"reference": "clip", "margin": 1.0}, r"margin = 1\.0"),
        ({"reference": "clip", "arm": "apart"}, "share no seed"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, match):
    table = _table(clip=[440, 520], arm=[450, 510], censored=[450, None], apart=[450, 460])
    table.loc[table["arm"] == "apart", "seed"] += 10
    with pytest.raises(ValueError, match=match):
        non_inferiority(table, **arguments)


def test_arms_that_share_no_seed_are_left_out_where_none_is_named():
    table = _table(clip=[440, 520], arm=[450, 510], apart=[450, 460])
    table.loc[table["arm"] == "apart", "seed"] += 10
    assert non_inferiority(table, "clip")["arm"].tolist() == ["arm"]
    assert exp(non_inferiority(table, "clip")["log_sd"].iloc[0]) > 1
