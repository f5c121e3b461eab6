"""The table of timings is what the runs say, in every unit, and says until when each was watched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.timing import medians, outcomes, timing_table
from grokscope.config import RunConfig, override
from grokscope.runs import create_run, open_run
from tests.analysis.timing_tables import arm


def write(folder, name, accuracies, status="finished", seconds=0.5, first=0, imported=False, **settings):
    """A run evaluated every 10 steps from the first on, with the given training and validation accuracies."""
    config = override(RunConfig(), {"modulus": 5, "training.steps": 200, **settings})
    with create_run(folder / name, config, **({"imported": {"from": "elsewhere"}} if imported else {})) as writer:
        for step, (train, val) in enumerate(accuracies, start=first // 10):
            row = {"step": 10 * step, "train_loss": 1.0, "train_accuracy": train, "val_loss": 1.0, "val_accuracy": val}
            writer.log(row | ({} if seconds is None else {"seconds": step * seconds}))
        writer.finish(status)
    return open_run(folder / name)


def test_every_time_is_that_of_the_run_in_every_unit(tmp_path, monkeypatch):
    monkeypatch.setattr(RunConfig, "gradient_evaluations", lambda self, steps: 3 * steps)
    run = write(tmp_path, "a", [(0, 0), (1, 0), (1, 0.96), (1, 0.5), *[(1, 1)] * 6], seed=4, arm="clip")
    (row,) = timing_table(run).to_dict("records")
    assert [row[name] for name in ("run", "arm", "seed", "budget", "status")] == ["a", "clip", 4, 200, "finished"]
    steps = {"memorisation": 10, "grok": 20, "sustained_grok": 40}
    for event, step in steps.items():
        assert row[f"{event}_step"] == step
        assert row[f"{event}_gradient_evaluations"] == 3 * step
        assert row[f"{event}_seconds"] == step / 20
    assert [row[f"delay{end}"] for end in ("", "_gradient_evaluations", "_seconds")] == [10, 30, 0.5]
    assert [row[f"observed{end}"] for end in ("", "_gradient_evaluations", "_seconds")] == [90, 270, 4.5]
    assert [row[f"budget{end}"] for end in ("", "_gradient_evaluations", "_seconds")] == [200, 600, 10.0]
    assert row["cadence"] == 10


def test_what_was_not_seen_is_missing_and_not_zero(tmp_path):
    table = timing_table([write(tmp_path, "never", [(0, 0)] * 4), write(tmp_path, "memorised", [(1, 0)] * 4)])
    assert table["grok_step"].isna().all()
    assert table["memorisation_step"].tolist() == [pd.NA, 0]
    assert table["delay"].isna().all()
    assert str(table["grok_step"].dtype) == str(table["observed"].dtype) == "Int64"
    assert np.isnan(table["grok_seconds"]).all()


@pytest.mark.parametrize(("ends", "last"), [(0, 30), (1, 30), (4, 30), (5, 30)])
def test_a_grok_that_may_yet_be_sustained_is_censored_before_it_began(tmp_path, ends, last):
    run = write(tmp_path, "a", [(1, 0), (1, 1), (1, 0), (1, 0), *[(1, 1)] * ends])
    (row,) = timing_table(run).to_dict("records")
    assert pd.isna(row["sustained_grok_step"])
    assert (row["observed"], row["sustained_observed"]) == (30 + 10 * ends, last)
    one = outcomes(timing_table(run), "sustained_grok")["custom"]
    assert (one.time.tolist(), one.happened.tolist()) == ([last], [False])


@pytest.mark.parametrize("accuracies", [[0.97, 0.98, 0.99], [0.97, 0.5, 0.6, 0.7], [0.97, 0.5, *[1] * 3]])
def test_a_run_that_had_grokked_before_it_is_known_has_no_time_of_a_sustained_grok(tmp_path, accuracies):
    run = write(tmp_path, "a", [(1, val) for val in accuracies], first=100, imported=True)
    table = timing_table(run)
    assert table[["grok_by", "sustained_grok_step", "sustained_observed"]].iloc[0].tolist() == [100, pd.NA, pd.NA]
    for event, what in (("grok", "it"), ("sustained_grok", "the grok")):
        with pytest.raises(ValueError, match=f"seed 0 has no {event} time: {what} lies at or before step 100"):
            outcomes(table, event)


def test_a_run_that_is_above_at_all_its_few_evaluations_says_nothing_of_a_sustained_grok(tmp_path):
    table = timing_table(write(tmp_path, "a", [(1, 1)] * 5, first=100))
    assert table[["grok_step", "observed", "sustained_observed"]].iloc[0].tolist() == [100, 140, pd.NA]
    for unit in ("steps", "seconds"):
        one = outcomes(table, "sustained_grok", unit)["custom"]
        assert (one.time.tolist(), one.happened.tolist()) == ([0], [False])
    late = timing_table(write(tmp_path, "b", [(1, 0), (1, 1), (1, 1)], first=100, imported=True))
    assert (late["grok_step"].item(), late["sustained_observed"].item()) == (110, 100)  # what was seen is known


def test_a_run_without_evaluations_or_seconds_has_a_row(tmp_path):
    table = timing_table([write(tmp_path, "empty", []), write(tmp_path, "untimed", [(0, 0)] * 2, seconds=None, seed=1)])
    assert table["observed"].tolist() == [0, 10]
    assert table["cadence"].tolist() == [pd.NA, 10]
    assert table["observed_seconds"].isna().all()
    with pytest.raises(ValueError, match=r"arm 'custom' seed 0 has no grok time in seconds: use unit = 'steps'"):
        medians(table, unit="seconds")


def test_a_run_that_diverged_counts_as_without_a_grok_for_its_whole_budget(tmp_path):
    runs = [write(tmp_path, f"d{i}", [(0, 0)] * 3, "diverged", seed=i, arm="a") for i in range(2)]
    runs.append(write(tmp_path, "g", [(1, 0), (1, 0), (1, 0), (1, 1), *[(1, 1)] * 5], seed=2, arm="a"))
    table = timing_table(runs)
    assert table["observed"].tolist() == [20, 20, 80]
    for unit, budget in (("steps", 200), ("gradient_evaluations", runs[0].config.gradient_evaluations(200))):
        one = outcomes(table, unit=unit)["a"]
        assert one.time.tolist()[:2] == [budget, budget]
        assert one.diverged.tolist() == [True, True, False]
    # Censored where they diverged, they would leave the one grok alone, and the median at step 30.
    (row,) = medians(table).to_dict("records")
    assert np.isnan(row["median"])
    assert row["statement"].startswith("> 200 steps (2 of 3 censored)")
    assert row["statement"].endswith("2 diverged, censored at the budget")


def test_delays_are_measured_from_memorisation_and_bounded_where_it_was_not_seen():
    table = arm(
        "a", [500, 300], [900, 900], memorisation_step=[100, np.nan, 400, np.nan], delay=[400, np.nan] + [np.nan] * 2
    )
    table.loc[1, "observed"] = 350
    one = outcomes(table, "delay")["a"]
    assert one.happened.tolist() == [True, True, False, False]
    assert one.time.tolist() == [400, -50, 500, 0]


def test_bad_tables_and_arguments_name_what_would_do():
    table = arm("a", [10, 20])
    with pytest.raises(ValueError, match=r"event = 'groks' is not accepted: use one of memorisation, grok"):
        outcomes(table, "groks")
    with pytest.raises(ValueError, match=r"unit = 'hours' is not accepted: use one of steps"):
        outcomes(table, unit="hours")
    with pytest.raises(ValueError, match=r"no column grok_seconds, observed_seconds \(see timing_table\)"):
        outcomes(table, unit="seconds")
    with pytest.raises(ValueError, match=r"arm 'a' has seed 0 twice"):
        outcomes(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(ValueError, match=r"level = 95 is not accepted: use a number between 0 and 1"):
        medians(table, level=95)
    with pytest.raises(ValueError, match="give at least one run"):
        timing_table([])
