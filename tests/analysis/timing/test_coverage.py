"""Known hazards are recovered within the stated intervals, in the stated share of simulations."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.timing import log_rank, medians, speed_up
from grokscope.analysis.timing.outcomes import Outcomes
from grokscope.analysis.timing.ratios import LogRatio
from grokscope.analysis.timing.resampling import draw_seeds, resampled_medians
from tests.analysis.timing_tables import simulated

SIMULATIONS = 1000
FOUR_ERRORS = 4 * np.sqrt(0.95 * 0.05 / SIMULATIONS)
STATED = {3: 0.75, 5: 0.94, 10: 0.94, 20: 0.97, 30: 0.96}
"""What `medians` says of its nominal 95% interval, by the number of runs."""


def weibull(shape: float, runs: int, censored: float, seed: int = 0) -> tuple[pd.DataFrame, float]:
    """An arm per simulation, of S(t) = exp(-(t / 1000)^shape), cut where so many are not through; and the median."""
    source = np.random.default_rng([seed, runs])
    times = 1000 * source.weibull(shape, size=(SIMULATIONS, runs))
    budget = 1000 * (-log(censored)) ** (1 / shape) if censored else np.inf
    tables = [simulated(str(i), one, budget) for i, one in enumerate(times)]
    return pd.concat(tables, ignore_index=True), 1000 * log(2) ** (1 / shape)


@pytest.mark.parametrize(
    ("shape", "runs", "censored"), [(1.0, 5, 0.0), (1.0, 10, 0.3), pytest.param(3.0, 30, 0.1, marks=pytest.mark.slow)]
)
def test_the_median_of_a_known_hazard_is_within_its_interval_as_often_as_stated(shape, runs, censored):
    table, true = weibull(shape, runs, censored)
    found = medians(table)
    within = (found["low"] <= true) & (true <= found["high"])
    assert abs(within.mean() - STATED[runs]) < FOUR_ERRORS
    assert found["median"].isna().mean() == pytest.approx((found["at_least"] == found["horizon"]).mean(), abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("runs", STATED)
@pytest.mark.parametrize("censored", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("shape", [1.0, 3.0])
def test_and_for_every_number_of_runs_hazard_and_censoring(shape, runs, censored):
    test_the_median_of_a_known_hazard_is_within_its_interval_as_often_as_stated(shape, runs, censored)


def test_restricted_means_of_a_known_hazard_are_within_their_intervals_as_often_as_stated():
    table, _ = weibull(1.0, 10, 0.3)
    found = medians(table).dropna(subset="restricted_mean_low")
    horizon = found["horizon"].iloc[0]
    true = 1000 * (1 - np.exp(-horizon / 1000))  # the integral of exp(-t / 1000)
    within = (found["restricted_mean_low"] <= true) & (true <= found["restricted_mean_high"])
    assert 0.90 - FOUR_ERRORS < within.mean() < 0.95 + FOUR_ERRORS
    assert found["restricted_mean"].mean() == pytest.approx(true, rel=0.01)


def paired(runs: int, ratio: float, shared: float, source: np.random.Generator) -> np.ndarray:
    """Lognormal times of a baseline and of an arm, correlated over seeds."""
    common, *own = source.normal(size=(3, runs))
    noise = [np.sqrt(shared) * common + np.sqrt(1 - shared) * one for one in own]
    return np.exp(np.stack([log(1000 * ratio) + 0.6 * noise[0], log(1000) + 0.3 * noise[1]]))


def interval(base: np.ndarray, arm: np.ndarray, budget: float, draws: int = 1000) -> tuple[float, float]:
    """That of `speed_up`, without its table."""
    several = []
    for times in (base, arm):
        runs, nothing = len(times), np.zeros(len(times))
        seeds, happened = np.arange(runs), times <= budget
        several.append(Outcomes("", seeds, np.minimum(times, budget), happened, nothing.astype(bool), nothing))
    counts = draw_seeds(len(base), draws, 0)
    low, high = LogRatio.of(*(resampled_medians(one, counts) for one in several)).interval(0.95)
    return float(np.exp(low)), float(np.exp(high))


def test_the_interval_without_a_table_is_that_of_the_speed_up():
    base, arm = paired(7, 3.0, 0.5, np.random.default_rng(0))
    table = pd.concat([simulated("base", base, 3000), simulated("arm", arm, 3000)])
    row = speed_up(table, "base", draws=1000).iloc[0]
    assert interval(base, arm, 3000) == pytest.approx((row["low"], row["high"]))


@pytest.mark.parametrize(
    ("runs", "shared", "budget", "least", "most"),
    [
        (5, 0.8, np.inf, 0.93, 0.96),
        (10, 0.0, np.inf, 0.94, 0.97),
        (10, 0.8, 3000, 0.94, 1.00),  # about half of the baseline's runs are censored
        pytest.param(3, 0.0, np.inf, 0.75, 0.75, marks=pytest.mark.slow),
        pytest.param(30, 0.8, np.inf, 0.95, 0.99, marks=pytest.mark.slow),
    ],
)
def test_a_known_speed_up_is_within_its_interval_as_often_as_stated(runs, shared, budget, least, most):
    source = np.random.default_rng(1)
    found = [interval(*paired(runs, 3.0, shared, source), budget) for _ in range(SIMULATIONS)]
    within = np.mean([low <= 3.0 <= high for low, high in found])
    assert least - FOUR_ERRORS < within < most + FOUR_ERRORS


def test_the_log_rank_test_rejects_equal_hazards_as_often_as_it_says():
    source = np.random.default_rng(2)
    p = []
    for _ in range(300):
        table = pd.concat([simulated(name, 1000 * source.weibull(1.0, 15), 1500) for name in "ab"])
        p.append(log_rank(table)["p"].item())
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 300)


def test_dropping_runs_that_never_grok_would_have_missed_what_censoring_finds():
    table, true = weibull(1.0, 30, 0.45)
    table = table[table["arm"].astype(int) < 100]
    found = medians(table)
    dropped = medians(table.dropna(subset="grok_step"))
    assert found["median"].dropna().median() == pytest.approx(true, rel=0.1)
    assert dropped["median"].median() < 0.6 * true
