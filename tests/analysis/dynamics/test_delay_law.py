"""The delay law finds what was planted, censored runs do not bias it, and what it cannot know it says."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from grokscope.analysis import delay_law, delay_table, reference_norm
from grokscope.analysis.dynamics.delay_law import PUBLISHED_DELAYS

RHOS = (0.80, 0.85, 0.90, 0.95, 1.00)


def planted(
    alpha: float = 15.0, sigma: float = 0.15, seeds: int = 8, budget: float = np.inf, seed: int = 0
) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    found = []
    for one in range(seeds):
        for rho in RHOS:
            steps = np.exp(alpha * rho - 6 + sigma * source.normal())
            late = steps > budget
            found.append(
                {
                    "run": f"rho{rho}-seed{one}",
                    "rho": rho,
                    "seed": one,
                    "delay_from_clamp": np.nan if late else steps,
                    "budget_from_clamp": budget,
                    "censored": late,
                    "status": "finished",
                }
            )
    return pd.DataFrame(found)


def test_a_planted_alpha_is_within_its_interval_and_r_squared_near_1():
    law = delay_law(planted())
    assert law.alpha_low < 15 < law.alpha_high
    assert law.alpha_high - law.alpha_low < 2
    assert law.sigma == pytest.approx(0.15, rel=0.25)
    assert law.r_squared > 0.95
    assert (law.runs, law.censored, law.excluded, law.resamples) == (40, 0, (), 1000)


def test_without_censored_runs_it_is_ordinary_least_squares():
    table = planted()
    law = delay_law(table)
    slope, intercept = np.polyfit(table["rho"], np.log(table["delay_from_clamp"]), 1)
    assert (law.alpha, law.intercept) == pytest.approx((slope, intercept), rel=1e-5)
    residual = np.log(table["delay_from_clamp"]) - slope * table["rho"] - intercept
    assert law.r_squared == pytest.approx(1 - (residual**2).sum() / np.log(table["delay_from_clamp"]).var(ddof=0) / 40)
    assert law.sigma == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-4)


def test_censored_runs_do_not_bias_it_and_dropping_them_does():
    found = [
        (delay_law(t, resamples=0).alpha, delay_law(t[~t["censored"]], resamples=0).alpha)
        for t in (planted(sigma=0.6, budget=2000, seeds=10, seed=seed) for seed in range(20))
    ]
    fitted, dropped = np.mean(found, axis=0)
    assert abs(fitted - 15) < 0.7
    assert dropped < 13


def test_it_is_the_maximum_of_the_censored_likelihood():
    table = planted(sigma=0.6, budget=2000, seed=3)
    law = delay_law(table, resamples=0)
    assert 0 < law.censored < 40
    c = table["censored"].to_numpy()
    x, y = table["rho"].to_numpy(), np.log(np.where(c, 2000, table["delay_from_clamp"]))

    def loss(theta: np.ndarray) -> float:
        a, b, s = theta[0], theta[1], np.exp(theta[2])
        z = (y - a * x - b) / s
        return -float((norm.logpdf(z[~c]) - np.log(s)).sum() + norm.logsf(z[c]).sum())

    options = {"maxiter": 20000, "xatol": 1e-8, "fatol": 1e-12}
    best = minimize(loss, [10.0, -4.0, -1.0], method="Nelder-Mead", options=options).x
    assert (law.alpha, law.intercept, log(law.sigma)) == pytest.approx(tuple(best), rel=1e-3)


def test_the_published_delays_alone_give_14_8():
    table = pd.DataFrame(
        [
            {"rho": rho, "seed": 0, "delay_from_clamp": t, "budget_from_clamp": 1e4, "censored": False}
            for rho, t in PUBLISHED_DELAYS.items()
        ]
    )
    law = delay_law(table)
    assert law.alpha == pytest.approx(log(6608 / 718) / 0.15, rel=1e-6)
    assert round(law.alpha, 2) == 14.80
    assert np.isnan(law.alpha_low)
    assert "one seed: no interval" in law.statement


def test_runs_that_all_fail_to_grok_are_a_statement_and_no_number():
    law = delay_law(planted(budget=10))
    assert np.isnan([law.alpha, law.intercept, law.sigma, law.r_squared, law.alpha_low]).all()
    assert law.statement == "No alpha: all 40 runs are censored: none grokked within its budget."
    assert law.band.empty
    assert len(law.summary()) == 1


def test_groks_at_one_rho_determine_no_slope():
    law = delay_law(planted(budget=700, sigma=0.01))
    assert law.censored > 0
    one = planted(budget=700, sigma=0.01)
    law = delay_law(one[(one["rho"] == 0.80) | one["censored"]])
    assert np.isnan(law.alpha)
    assert "one rho only" in law.statement
    nothing = delay_law(planted().iloc[:0])
    assert "there are no runs to fit" in nothing.statement


def test_one_seed_has_a_line_and_no_interval():
    law = delay_law(planted(seeds=1))
    assert law.alpha == pytest.approx(15, abs=4)
    assert np.isnan([law.alpha_low, law.alpha_high]).all()
    assert law.band[["low", "high"]].isna().all(axis=None)


def test_excluded_runs_are_named_with_the_rule():
    table = planted(seeds=2)
    table.loc[0, "delay_from_clamp"] = -30.0
    table.loc[1, "status"] = "diverged"
    law = delay_law(table, max_rho=0.95)
    assert law.excluded == (
        ("rho0.8-seed0", "delay_from_clamp = -30 is not > 0"),
        ("rho0.85-seed0", "diverged"),
        ("rho1.0-seed0", "rho 1 > max_rho 0.95"),
        ("rho1.0-seed1", "rho 1 > max_rho 0.95"),
    )
    assert law.runs == 6
    assert "rho0.85-seed0 (diverged)" in law.summary()["excluded"].iloc[0]


def test_the_bootstrap_is_over_seeds_and_repeats():
    table = planted(seeds=3)
    first, second = delay_law(table), delay_law(table)
    assert (first.alpha_low, first.alpha_high) == (second.alpha_low, second.alpha_high)
    pd.testing.assert_frame_equal(first.band, second.band)
    # Three seeds in one sample each: alphas of a sample are those of its runs, all together.
    alphas = [delay_law(table[table["seed"] == s], resamples=0).alpha for s in range(3)]
    assert min(alphas) - 1e-6 <= first.alpha_low <= first.alpha <= first.alpha_high <= max(alphas) + 1e-6


def test_the_table_is_read_off_the_runs(write_run):
    clamp = {"norms.clamp_rho": 0.9, "norms.clamp_reference": 20.0, "norms.clamp_from_step": 100}
    grokked, never = write_run("a", groks=400, **clamp), write_run("b", groks=None, seed=1, **clamp)
    free = write_run("free")
    table = delay_table([grokked, never, free]).set_index("run")
    assert table.index.tolist() == ["a", "b"]
    assert table.loc["a", ["rho", "clamp_norm", "clamp_from_step"]].tolist() == [0.9, 18.0, 100]
    assert table.loc["a", "delay_from_clamp"] == grokked.grok_step - 100
    assert table.loc["a", "delay_from_start"] == grokked.grok_step
    assert table.loc["b", ["budget_from_clamp", "budget_from_start"]].tolist() == [500, 600]
    assert table["censored"].tolist() == [False, True]
    assert pd.isna(table.loc["b", "delay_from_clamp"])


def test_a_clamp_at_a_norm_needs_a_reference(write_run):
    run = write_run("a", **{"norms.clamp_norm": 18.0})
    assert delay_table(run, 20.0)["rho"].tolist() == [0.9]
    with pytest.raises(ValueError, match=r"norms.clamp_norm = 18 and no reference: give reference_norm"):
        delay_table(run)


def test_the_reference_is_the_norm_of_matrices_where_controls_generalise(write_run):
    runs = [write_run(f"c{seed}", groks=400, growth=2.0, seed=seed) for seed in range(3)]
    expected = []
    for run in runs:
        step = int(run.metrics.query("val_accuracy >= 0.9")["step"].iloc[0])
        norms = []
        for at in (step // 100 * 100, step // 100 * 100 + 100):
            w = run.weights(at)
            norms.append(np.sqrt(sum(float((v.double() ** 2).sum()) for k, v in w.items() if ".W_" in k)))
        part = step % 100 / 100
        expected.append((1 - part) * norms[0] + part * norms[1])
    assert reference_norm(runs) == pytest.approx(np.median(expected), rel=1e-9)
    with pytest.raises(ValueError, match="none of 1 control runs reaches"):
        reference_norm([write_run("never", groks=None)])
