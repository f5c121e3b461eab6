"""Survival curves, medians and tests agree with published analyses and with arithmetic; censoring never flatters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, t

from grokscope.analysis.timing import holm, log_rank, medians, outcomes, survival
from grokscope.analysis.timing.kaplan_meier import Curve
from grokscope.analysis.timing.medians import median_of
from grokscope.analysis.timing.resampling import resampled_medians
from tests.analysis.timing_tables import FREIREICH, arm, simulated

TIMES = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=12)


def runs_of(pairs) -> pd.DataFrame:
    """Runs of an arm from (time, whether it grokked then)."""
    table = arm("a", [float(time) for time, _ in pairs])
    return table.assign(grok_step=[float(time) if grokked else np.nan for time, grokked in pairs])


def median(pairs):
    return median_of(Curve.of(outcomes(runs_of(pairs))["a"]))


def test_the_curve_of_freireich_is_the_published_one():
    curve = survival(FREIREICH).query("arm == '6-MP' and events > 0")
    assert curve["time"].tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
    published = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]  # Cox & Oakes 1984; Collett 2015
    assert curve["survival"].tolist() == pytest.approx(published, abs=6e-4)


def test_the_medians_of_freireich_are_23_and_8_weeks():
    found = medians(FREIREICH).set_index("arm")
    assert found["median"].tolist() == [23, 8]
    # R: survfit(Surv(time, status) ~ group, conf.type = "log-log")
    assert found["low"].tolist() == [13, 4]
    assert found["high"].tolist() == [np.inf, 11]
    assert found["statement"].tolist() == ["no upper end", ""]


def test_the_log_rank_statistic_of_freireich_is_16_79():
    (row,) = log_rank(FREIREICH).to_dict("records")
    assert row["statistic"] == pytest.approx(16.79, abs=0.005)
    assert row["p"] == row["p_holm"] == pytest.approx(chi2.sf(16.793, 1), rel=1e-3)
    assert row["faster"] == "placebo"


def test_the_band_is_the_exponential_greenwood_formula():
    curve = survival(FREIREICH, level=0.9).query("arm == '6-MP' and time == 10").iloc[0]
    greenwood = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    half = 1.6448536 * np.sqrt(greenwood) / abs(np.log(curve["survival"]))
    ends = curve["survival"] ** np.exp([half, -half])
    assert curve[["low", "high"]].tolist() == pytest.approx(ends.tolist(), rel=1e-6)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=15))
def test_without_censoring_it_is_the_ordinary_median_and_the_ordinary_mean(times):
    (row,) = medians(arm("a", times)).to_dict("records")
    assert row["median"] == row["at_least"] == np.median(times)
    assert row["restricted_mean"] == pytest.approx(np.mean(times))
    if len(times) > 1 and not np.isnan(row["restricted_mean_low"]) and row["restricted_mean_high"] < row["horizon"]:
        # Student's interval of a mean, as in any textbook.
        half = t.ppf(0.975, len(times) - 1) * np.std(times, ddof=1) / np.sqrt(len(times))
        assert row["restricted_mean_high"] - np.mean(times) == pytest.approx(half, abs=1e-9)


@given(TIMES, st.data())
def test_censoring_an_event_then_or_later_never_shortens_a_median(pairs, data):
    place = data.draw(st.integers(0, len(pairs) - 1))
    later = data.draw(st.integers(0, 30))
    time = pairs[place][0]
    changed = [*pairs[:place], (time + later, False), *pairs[place + 1 :]]
    before, after = median(pairs), median(changed)
    assert after.value >= before.value
    assert after.at_least >= before.at_least


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 30))
def test_a_smaller_budget_leaves_a_median_or_says_that_it_is_beyond(times, budget):
    whole = np.median(times)
    (row,) = medians(simulated("a", np.array(times, dtype=float), budget)).to_dict("records")
    assert row["at_least"] <= whole
    assert np.isnan(row["median"]) or row["median"] == whole


@given(TIMES, st.randoms())
def test_resampled_medians_are_those_of_the_resamples(pairs, random):
    runs = outcomes(runs_of(pairs))["a"]
    drawn = [random.choices(range(len(pairs)), k=len(pairs)) for _ in range(5)]
    counts = np.array([np.bincount(one, minlength=len(pairs)) for one in drawn])
    found = resampled_medians(runs, counts)
    for i, one in enumerate(drawn):
        expected = median([pairs[place] for place in one])
        assert (found.high[i], found.low[i]) == pytest.approx((expected.value, expected.at_least))


def test_arms_in_another_order_have_the_same_numbers():
    other = FREIREICH.sample(frac=1.0, random_state=1)
    for statistic in (survival, medians):
        pd.testing.assert_frame_equal(
            statistic(FREIREICH, arms=["placebo", "6-MP"]), statistic(other, arms=["placebo", "6-MP"])
        )
    there, back = (log_rank(FREIREICH, arms=arms).iloc[0] for arms in (["placebo", "6-MP"], ["6-MP", "placebo"]))
    assert there[["statistic", "p", "faster"]].tolist() == back[["statistic", "p", "faster"]].tolist()


def test_edge_cases_are_words_and_not_numbers():
    table = pd.concat(
        [
            arm("all censored", [], [8000] * 5),
            arm("one seed", [70]),
            arm("one censored", [], [500]),
            arm("two", [70, 90]),
        ]
    )
    found = medians(table, arms=[*table["arm"].unique(), "empty"]).set_index("arm")
    assert found["statement"].to_dict() == {
        "all censored": "> 8,000 steps (5 of 5 censored); no interval: no lower end is determined",
        "one seed": "one seed: no interval",
        "one censored": "> 500 steps (1 of 1 censored); one seed: no interval",
        "two": "the range of 2 runs holds the median in 50% of samples at most",
        "empty": "no runs",
    }
    assert found["n"].tolist() == [5, 1, 1, 2, 0]
    assert found["median"].isna().tolist() == [True, False, True, False, True]
    assert found.loc["all censored", "at_least"] == 8000
    assert found.loc["all censored", "restricted_mean"] == found.loc["all censored", "horizon"] == 500
    assert found.loc["two", ["low", "high"]].tolist() == [70, 90]
    assert survival(table, arms=["empty"]).empty


def test_half_of_the_runs_censored_is_a_median_beyond_the_mean_of_both_sides():
    (row,) = medians(arm("a", [100], [900])).to_dict("records")
    assert np.isnan(row["median"])
    assert row["at_least"] == 500  # the other run groks at 900 or later


def test_the_restricted_mean_goes_up_to_what_all_arms_were_watched_for():
    table = pd.concat([arm("a", [100, 300], [400, 1000]), arm("b", [50, 60, 900]), arm("c", [10], [800])])
    found = medians(table).set_index("arm")
    assert found["horizon"].tolist() == [800] * 3
    # a: 1 to 100, 3/4 to 300, 1/2 to 800
    assert found.loc["a", "restricted_mean"] == pytest.approx(100 + 150 + 250)
    assert found.loc["b", "restricted_mean"] == pytest.approx((50 + 60 + 800) / 3)
    # sum of d A^2 / (n (n - d)) times m / (m - 1), by hand: A = 400 after 100, 250 after 300
    half = 3.18244631 * np.sqrt(2 * (400**2 / 12 + 250**2 / 6))
    low, high = found.loc["a", ["restricted_mean_low", "restricted_mean_high"]]
    assert (low, high) == pytest.approx((max(500 - half, 0), min(500 + half, 800)))


def test_holm_is_what_one_gets_by_hand():
    # Smallest first: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 1 x 0.04, which may not be below the one before it.
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, alpha):
    rejected = np.zeros(len(p), dtype=bool)
    for k, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] * (len(p) - k) > alpha:
            break
        rejected[place] = True
    assert (holm(np.array(p)) <= alpha).tolist() == rejected.tolist()


def test_log_rank_of_arms_without_a_test_says_why():
    table = pd.concat([arm("a", [10, 20]), arm("never", [], [90, 90]), arm("nor", [], [90, 90]), arm("early", [], [5])])
    found = log_rank(table, arms=["a", "never", "nor", "early", "empty"]).set_index(["arm", "other"])
    assert found.loc[("never", "nor"), "statement"] == "no test: no events in either arm"
    assert found.loc[("a", "early"), "statement"] == "no test: no event while runs of both arms were watched"
    assert found.loc[("a", "empty"), "statement"] == "no test: no runs in empty"
    tested = found[found["p"].notna()]
    assert tested.index.tolist() == [("a", "never"), ("a", "nor")]
    assert tested["p_holm"].tolist() == pytest.approx((2 * tested["p"]).tolist())
    assert (tested["faster"] == "a").all()
