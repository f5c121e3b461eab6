"""Kept tables: never computed twice, never stale, never damaged."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from grokscope.analysis import cached
from grokscope.analysis.tables.cache import why_not_kept
from grokscope.runs import open_run


def counting(version: int = 1, reads: tuple = ("checkpoints",)) -> SimpleNamespace:
    """An analysis that counts how often it is computed."""
    counter = SimpleNamespace(calls=0)

    @cached(version=version, reads=reads)
    def steps_times(run, factor: float = 2.0, sites: tuple[str, ...] = ("embed",)) -> pd.DataFrame:
        """The analysis of these tests."""
        counter.calls += 1
        return pd.DataFrame({"step": run.steps, "value": [step * factor for step in run.steps], "site": sites[0]})

    counter.analysis = steps_times
    return counter


def parquets(run) -> list[Path]:
    return sorted(run.analysis_path.rglob("*.parquet"))


def test_a_table_is_computed_once_and_is_the_same_when_read_back(write_run):
    run, counted = write_run(), counting()
    fresh = counted.analysis(run)
    again = counted.analysis(open_run(run.path))
    assert counted.calls == 1
    pd.testing.assert_frame_equal(fresh, again)
    assert list(fresh) == ["run", "task", "arm", "seed", "step", "value", "site"]


def test_arguments_are_part_of_the_key_however_they_are_given(write_run):
    run, counted = write_run(), counting()
    for call in ({}, {"factor": 2.0}, {"sites": ["embed"]}):
        counted.analysis(run, **call)
    counted.analysis(run, 2.0)
    assert counted.calls == 1
    assert counted.analysis(run, factor=3.0)["value"].iloc[-1] == 1800
    counted.analysis(run, sites=("unembed",))
    assert counted.calls == 3
    counted.analysis(run)
    assert counted.calls == 3  # tables of other arguments are kept beside each other


def test_another_version_computes_again_and_replaces_the_table(write_run):
    run, old, new = write_run(), counting(version=1), counting(version=2)
    old.analysis(run)
    new.analysis(run)
    assert new.calls == 1
    assert len(parquets(run)) == 1


def test_a_new_checkpoint_or_a_changed_digest_computes_again(write_run):
    from grokscope.runs.manifest import Entry

    run, counted = write_run(), counting()
    counted.analysis(run)
    last = run.steps[-1]
    entry = run._entries.pop(last)
    assert counted.analysis(run)["step"].max() < last
    run._entries[last] = Entry(entry.file, entry.bytes, "0" * 64, last)
    counted.analysis(run)
    assert counted.calls == 3
    assert len(parquets(run)) == 1


def test_a_table_that_reads_metrics_goes_with_them_and_no_other_does(write_run):
    from grokscope.runs import reopen_run

    evaluation = {"train_loss": 0.0, "train_accuracy": 1.0, "val_loss": 0.0, "val_accuracy": 1.0}
    for source, calls in (("metrics", 2), ("checkpoints", 1)):
        run, counted = write_run(source), counting(reads=(source,))
        counted.analysis(run)
        with reopen_run(run.path, run.config) as writer:
            writer.log({"step": 1000, **evaluation})
            writer.finish("finished")
        counted.analysis(open_run(run.path))
        assert counted.calls == calls


def test_a_changed_config_computes_again(write_run):
    first, counted = write_run("first"), counting()
    counted.analysis(first)
    second = write_run("second", train_fraction=0.4)
    shutil.copytree(first.analysis_path, second.analysis_path)
    counted.analysis(second)
    assert counted.calls == 2


def test_a_renamed_run_keeps_its_tables_under_its_new_name(write_run):
    run, counted = write_run("before"), counting()
    counted.analysis(run)
    moved = run.path.rename(run.path.with_name("after"))
    assert set(counted.analysis(open_run(moved))["run"]) == {"after"}
    assert counted.calls == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "garbage"])
def test_a_damaged_table_is_computed_again(write_run, damage, caplog):
    run, counted = write_run(), counting()
    good = counted.analysis(run)
    (path,) = parquets(run)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(
        {"truncated": content[: len(content) // 2], "empty": b"", "flipped": content, "garbage": b"PAR1"}[damage]
    )
    with caplog.at_level(logging.WARNING):
        pd.testing.assert_frame_equal(counted.analysis(run), good)
    assert counted.calls == 2
    assert path.name in caplog.text
    counted.analysis(run)
    assert counted.calls == 2  # and the good one took its place
    assert len(parquets(run)) == 1


def test_a_table_that_cannot_be_kept_is_still_given(write_run, caplog):
    run, counted = write_run(), counting()
    run.analysis_path.write_text("a file where the folder should be")
    for _ in range(2):
        assert len(counted.analysis(run)) == len(run.steps)
    assert counted.calls == 2
    said = f"tables of {run.name} are not kept, and made anew each time: cannot write to {run.analysis_path}: "
    assert [record.getMessage() for record in caplog.records] == [why_not_kept(run)]
    assert caplog.text.count(said) == 1


def test_an_error_leaves_nothing_behind(write_run):
    @cached(version=1)
    def fails(run) -> pd.DataFrame:
        raise RuntimeError("half way")

    run = write_run()
    with pytest.raises(RuntimeError, match="half way"):
        fails(run)
    assert not run.analysis_path.exists()


def test_an_argument_that_cannot_be_part_of_a_key_is_refused_by_name(write_run):
    run, counted = write_run(), counting()
    with pytest.raises(TypeError, match=r"steps_times got \{'embed'\}, a set.*use numbers"):
        counted.analysis(run, sites={"embed"})
    assert counted.calls == 0


def test_a_table_with_an_index_is_refused(write_run):
    @cached(version=1)
    def indexed(run) -> pd.DataFrame:
        return pd.DataFrame({"step": run.steps}).set_index("step")

    with pytest.raises(TypeError, match="reset_index"):
        indexed(write_run())


def test_several_runs_make_one_table_in_their_order(write_run):
    counted = counting()
    runs = [write_run("b", arm="x"), write_run("a", arm="y", seed=3)]
    table = counted.analysis(runs)
    assert list(dict.fromkeys(table["run"])) == ["b", "a"]
    assert list(dict.fromkeys(zip(table["arm"], table["seed"], strict=True))) == [("x", 0), ("y", 3)]
    assert counted.calls == 2


def test_no_runs_and_two_runs_of_one_name_are_refused(write_run):
    counted, run = counting(), write_run("twin")
    with pytest.raises(ValueError, match="at least one run"):
        counted.analysis([])
    with pytest.raises(ValueError, match="the same name twin"):
        counted.analysis([run, run])
