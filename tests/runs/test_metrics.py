"""Metrics: the same table while training and after, from lines and from Parquet."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.runs import RunError, create_run, open_run, reopen_run

ROWS = [
    {
        "step": 0,
        "train_loss": 4.6,
        "train_accuracy": 0.0,
        "val_loss": 4.7,
        "val_accuracy": 0.0,
        "seconds": 0.0,
    },
    {
        "step": 10,
        "train_loss": 1 / 3,
        "train_accuracy": 1.0,
        "val_loss": 2.0,
        "val_accuracy": 0.25,
        "seconds": 0.2,
    },
    {
        "step": 20,
        "train_loss": math.nan,
        "train_accuracy": 1.0,
        "val_loss": math.inf,
        "val_accuracy": 0.96,
        "seconds": 0.3,
    },
]


def test_the_table_is_the_same_while_training_and_from_parquet_afterwards(tmp_path, config):
    with create_run(tmp_path / "run", config) as writer:
        for row in ROWS:
            writer.log(row)
        writer.flush()
        assert not (tmp_path / "run" / "metrics.parquet").exists()
        during = open_run(tmp_path / "run").metrics
        assert open_run(tmp_path / "run").status == "running"
        writer.finish("finished")
    expected = pd.DataFrame(ROWS)
    pd.testing.assert_frame_equal(during, expected)
    pd.testing.assert_frame_equal(open_run(tmp_path / "run").metrics, expected)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "run" / "metrics.parquet"), expected)
    assert [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").open()] == [0, 10, 20]


def test_the_milestones_of_a_run_are_those_of_its_metrics(tmp_path, config):
    with create_run(tmp_path / "run", config) as writer:
        for row in ROWS:
            writer.log(row)
        writer.finish("finished")
    run = open_run(tmp_path / "run")
    assert (run.memorisation_step, run.grok_step, run.sustained_grok_step, run.delay) == (10, 20, None, 10)


def test_parquet_that_cannot_be_read_is_made_up_for_by_the_lines(trained):
    expected = open_run(trained).metrics
    (trained / "metrics.parquet").write_bytes(b"PAR1 not really PAR1")
    pd.testing.assert_frame_equal(open_run(trained).metrics, expected)
    (trained / "metrics.parquet").unlink()
    pd.testing.assert_frame_equal(open_run(trained).metrics, expected)


def test_a_last_line_torn_at_any_byte_leaves_the_rows_before_it(killed):
    content = (killed / "metrics.jsonl").read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    for end in range(start, len(content)):
        (killed / "metrics.jsonl").write_bytes(content[:end])
        assert list(open_run(killed).metrics.step) == [0, 10, 20, 30, 40]
    with reopen_run(killed) as writer:
        assert (killed / "metrics.jsonl").read_bytes() == content[:start]
        writer.log(json.loads(content[start:]))
        writer.finish("finished")
    assert (killed / "metrics.jsonl").read_bytes() == content


def test_of_rows_of_one_step_the_last_holds(killed):
    """As a kill during a resume may leave them."""
    rows = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    again = {**rows[-1], "val_accuracy": 0.97}
    with (killed / "metrics.jsonl").open("a") as file:
        for row in (rows[-2], again):
            file.write(json.dumps(row) + "\n")
    run = open_run(killed)
    assert list(run.metrics.step) == [0, 10, 20, 30, 40, 50]
    assert list(run.metrics.val_accuracy) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.97]
    assert run.grok_step == 50


def test_truncate_drops_later_rows_on_disk_and_in_memory(trained):
    with reopen_run(trained) as writer:
        writer.truncate(after_step=25)
        assert [row["step"] for row in writer.rows] == [0, 10, 20]
        assert list(open_run(trained).metrics.step) == [0, 10, 20]
        writer.log({"step": 30, "val_accuracy": 1.0})
        writer.finish("finished")
    assert list(open_run(trained).metrics.step) == [0, 10, 20, 30]


def test_scalars_of_numpy_and_torch_are_numbers(tmp_path, config):
    with create_run(tmp_path / "run", config) as writer:
        writer.log({"step": np.int64(3), "train_loss": torch.tensor(0.5), "val_loss": np.float32(0.25), "note": None})
        assert writer.rows == [{"step": 3, "train_loss": 0.5, "val_loss": 0.25, "note": None}]
        writer.finish("finished")
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text())["step"] == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"train_loss": 1.0}, "step = None: use an integer"),
        ({"step": -1}, "step = -1"),
        ({"step": True}, "step = True"),
        ({"step": 1.0}, "step = 1.0"),
        ({"step": 60, "norms": [1.0]}, r"'norms' = \[1.0\]: use a number"),
        ({"step": 50}, "step 50 comes after one at step 50"),
    ],
)
def test_a_row_that_is_not_accepted_is_an_error_and_changes_nothing(trained, row, message):
    with reopen_run(trained) as writer:
        before = (trained / "metrics.jsonl").read_bytes()
        with pytest.raises(RunError, match=message):
            writer.log(row)
        writer.flush()
        assert (trained / "metrics.jsonl").read_bytes() == before
        writer.finish("finished")


def test_a_run_without_metrics_has_a_table_without_rows(tmp_path, config):
    create_run(tmp_path / "run", config).finish("interrupted")
    run = open_run(tmp_path / "run")
    assert run.metrics.empty
    assert {"step", "train_loss", "train_accuracy", "val_loss", "val_accuracy"} <= set(run.metrics.columns)
    assert run.grok_step is run.memorisation_step is run.delay is None


def test_changing_the_table_does_not_change_the_run(trained):
    run = open_run(trained)
    table = run.metrics
    table["val_accuracy"] = 1.0
    assert run.metrics.val_accuracy.max() == 0.5
