"""Learning curves and milestones against the run's own metrics, read another way."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis import learning_curves, milestones
from grokscope.runs import create_run, open_run


def test_learning_curves_hold_every_number_of_the_metrics_once(write_run):
    run = write_run(arm="lion", seed=2)
    table = learning_curves(run)
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert list(table) == ["run", "task", "arm", "seed", "step", "split", "loss", "accuracy", "unit"]
    assert len(table) == 2 * len(rows)
    for split in ("train", "val"):
        part = table[table["split"] == split]
        assert part["step"].tolist() == [row["step"] for row in rows]
        assert part["loss"].tolist() == [row[f"{split}_loss"] for row in rows]
        assert part["accuracy"].tolist() == [row[f"{split}_accuracy"] for row in rows]


def test_milestones_agree_with_numpy_on_the_metrics(write_run):
    run = write_run("a", arm="lion-clip", max_norm=2.0, memorises=40, groks=200)
    row = milestones(run).iloc[0]
    metrics = run.metrics
    step, train, val = (metrics[name].to_numpy() for name in ("step", "train_accuracy", "val_accuracy"))
    memorised, grokked = step[np.argmax(train >= 0.99)], step[np.argmax(val >= 0.95)]
    assert (row["memorisation_step"], row["grok_step"], row["sustained_grok_step"]) == (
        memorised,
        grokked,
        grokked,
    )
    assert row["delay"] == grokked - memorised
    assert (row["steps"], row["budget"], row["status"], row["max_norm"]) == (600, 600, "finished", 2.0)
    assert (row["task"], row["arm"], row["seed"]) == ("mul-p5", "lion-clip", 0)
    assert row["final_val_accuracy"] == val[-1]


def test_steps_that_were_not_reached_are_missing_and_the_others_stay_integers(write_run):
    table = milestones([write_run("a"), write_run("b", groks=None)])
    assert table["grok_step"].dtype == "Int64"
    assert table["grok_step"].isna().tolist() == [False, True]
    assert table["delay"].isna().tolist() == [False, True]
    assert pd.isna(table["max_norm"]).all()


def test_rows_of_the_metrics_that_are_no_evaluations_are_passed_over(write_run, tmp_path):
    config = write_run("like").config
    with create_run(tmp_path / "odd", config) as writer:
        evaluation = {"train_loss": 2.0, "train_accuracy": 0.5, "val_loss": 3.0, "val_accuracy": 0.25}
        writer.log({"step": 0, **evaluation})
        writer.log({"step": 5, "train_loss": 1.5})
        writer.finish("diverged")
    run = open_run(tmp_path / "odd")
    assert learning_curves(run)["step"].tolist() == [0, 0]
    assert milestones(run)[["steps", "status", "final_val_accuracy"]].iloc[0].tolist() == [
        0,
        "diverged",
        0.25,
    ]


@pytest.mark.parametrize("analysis", [learning_curves, milestones])
def test_a_run_without_an_evaluation_gives_a_table_of_the_same_columns(write_run, tmp_path, analysis):
    full = write_run("full")
    with create_run(tmp_path / "empty", full.config):
        pass
    empty = open_run(tmp_path / "empty")
    assert list(analysis(empty)) == list(analysis(full))
    both = analysis([empty, full])
    pd.testing.assert_series_equal(both.dtypes, analysis(full).dtypes)
