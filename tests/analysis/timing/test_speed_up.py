"""Speed-ups pair seeds, say when they are bounds, and decompose exactly."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.analysis.timing import decomposition, shares, speed_up
from tests.analysis.timing_tables import arm, simulated

CUBE = {
    "adamw": (),
    "lion": ("lion",),
    "init": ("init",),
    "clip": ("clip",),
    "lion-init": ("lion", "init"),
    "lion-clip": ("lion", "clip"),
    "init-clip": ("init", "clip"),
    "all": ("lion", "init", "clip"),
}


def one(table: pd.DataFrame, baseline: str = "base", **options) -> dict:
    (row,) = speed_up(table, baseline, **options).to_dict("records")
    return row


def cube(seeds: int = 6, seed: int = 0, budget: float = np.inf) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    scale = {name: 4000 / 2 ** len(on) for name, on in CUBE.items()}
    tables = [simulated(name, s * np.exp(0.3 * source.normal(size=seeds)), budget) for name, s in scale.items()]
    return pd.concat(tables, ignore_index=True)


def test_it_is_the_ratio_of_the_medians_of_both_arms():
    table = pd.concat([arm("base", [900, 1000, 1300]), arm("fast", [90, 100, 400])])
    row = one(table)
    assert (row["baseline_median"], row["arm_median"], row["speed_up"]) == (1000, 100, pytest.approx(10))
    assert not row["is_lower_bound"]
    assert not row["is_upper_bound"]
    assert (row["seeds"], row["cadence"], row["event"], row["unit"]) == (3, 10, "grok", "steps")
    assert row["low"] <= 10 <= row["high"]


def test_seeds_are_resampled_in_pairs():
    source = np.random.default_rng(0)
    times = np.exp(source.normal(7, 1, size=20))
    # Ten times as fast on every seed: the seeds differ by far more, and cancel in every resample.
    row = one(pd.concat([simulated("base", times), simulated("fast", times / 10)]))
    assert [row[name] for name in ("speed_up", "low", "high")] == pytest.approx([10, 10, 10])
    shuffled = one(pd.concat([simulated("base", times), simulated("fast", source.permutation(times) / 10)]))
    assert shuffled["speed_up"] == pytest.approx(10)
    assert shuffled["high"] / shuffled["low"] > 2


def test_resamples_are_those_of_all_samples_of_three_seeds():
    base, fast = np.array([800.0, 1000.0, 3000.0]), np.array([90.0, 200.0, 110.0])
    row = one(pd.concat([simulated("base", base), simulated("fast", fast)]), draws=40_000)
    ratios = [
        np.median(base[list(drawn)]) / np.median(fast[list(drawn)])
        for drawn in ((i, j, k) for i in range(3) for j in range(3) for k in range(3))
    ]
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_it_depends_on_no_order_of_rows_and_repeats():
    table = cube()
    first = speed_up(table, "adamw")
    again = speed_up(table.sample(frac=1, random_state=2), "adamw", list(first["arm"]))
    pd.testing.assert_frame_equal(first, again)


def test_a_censored_baseline_gives_a_lower_bound():
    table = pd.concat([arm("base", [7000], [8000] * 4), arm("fast", [90, 100, 100, 100, 400])])
    row = one(table)
    assert row["is_lower_bound"]
    assert np.isnan(row["baseline_median"])
    assert row["speed_up"] == pytest.approx(80)
    assert row["high"] == np.inf
    assert row["low"] <= 80
    assert row["statement"].startswith("at least: the baseline's median is > 8,000 steps")


@given(st.lists(st.tuples(st.integers(50, 900), st.integers(50, 900)), min_size=2, max_size=8), st.integers(50, 900))
@settings(max_examples=40)
def test_a_bound_from_a_censored_baseline_is_never_above_the_ratio_without_censoring(pairs, budget):
    base, fast = (np.array(times, dtype=float) for times in zip(*pairs, strict=True))
    whole = one(pd.concat([simulated("base", base), simulated("fast", fast)]), draws=200)
    cut = one(pd.concat([simulated("base", base, budget), simulated("fast", fast)]), draws=200)
    assert cut["speed_up"] <= whole["speed_up"] * (1 + 1e-9)
    assert cut["low"] <= whole["low"] * (1 + 1e-9)
    assert cut["high"] >= whole["high"] * (1 - 1e-9)
    assert cut["is_lower_bound"] == np.isnan(cut["baseline_median"])


def test_an_arm_that_never_groks_gives_an_upper_bound_and_two_give_none():
    table = pd.concat([arm("base", [100, 200, 300]), arm("slow", [], [8000] * 3), arm("too", [], [8000] * 3)])
    row = one(table, arm="slow")
    assert row["is_upper_bound"]
    assert (row["speed_up"], row["low"]) == (pytest.approx(200 / 8000), 0)
    row = one(table, "slow", arm="too")
    assert np.isnan(row["speed_up"])
    assert not row["is_lower_bound"]
    assert row["statement"].startswith("no ratio: the medians are > 8,000 steps and > 8,000 steps")


def test_seeds_that_one_arm_alone_has_are_left_out_and_named():
    table = pd.concat([arm("base", [900, 1000, 1300], seeds=[0, 1, 2]), arm("fast", [100, 200, 1], seeds=[1, 2, 7])])
    row = one(table)
    assert row["seeds"] == 2
    assert row["speed_up"] == pytest.approx(1150 / 150)
    assert row["statement"].endswith(
        "left out, as base alone has them: seed 0; left out, as fast alone has them: seed 7"
    )
    with pytest.raises(ValueError, match=r"arms 'base' \(seeds 0, 1\) and 'fast' \(seeds 5, 6\) share no seed"):
        speed_up(pd.concat([arm("base", [1, 2]), arm("fast", [1, 2], seeds=[5, 6])]), "base")


def test_one_seed_has_a_ratio_and_no_interval():
    row = one(pd.concat([arm("base", [1000]), arm("fast", [100])]))
    assert row["speed_up"] == pytest.approx(10)
    assert np.isnan([row["low"], row["high"]]).all()
    assert row["statement"] == "one seed: no interval"


def test_units_other_than_steps_have_ratios_of_their_own():
    table = pd.concat([arm("base", [1000, 2000, 3000]), arm("fast", [100, 200, 300])])
    table = table.assign(
        grok_gradient_evaluations=table["grok_step"] * np.where(table["arm"] == "fast", 2, 1),
        grok_seconds=table["grok_step"] * np.where(table["arm"] == "fast", 0.05, 0.01),
        observed_gradient_evaluations=0,
        observed_seconds=0.0,
    )
    found = {unit: one(table, unit=unit)["speed_up"] for unit in ("steps", "gradient_evaluations", "seconds")}
    assert found == pytest.approx({"steps": 10, "gradient_evaluations": 5, "seconds": 2})


def test_bad_arguments_name_what_would_do():
    table = pd.concat([arm("base", [10, 20]), arm("fast", [1, 2])])
    with pytest.raises(ValueError, match=r"baseline = 'adam' is not accepted: use one of base, fast"):
        speed_up(table, "adam")
    with pytest.raises(ValueError, match=r"arm = 'base' is not accepted: use one of fast"):
        speed_up(table, "base", "base")
    with pytest.raises(ValueError, match=r"draws = 0 is not accepted"):
        speed_up(table, "base", draws=0)
    with pytest.raises(ValueError, match=r"seed 0 has grok = 0: a ratio of medians needs times > 0"):
        speed_up(pd.concat([arm("base", [10]), arm("fast", [0])]), "base")


@pytest.mark.parametrize("seed", range(3))
def test_the_steps_of_every_order_and_the_averages_sum_to_the_total(seed):
    found = decomposition(cube(seed=seed), CUBE, draws=500)
    total = found.query("order == 'total'")["log_ratio"].item()
    sums = found.query("order != 'total'").groupby("order")["log_ratio"].sum()
    assert len(sums) == 7
    assert sums.tolist() == pytest.approx([total] * 7, abs=1e-12)
    assert total == pytest.approx(np.log(speed_up(cube(seed=seed), "adamw", "all")["speed_up"].item()))


def test_shares_of_a_decomposition_are_of_the_total_and_resampled_with_it():
    table = cube()
    found = decomposition(table, CUBE, draws=400, seed=2)
    total = found.query("order == 'total'").iloc[0]
    averages = found.query("order == 'average'")
    assert averages["share"].sum() == pytest.approx(1)
    assert averages["share"].tolist() == pytest.approx((averages["log_ratio"] / total["log_ratio"]).tolist())
    assert total[["share", "share_low", "share_high"]].tolist() == [1, 1, 1]
    # A step of two arms of three is what `shares` places between the ends, over the same draws.
    placed = shares(table, "adamw", "all", "lion", draws=400, seed=2).iloc[0]
    step = found.query("order == 'lion > init > clip' and factor == 'lion'").iloc[0]
    assert step[["share", "share_low", "share_high"]].tolist() == pytest.approx(
        placed[["share", "low", "high"]].tolist()
    )


def test_a_share_of_a_total_that_is_not_seen_to_be_a_speed_up_is_anything():
    table = pd.concat([arm("base", [100, 300, 200]), arm("half", [50, 80, 60]), arm("all", [300, 100, 200])])
    found = decomposition(table, {"base": (), "half": ("a",), "all": ("a", "b")}, draws=200)
    step = found.query("factor == 'a' and order == 'average'").iloc[0]
    assert np.isnan(step["share"])
    assert [step["share_low"], step["share_high"]] == [-np.inf, np.inf]


def test_a_share_of_a_total_that_is_a_lower_bound_is_between_what_its_ends_give():
    ended = [arm("base", [], [1000] * 3), arm("half", [200] * 3), arm("all", [100] * 3)]
    found = decomposition(pd.concat(ended), {"base": (), "half": ("a",), "all": ("a", "b")}, draws=50)
    step = found.query("factor == 'b' and order == 'average'").iloc[0]
    # ln 2 of at least ln 10.
    assert np.isnan(step["share"])
    assert [step["share_low"], step["share_high"]] == pytest.approx([0, np.log(2) / np.log(10)])


def test_averages_are_shapley_values():
    table = cube()
    value = {frozenset(on): -np.log(np.median(table.query("arm == @name")["grok_step"])) for name, on in CUBE.items()}
    found = decomposition(table, CUBE, draws=100).query("order == 'average'").set_index("factor")["log_ratio"]
    for factor in ("lion", "init", "clip"):
        gains = []
        for order in permutations(("lion", "init", "clip")):
            before = frozenset(order[: order.index(factor)])
            gains.append(value[before | {factor}] - value[before])
        assert found[factor] == pytest.approx(np.mean(gains))


def test_a_step_is_the_speed_up_of_its_two_arms_over_the_same_draws():
    table = cube()
    found = decomposition(table, CUBE, draws=800, seed=3).query("order == 'lion > init > clip'")
    assert found[["factor", "baseline", "arm"]].to_numpy().tolist() == [
        ["lion", "adamw", "lion"],
        ["init", "lion", "lion-init"],
        ["clip", "lion-init", "all"],
    ]
    for row in found.to_dict("records"):
        same = one(table, row["baseline"], arm=row["arm"], draws=800, seed=3)
        assert [row["speed_up"], row["speed_up_low"], row["speed_up_high"]] == pytest.approx(
            [same["speed_up"], same["low"], same["high"]]
        )


def test_orders_without_all_their_arms_are_left_out_and_named():
    table = cube().query("arm != 'init'")
    factors = {name: on for name, on in CUBE.items() if name != "lion-clip"}
    found = decomposition(table, factors, draws=100)
    lacking = found[found["place"].isna()].set_index("order")["statement"]
    assert lacking.to_dict() == {
        "lion > clip > init": "left out, without runs: an arm with clip + lion",
        "init > lion > clip": "left out, without runs: init",
        "init > clip > lion": "left out, without runs: init",
        "clip > lion > init": "left out, without runs: an arm with clip + lion",
    }
    averages = found.query("order == 'average'")
    assert set(averages["statement"]) == {"over 2 of 6 orders"}
    assert averages["log_ratio"].sum() == pytest.approx(found.query("order == 'total'")["log_ratio"].item())


def test_a_baseline_that_is_not_reached_makes_its_steps_and_the_total_lower_bounds():
    found = decomposition(cube(budget=3000, seed=1), CUBE, draws=200)
    assert set(found.query("baseline == 'adamw'")["bound"]) == {"at least"}
    assert found.query("order == 'total'")["bound"].item() == "at least"
    sums = found.query("order != 'total'").groupby("order")["log_ratio"].sum()
    assert sums.tolist() == pytest.approx([found.query("order == 'total'")["log_ratio"].item()] * 7)


def test_two_medians_in_a_row_that_are_not_reached_leave_a_step_unknown():
    table = pd.concat([arm("base", [], [800] * 3), arm("half", [], [800] * 3), arm("all", [10, 20, 30])])
    found = decomposition(table, {"base": (), "half": ("a",), "all": ("a", "b")}, draws=50)
    step = found.query("baseline == 'base' and arm == 'half'")
    assert step["bound"].item() == "unknown"
    assert step["log_ratio"].isna().all()
    assert found.query("order == 'total'")["speed_up"].item() == pytest.approx(40)


def test_factors_that_are_no_path_are_refused():
    table = cube()
    with pytest.raises(ValueError, match=r"has no arm with no switch on"):
        decomposition(table, {"lion": ("lion",)})
    with pytest.raises(ValueError, match=r"has no arm with all of \['clip', 'lion'\] on"):
        decomposition(table, {"adamw": (), "lion": ("lion",), "clip": ("clip",)})
    with pytest.raises(ValueError, match=r"factors of 'lion' and 'clip' are the same"):
        decomposition(table, {"adamw": (), "lion": ("lion",), "clip": ("lion",)})
    with pytest.raises(
        ValueError, match=r"no order of lion, clip has all its arms; without runs: an arm with clip; an arm"
    ):
        decomposition(table, {"adamw": (), "lion-clip": ("lion", "clip")})
    with pytest.raises(ValueError, match=r"share no seed"):
        decomposition(pd.concat([arm("a", [1]), arm("b", [1], seeds=[4])]), {"a": (), "b": ("x",)})
