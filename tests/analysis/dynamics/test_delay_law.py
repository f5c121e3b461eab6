"""The delay law finds what was planted, censored runs do not bias it, and what it cannot know it says."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from grokscope.analysis import delay_law, delay_table, reference_norm
from grokscope.analysis.dynamics.delay_published import is_published_setting, published_delays, published_slope
from grokscope.config import override, preset

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


@pytest.mark.parametrize(("column", "alpha"), [("delay_from_start", 15.45), ("delay_from_clamp", 21.44)])
def test_the_published_delays_give_the_published_slope_from_step_0_and_another_from_the_clamp(
    column: str, alpha: float
):
    delays = published_delays(column)
    table = pd.DataFrame(
        [
            {"rho": rho, "seed": 0, column: steps, "budget": 2e5, "censored": False, "published_setting": True}
            for rho, steps in delays.items()
        ]
    )
    law = delay_law(table, column, "budget")
    assert round(law.alpha, 2) == alpha
    assert law.published_alpha == pytest.approx(law.alpha, rel=1e-6)
    assert np.isnan(law.alpha_low)
    assert "one seed: no interval" in law.statement


def test_published_delays_are_counted_from_the_clamp_or_from_step_0_and_from_nothing_else():
    assert published_delays("delay_from_start") == {0.85: 718, 1.00: 6608, 1.15: 73966}
    assert published_delays("delay_from_clamp") == {0.85: 118, 1.00: 6008, 1.15: 73366}
    assert published_delays("epochs") == {}
    assert np.isnan(published_slope("epochs"))


def test_our_published_table_has_the_slopes_that_the_results_page_names():
    table = pd.read_csv("reports/tables/delay-law.csv")
    law = delay_law(table, resamples=0)
    assert (round(law.alpha, 2), round(law.published_alpha, 2)) == (7.54, 21.44)
    assert "published, with T from the clamp too: 21.44." in law.statement
    from_start = delay_law(table, "delay_from_start", "budget_from_start", resamples=0)
    assert (round(from_start.alpha, 2), round(from_start.published_alpha, 2)) == (3.13, 15.45)
    assert "published, with T from step 0 too: 15.45." in from_start.statement
    # The oracle is ordinary least squares, for no run is censored.
    for column, found in (("delay_from_clamp", law), ("delay_from_start", from_start)):
        assert found.alpha == pytest.approx(np.polyfit(table["rho"], np.log(table[column]), 1)[0], rel=1e-5)


def test_no_published_slope_stands_beside_runs_of_another_setting():
    for table in (planted(), planted().assign(published_setting=[True] * 39 + [False])):
        law = delay_law(table, resamples=0)
        assert np.isnan(law.published_alpha)
        assert "published" not in law.statement
        assert law.summary()["published_alpha"].isna().all()


def test_a_run_is_of_the_published_setting_by_its_config():
    config = preset("delay-law-p59", clamp_rho=0.9, clamp_reference=36.9, clamp_from_step=600)
    assert is_published_setting(config)
    for name, value in (
        ("modulus", 61),
        ("task.name", "mul"),
        ("train_fraction", 0.5),
        ("n_layers", 2),
        ("normalization", "LN"),
        ("lr", 1e-3),
        ("weight_decay", 0.5),
        ("batch_size", 512),
        ("clamp_from_step", 0),
    ):
        assert not is_published_setting(override(config, {name: value})), name


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


@pytest.mark.parametrize("missing", ["rho", "seed", "censored", "delay_from_clamp", "budget_from_clamp"])
def test_a_missing_column_is_named(missing: str):
    with pytest.raises(ValueError, match=rf"the table of a delay law lacks {missing}; it needs rho, seed, censored, "):
        delay_law(planted().drop(columns=missing))


def test_all_missing_columns_are_named_and_those_of_groups_too():
    with pytest.raises(ValueError, match=r"lacks seed, epochs, modulus; it needs rho, seed, censored, epochs, budget"):
        delay_law(planted().drop(columns="seed"), "epochs", groups="modulus")


def two_groups(sigma: float = 0.3, budget: float = np.inf) -> pd.DataFrame:
    """Two moduli of one slope, of which the second takes e^2 as long and has larger rho only."""
    first, second = planted(sigma=sigma, budget=budget, seed=1), planted(sigma=sigma, seed=2)
    second["rho"] += 0.1
    second["delay_from_clamp"] *= np.exp(2.0)  # beside e^(15 * 0.1), which the shift of rho would have made
    late = second["delay_from_clamp"] > budget
    second.loc[late, "delay_from_clamp"] = np.nan
    second["censored"], second["budget_from_clamp"] = late, budget
    return pd.concat([first.assign(modulus=59), second.assign(modulus=97)], ignore_index=True)


def test_groups_share_a_slope_and_have_an_intercept_each():
    table = two_groups(sigma=0.02)
    law = delay_law(table, groups="modulus")
    # Least squares with a column for each group is someone else's fit of the same line.
    design = np.column_stack([table["rho"], table["modulus"] == 59, table["modulus"] == 97]).astype(float)
    y = np.log(table["delay_from_clamp"])
    slope, *intercepts = np.linalg.lstsq(design, y, rcond=None)[0]
    assert law.alpha == pytest.approx(slope, rel=1e-5)
    assert list(law.intercepts) == ["59", "97"]
    assert list(law.intercepts.values()) == pytest.approx(intercepts, rel=1e-4)
    assert np.isnan(law.intercept)
    assert law.alpha == pytest.approx(15, rel=0.02)
    within = y - y.groupby(table["modulus"]).transform("mean")
    left = y - design @ [slope, *intercepts]
    assert law.r_squared == pytest.approx(1 - (left**2).sum() / (within**2).sum())
    ends = law.band.groupby("group")["rho"].agg(["min", "max"])
    assert ends.to_numpy() == pytest.approx(np.array([[0.8, 1.0], [0.9, 1.1]]))
    assert (law.band["low"] < law.band["delay"]).all()
    # One line for both is steeper or flatter than either.
    assert abs(delay_law(table, resamples=0).alpha - 15) > 3 * abs(law.alpha - 15)


def test_with_one_group_it_is_the_fit_without_groups():
    table = planted(sigma=0.6, budget=2000, seed=3)
    one, none = delay_law(table.assign(modulus=59), groups="modulus"), delay_law(table)
    assert (one.alpha, one.sigma, one.alpha_low) == pytest.approx((none.alpha, none.sigma, none.alpha_low), rel=1e-9)
    assert one.intercepts == {"59": pytest.approx(none.intercept)}
    assert none.intercepts == {}


def test_a_group_that_never_grokked_is_left_out_and_named():
    table = two_groups()
    late = table["modulus"] == 97
    table.loc[late, "delay_from_clamp"], table.loc[late, "budget_from_clamp"] = np.nan, 50.0
    table["censored"] = late
    law = delay_law(table, groups="modulus", resamples=0)
    assert list(law.intercepts) == ["59"]
    assert {why for _, why in law.excluded} == {"no run of modulus 97 grokked"}
    assert law.alpha == pytest.approx(delay_law(table[~late], resamples=0).alpha, rel=1e-6)


def test_censored_groups_maximise_their_likelihood():
    table = two_groups(sigma=0.6, budget=4000)
    law = delay_law(table, groups="modulus", resamples=0)
    assert 0 < law.censored < 80
    c, of_first = table["censored"].to_numpy(), (table["modulus"] == 59).to_numpy()
    x, y = table["rho"].to_numpy(), np.log(np.where(c, table["budget_from_clamp"], table["delay_from_clamp"]))

    def loss(theta: np.ndarray) -> float:
        z = (y - theta[0] * x - np.where(of_first, theta[1], theta[2])) / np.exp(theta[3])
        return -float((norm.logpdf(z[~c]) - theta[3]).sum() + norm.logsf(z[c]).sum())

    options = {"maxiter": 40000, "maxfev": 40000, "xatol": 1e-8, "fatol": 1e-12}
    best = minimize(loss, [12.0, -4.0, -2.0, -1.0], method="Nelder-Mead", options=options).x
    assert (law.alpha, *law.intercepts.values(), log(law.sigma)) == pytest.approx(tuple(best), rel=2e-3)


def test_a_fit_that_is_worse_than_a_constant_warns_and_says_so():
    # Of runs at larger rho only the early ones grokked: the censored ones tilt the line away from those.
    table = pd.DataFrame(
        {
            "rho": [0.8, 0.9, 1.0, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0],
            "seed": [0, 0, 0, 1, 1, 1, 2, 3, 4],
            "delay_from_clamp": [600.0, 650.0, 500.0, 620.0, 600.0, 520.0, np.nan, np.nan, np.nan],
            "budget_from_clamp": 5e5,
            "censored": [False] * 6 + [True] * 3,
        }
    )
    with pytest.warns(RuntimeWarning, match=r"delay_law: R\^2 = -[0-9.]+ < 0: the line does worse than a constant"):
        law = delay_law(table)
    assert law.r_squared < 0
    assert law.warning in law.statement
    assert "alpha means nothing" in law.summary()["warning"].iloc[0]


def test_a_fit_that_means_something_does_not_warn(recwarn: pytest.WarningsRecorder):
    law = delay_law(planted())
    assert law.warning == ""
    assert not recwarn.list


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
    assert not table["published_setting"].any()
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
