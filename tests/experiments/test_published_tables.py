"""Every table of the method's authors: what is planned, what is counted, and going on from another machine's rows."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis import where
from grokscope.analysis.timing import quantile_times
from grokscope.config import ConfigError
from grokscope.disk import DiskError
from grokscope.experiments import ledger
from grokscope.experiments.experiment import Request, experiment
from grokscope.experiments.published_tables.against_clip import against_clip, sentences_against
from grokscope.experiments.published_tables.page import sentences
from grokscope.experiments.published_tables.pipeline import _residual_arms
from grokscope.experiments.published_tables.summary import (
    as_text,
    best_bounds,
    coverage,
    failure_rate_at_most,
    median_in_words,
    readme_lines,
    summary,
)
from grokscope.experiments.published_tables.trained import TABLES, Arm, residual_arms, sizes
from tests.light_workers import forking_workers


def _runs(times, budget=1000, arm="lion", task="mul", bound=2.0):
    """Runs that grok at the given times; None: not within the budget."""
    n = len(times)
    whole = {
        "grok_step": times,
        "sustained_grok_step": times,
        "memorisation_step": [10] * n,
        "observed": [budget if time is None else time + 50 for time in times],
        "sustained_observed": [budget if time is None else time + 50 for time in times],
        "budget": [budget] * n,
        "cadence": [10] * n,
    }
    return pd.DataFrame(
        {
            "part": "bounds", "run": [f"{task}-{arm}-{i}" for i in range(n)], "task": task, "arm": arm, "bound": bound,
            "seed": range(n), "status": "finished", **{name: pd.array(v, dtype="Int64") for name, v in whole.items()},
        }
    )  # fmt: skip


def test_the_plan_is_the_published_one():
    # Counted by hand: doses times seeds, and so on.
    planned = {table.name: Counter(arm.task for arm, _ in sizes(table.arms, ())) for table in TABLES}
    assert planned["bounds"] == {"add": 30, "sub": 30, "div": 30, "s5": 30, "mixed": 15}
    assert planned["reliability"] == {"mul": 100 + 4 * 50}
    assert planned["eight-layers"] == {"mul": 2 * (5 + 3 + 3)}
    assert planned["quarter"] == {"mul": 23}
    assert planned["adamw"] == dict.fromkeys(("add", "sub", "mul", "div", "mixed", "s5"), 6)
    assert planned["unclipped"] == {**dict.fromkeys(("add", "sub", "mul", "div", "s5"), 5), "mixed": 3}
    assert len(list(sizes(residual_arms([("mul", 2.0), ("sub", 1.5), ("s5", 1.0)]), ()))) == 15


def test_a_run_is_evaluated_every_epoch_and_goes_on_for_200_steps():
    config = Arm("mul", "lion", "mul-lion-clip", 5000, 1).config(3)
    assert (config.seed, config.arm, config.training.steps) == (3, "lion", 5000)
    assert config.training.eval_every is None
    # 4,656 training pairs in batches of 512 are 10 steps an epoch.
    assert config.training.stop_evaluations == 20
    bound = Arm("add", "x", "add-lion-clip", 8000, 1, {"max_norm": 1.25}, 1.25).config(0)
    assert (bound.norms.max_norm, bound.norms.row_norm_at_start) == (1.25, 1.25)
    alone = Arm("mul", "x", "mul-lion-clip", 5000, 1, {"init_rows": "none"}).config(0)
    assert (alone.norms.init_rows, alone.norms.max_norm) == ("none", 2.0)


def test_the_published_median_stands_beside_the_published_setting_alone():
    arms = {arm.name: arm for arm in TABLES[0].arms if arm.task == "sub"}
    assert {name for name, arm in arms.items() if arm.published} == {"lion-max_norm-1.5"}
    assert arms["lion-max_norm-1.5"].published == 775
    assert Arm("mul", "x", "mul-lion-clip", 5000, 1, {"init_rows": "none"}).published is None


@pytest.mark.parametrize("n", [1, 5, 50, 100])
def test_no_failure_among_n_bounds_the_rate_at_which_that_is_still_likely(n):
    assert failure_rate_at_most(0, n) == pytest.approx(1 - 0.05 ** (1 / n))
    assert failure_rate_at_most(n, n) == 1.0


def test_quantiles_without_censoring_are_order_statistics_and_with_it_those_of_the_curve():
    times = list(range(100, 2100, 100))
    shares = (0.25, 0.5, 0.75, 0.95)
    # Half way between the two runs that the share lies between, as for a median.
    expected = np.quantile(times, shares, method="averaged_inverted_cdf")
    assert quantile_times(_runs(times), shares) == pytest.approx(expected)
    # Of 4 runs one is censored: three quarters have grokked by the third time, and 95% never.
    assert quantile_times(_runs([100, 200, 300, None]), (0.25, 0.95))[0] == 150
    assert np.isnan(quantile_times(_runs([100, 200, 300, None]), (0.95,))[0])
    with pytest.raises(ValueError, match=r"quantile = 1\.5"):
        quantile_times(_runs([100]), (1.5,))


def test_a_summary_counts_failures_and_the_best_bound_is_that_of_the_least_median():
    runs = pd.concat([_runs([400, 500, None], arm="a", bound=1.0), _runs([300, 310, 320], arm="b", bound=1.5)])
    arms = [Arm("mul", "a", "mul-lion-clip", 1000, 3, {}, 1.0), Arm("mul", "b", "mul-lion-clip", 1000, 3, {}, 1.5)]
    table = summary(runs, arms)
    assert table["failures"].tolist() == [1, 0]
    assert table["median"].tolist() == [500, 310]
    assert best_bounds(table) == {"mul": 1.5}
    assert readme_lines(table)[2].startswith("| x · y | 1.5 | 310 (300 to 320; 75%) | 3 |")


@pytest.mark.parametrize("n", [2, 3, 5, 8])
@pytest.mark.parametrize("censored", [False, True])
def test_an_interval_says_how_often_the_range_of_so_few_runs_can_hold_the_median(n, censored):
    """Against samples whose median is 1: the share of them whose range, or all above their least, holds it."""
    samples = np.random.default_rng(n).exponential(1 / np.log(2), (40000, n))
    held = (samples.min(1) <= 1) & (censored | (samples.max(1) >= 1))
    high = np.inf if censored else 10.0
    # The standard deviation of a share of 40,000 samples is at most 0.0025; three of those.
    assert coverage(n, high) == pytest.approx(min(0.95, held.mean()), abs=0.0075)


def test_an_interval_stands_with_its_coverage_and_is_not_there_for_one_run():
    arms = [Arm("mul", "a", "mul-lion-clip", 1000, 3)]
    for times, told in (
        ([400, 500, 600], "500 (400 to 600; 75%)"),
        ([400, 600], "500 (400 to 600; 50%)"),
        ([400], "400"),
        ([400, None], "– (400 to ∞; 75%)"),
    ):
        table = summary(_runs(times, arm="a"), arms)
        assert median_in_words(table.to_dict("records")[0]) == told
        text = as_text(table, "")
        assert text.columns[5] == "median (interval)"
        assert text.rows[0][5] == told


def test_so_few_runs_are_neither_sooner_nor_later_than_published():
    published = 535  # of the preset, by its source
    for n, offset in ((1, 0), (2, 0), (4, 0), (5, 0), (5, -400)):
        times = [published + 100 + offset + 10 * seed for seed in range(n)]
        table = summary(_runs(times, arm="lion"), [Arm("mul", "lion", "mul-lion-clip", 5000, n)])
        assert table["published"].tolist() == [published]
        told = " ".join(sentences(table))
        assert ("later than published" in told) == (n == 5 and offset == 0)
        assert ("sooner than published" in told) == (offset < 0)
        # Five of five on one side of a median have the probability 2 / 32.
        assert ("sign test, p = 0.062)" in told) == (n == 5)
        assert ("too few runs to tell" in told) == (1 < n < 5)
        assert "(– to –" not in told
    assert f"635 (635 to 635; 50%) of 2 runs, against {published}" in " ".join(
        sentences(summary(_runs([635, 635]), [Arm("mul", "lion", "mul-lion-clip", 5000, 2)]))
    )


def test_the_results_page_has_the_tables_of_the_report():
    reports = Path(__file__).parents[2] / "reports"
    for table in ("summary.md", "against-clip.md"):
        assert (reports / "published-tables" / table).read_text() in (reports / "README.md").read_text()


def test_the_spread_of_arms_of_many_runs_is_told():
    arms = [Arm("mul", name, "mul-lion-clip", 5000, 20) for name in ("narrow", "wide")]
    few = [_runs(list(range(400, 400 + 20 * step, step)), arm=name) for name, step in (("narrow", 4), ("wide", 20))]
    # Quartiles of 20 runs lie half way between the fifth and sixth, and the fifteenth and sixteenth: ten steps apart.
    told = "Steps between the quartiles: 40 for x · y (narrow) and 200 for x · y (wide)."
    assert told in list(sentences(summary(pd.concat(few), arms)))
    assert told not in list(sentences(summary(pd.concat([runs.iloc[:19] for runs in few]), arms)))


def test_runs_before_and_after_the_published_median_are_counted_and_one_given_up_before_it_is_neither():
    runs = pd.concat([_runs([500, 535, 600, None], arm="lion"), _runs([None], budget=500, arm="lion").assign(seed=9)])
    (row,) = summary(runs, [Arm("mul", "lion", "mul-lion-clip", 5000, 5)]).to_dict("records")
    assert (row["published"], row["sooner"], row["later"]) == (535, 1, 2)


def test_arms_are_compared_with_the_clip_at_its_best_bound_on_shared_seeds():
    """Planted: every run of an arm takes a set multiple of the time of the clip's run of its seed."""
    clip = [400, 420, 440, 460, 480, 500]
    rows = pd.concat(
        [
            _runs(clip, arm="lion-max_norm-1", task="s5", bound=1.0),
            _runs([10 * time for time in clip], budget=9000, arm="lion-max_norm-2", task="s5", bound=2.0),
            _runs([time // 2 for time in clip[:5]], arm="tuned", task="s5").assign(part="adamw"),
            _runs([None], budget=8000, arm="as-published", task="s5").assign(part="adamw"),
            _runs([300], arm="other-seed", task="s5").assign(part="adamw", seed=99),
            _runs([time * 5 // 4 for time in clip], arm="pre-ln-max_norm-2", task="s5", bound=2.0).assign(
                part="residual"
            ),
            _runs([300, 320], task="mul").assign(part="reliability"),
            _runs([900, 960], task="mul").assign(part="unclipped"),
        ],
        ignore_index=True,
    )
    arms = [Arm("s5", f"lion-max_norm-{bound}", "s5-lion-clip", 1000, 5, {}, float(bound)) for bound in (1, 2)]
    compared = against_clip(rows, summary(where(rows, part="bounds"), arms))
    assert list(compared[["part", "task", "arm", "seeds"]].itertuples(index=False, name=None)) == [
        ("adamw", "s5", "tuned", 5), ("adamw", "s5", "as-published", 1), ("unclipped", "mul", "lion", 2),
        ("residual", "s5", "pre-ln-max_norm-2", 6),
    ]  # fmt: skip
    assert compared["speed_up"].tolist() == pytest.approx([2, 400 / 8000, 1 / 3, 0.8])
    method = "times as soon as Lion with projection and clip at its best bound, on the same seeds"
    assert list(sentences_against(where(compared, part="adamw"))) == [
        f"tuned, {method}: S5 2.00 (2.00 to 2.00; n = 5).", f"as-published, {method}: S5 at most 0.05 (n = 1)."
    ]  # fmt: skip
    assert next(sentences_against(where(compared, part="residual"))).endswith(
        ": S5 at the bound 2: 0.80 (0.80 to 0.80; n = 6)."
    )
    assert not list(
        sentences_against(against_clip(where(rows, part="bounds"), summary(where(rows, part="bounds"), arms)))
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The small scale of one table, from training to page."""
    folder = tmp_path_factory.mktemp("published")
    request = Request(scale="small", only=("quarter",), runs=folder / "runs", out=folder / "out", workers=1)
    with forking_workers():
        outcome = experiment("published-tables").start(request)
    return request, outcome


def test_the_page_shows_every_run(finished):
    request, outcome = finished
    assert not outcome.failed
    rows = pd.read_csv(request.out / "runs.csv")
    assert sorted(rows["run"]) == [f"quarter-mul-{arm}-seed{seed}" for arm in ("adam", "lion") for seed in (0, 1)]
    page = (request.out / "index.html").read_text()
    assert "A quarter of the data" in page
    assert "the last table" not in page  # it has no row yet
    assert {path.name for path in (request.out / "figures").iterdir()} == {
        f"quarter.{x}" for x in ("png", "pdf", "csv")
    }


def test_another_machine_goes_on_from_the_rows(finished, tmp_path, monkeypatch):
    request, _ = finished
    out = tmp_path / "out"
    shutil.copytree(request.out, out)
    elsewhere = Request(scale="small", only=("quarter",), runs=tmp_path / "runs", out=out)
    monkeypatch.setattr(ledger, "run_sweep", lambda *_, **__: pytest.fail("a run is trained again"))
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    experiment("published-tables").start(elsewhere)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_rows_of_what_is_not_asked_for_survive(finished, tmp_path):
    request, _ = finished
    out = tmp_path / "out"
    shutil.copytree(request.out, out)
    rows = pd.read_csv(out / "runs.csv")
    more = rows.iloc[[0]].assign(run="quarter-mul-adam-seed9", seed=9)
    pd.concat([rows, more]).to_csv(out / "runs.csv", index=False)
    for asked in ({"only": ("adamw",)}, {"seeds": (0,)}):
        experiment("published-tables").start(
            Request(scale="small", runs=tmp_path / "runs", out=out, training=False, **asked)
        )
        assert pd.read_csv(out / "runs.csv")["run"].tolist() == [*rows["run"], "quarter-mul-adam-seed9"]


def test_more_seeds_may_change_the_best_bound_and_the_table_of_the_earlier_best_stays(tmp_path):
    """Of two seeds that the plan does not name, and of the standard residual at the bound that was best before."""
    parts = [
        _runs([100, 900, 1000], arm="lion-max_norm-1.25", task="s5", bound=1.25),
        _runs([400, 500, 600], arm="lion-max_norm-1", task="s5", bound=1.0),
        _runs([700], arm="pre-ln-max_norm-1.25", task="s5", bound=1.25).assign(part="residual"),
    ]
    rows = pd.concat(parts, ignore_index=True).assign(config="0" * 12, delay=None, observed_seconds=np.nan)
    rows["run"] = [f"{row.part}-s5-{row.arm}-seed{70 + row.seed}" for row in rows.itertuples()]
    (tmp_path / "out").mkdir()
    rows.to_csv(tmp_path / "out" / "runs.csv", index=False)
    request = Request(runs=tmp_path / "runs", out=tmp_path / "out", training=False)
    assert [arm.name for arm in _residual_arms(rows) if arm.task == "s5"] == [
        "pre-ln-max_norm-1", "pre-ln-max_norm-1.25"
    ]  # fmt: skip
    outcome = experiment("published-tables").start(request)
    # All 559 but the five of the standard residual on x - y, whose best bound no row tells.
    assert outcome.lines[0] == "0 of 554 runs have ended, and 7 beyond the plan"
    assert pd.read_csv(tmp_path / "out" / "residual.csv")["arm"].tolist() == ["pre-ln-max_norm-1.25"]


def test_a_row_of_another_config_does_not_count(finished, tmp_path, monkeypatch):
    request, _ = finished
    rows = pd.read_csv(request.out / "runs.csv")
    rows.loc[0, "config"] = "0" * 12
    (tmp_path / "out").mkdir()
    rows.to_csv(tmp_path / "out" / "runs.csv", index=False)
    trained = []
    monkeypatch.setattr(ledger, "run_sweep", lambda sweep, *_, **__: trained.extend(sweep.jobs) or [])
    experiment("published-tables").start(
        Request(scale="small", only=("quarter",), runs=tmp_path / "runs", out=tmp_path / "out")
    )
    assert [job.name for job in trained] == [rows.loc[0, "run"]]


def test_rows_that_cannot_be_read_and_tables_that_there_are_not_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"published-tables has no table 'quarters': did you mean quarter\?"):
        experiment("published-tables").start(Request(only=("quarters",), runs=tmp_path, out=tmp_path))
    with pytest.raises(ValueError, match=r"no run of published-tables .* has ended"):
        experiment("published-tables").start(Request(scale="small", runs=tmp_path, out=tmp_path, training=False))
    (tmp_path / "runs.csv").write_text("step,train_loss\n1,2\n")
    with pytest.raises(DiskError, match=r"runs\.csv"):
        experiment("published-tables").start(Request(scale="small", runs=tmp_path, out=tmp_path, training=False))


@pytest.mark.usefixtures("light_workers")
def test_seeds_of_an_arm_are_trained_side_by_side_where_a_device_is_named(tmp_path):
    """On the processor here. The rows are those that run directories give, but for rounding and without seconds."""
    folders = {"runs": tmp_path / "runs", "out": tmp_path / "together", "only": ("reliability",)}
    told: list[str] = []
    chosen = experiment("published-tables")
    outcome = chosen.run(Request(scale="small", side_by_side="cpu", say=told.append, **folders))
    together = pd.read_csv(tmp_path / "together" / "runs.csv")
    assert [line for line in told if "seeds" in line] == [
        "reliability, mul, lion: 2 seeds (1 of 2 arms)", "reliability, mul, adam: 2 seeds (2 of 2 arms)"
    ]  # fmt: skip
    assert not outcome.failed
    assert not (tmp_path / "runs").exists()  # no run directories
    assert (together["trained_on"] == "cpu, side by side").all()
    page = (tmp_path / "together" / "index.html").read_text()
    assert "4 on cpu, side by side (the seeds of a setting at once)" in page
    chosen.run(Request(scale="small", **{**folders, "out": tmp_path / "alone"}))
    alone = pd.read_csv(tmp_path / "alone" / "runs.csv")
    same = [name for name in alone if not name.endswith("_seconds")]
    # Sixty steps from one start: networks that have not memorised yet, whose milestones are not a matter of rounding.
    pd.testing.assert_frame_equal(
        together[same].set_index("run").sort_index(), alone[same].set_index("run").sort_index()
    )
    # Started again, nothing is trained, and the rows stay.
    before = (tmp_path / "together" / "runs.csv").read_bytes()
    told.clear()
    chosen.run(Request(scale="small", side_by_side="cpu", say=told.append, **folders))
    assert not [line for line in told if "seeds" in line]
    assert (tmp_path / "together" / "runs.csv").read_bytes() == before


def test_an_experiment_that_needs_run_directories_trains_nothing_side_by_side(tmp_path):
    request = Request(scale="small", side_by_side="cpu", runs=tmp_path / "runs", out=tmp_path / "out")
    with pytest.raises(ConfigError, match=r"side_by_side = 'cpu' is not accepted: why-clipping needs the directories"):
        experiment("why-clipping").run(request)
    assert not list(tmp_path.iterdir())
