"""The soonest method of each task: which candidate is reported, and what the table says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.config import preset
from grokscope.experiments.published import records
from grokscope.experiments.table import Plan, Size
from grokscope.sweeps import Job


class Ended:
    """A run of a job that grokked at a step, or did not."""

    def __init__(self, job: Job, step: int | None) -> None:
        self.name, self.config, self.sustained_grok_step = job.name, job.config, step


def _plan(tmp_path, monkeypatch, times: dict[tuple[str, int], int | None]) -> Plan:
    """A plan on x * y alone whose runs, when asked for, have ended at given steps; others at 500."""
    size = Size(seeds=(0, 1), parts=("mul",))
    monkeypatch.setattr(
        Plan,
        "ended",
        lambda self, jobs: [Ended(job, times.get((job.config.arm, job.config.seed), 500)) for job in jobs],
    )
    return Plan(size, "published", size.seeds, size.parts, tmp_path)


def test_candidates_are_tuned_on_seeds_of_their_own_and_the_best_is_reported_on_others(tmp_path, monkeypatch):
    names = list(records.candidates("mul"))
    assert len(names) == len(records.RATES) * len(records.SCALES)
    first, second = names[1], names[2]
    # Both are soon at first; on three more seeds the first one fails once, and its mean is the later one.
    times = {(first, seed): 200 for seed in (100, 101)} | {(second, seed): 300 for seed in (100, 101)}
    times |= {(first, 102): None, (first, 103): 500, (first, 104): 500}
    times |= {(second, seed): 300 for seed in (102, 103, 104)}
    tried, again, reported = records.rounds(_plan(tmp_path, monkeypatch, times))
    assert [(job.config.arm, job.config.seed) for job in tried] == [(n, s) for n in names for s in (100, 101)]
    assert {job.config.arm for job in again} == {first, second}
    assert {job.config.seed for job in again} == {102, 103, 104}
    assert [(job.config.arm, job.config.seed) for job in reported] == [
        (arm, seed) for arm in (second, "scion") for seed in (0, 1)
    ]
    assert len({job.name for job in (*tried, *again, *reported)}) == len([*tried, *again, *reported])


def test_a_run_without_a_grok_counts_with_its_budget(tmp_path, monkeypatch):
    plan = _plan(tmp_path, monkeypatch, {})
    (tried, *_) = records.rounds(plan)
    assert {job.config.training.steps for job in tried} == {735}  # published 535, and 200
    one, other = list(records.candidates("mul"))[:2]
    runs = [
        Ended(job, {one: None, other: 734}.get(job.config.arm, 735)) for job in tried if job.config.arm in (one, other)
    ]
    assert records.ranked(runs, "mul") == [other, one]
    assert records.ranked(runs, "add") == []
    assert records.ranked(runs, "mul", of=5) == []


def test_the_results_page_says_what_the_committed_table_says():
    root = Path(__file__).parents[2] / "reports"
    lines = (root / "README.md").read_text()
    for row in pd.read_csv(root / "tables" / "records.csv").to_dict("records"):
        assert f"n = {row['seeds']} | {row['grok_step']:.0f} ({row['low']:.0f} to {row['high']:.0f}) | " in lines
        assert f"| {row['sustained_grok_step']:.0f} | {row['seconds']:.1f} | " in lines
        assert f"| {row['times_sooner']:.2f} |" in lines


@pytest.mark.parametrize("task", records.TASKS)
def test_norms_of_candidates_are_held_at_parts_of_the_published_bound(task):
    bound = preset(f"{task}-lion-clip").norms.max_norm
    norms = set()
    for arm, settings in records.candidates(task).items():
        config = records.config(task, arm, 0, settings)
        assert config.optimizer.name == "muon"
        assert config.norms.max_norm is None
        assert config.norms.sphere == "tensors"
        norms.add(config.norms.init_norm)
        assert config.task == preset(f"{task}-lion-clip").task
    assert norms == {scale * bound for scale in records.SCALES}


def test_the_table_says_how_many_times_sooner_than_published():
    n = 4
    steps = [200, 240, 260, None]
    whole = {
        "memorisation_step": [100] * n, "grok_step": steps, "sustained_grok_step": steps, "delay": [None] * n,
        "budget": [735] * n, "observed": [735] * n, "sustained_observed": [735] * n, "cadence": [10] * n,
    }  # fmt: skip
    seconds = {"grok_seconds": [10.0, 12.0, 13.0, np.nan], "observed_seconds": [30.0] * n, "budget_seconds": [30.0] * n}
    evaluations = {
        "grok_gradient_evaluations": steps, "observed_gradient_evaluations": [735] * n,
        "budget_gradient_evaluations": [735] * n,
    }  # fmt: skip
    times = pd.DataFrame(
        {
            "run": [f"r{i}" for i in range(n)],
            "task": "mul",
            "arm": "muon-0.1-x1",
            "seed": range(n),
            "status": "finished",
        }
        | {name: pd.array(values, dtype="Int64") for name, values in (whole | evaluations).items()}
        | seconds
    )
    (row,) = records.summary(times).to_dict("records")
    # The median of 200, 240, 260 and one that is later than all: half of the runs have grokked by 240 to 260.
    assert (row["seeds"], row["grokked"]) == (4, 3)
    assert row["grok_step"] == pytest.approx(250)
    assert row["gradient_evaluations"] == pytest.approx(250)
    assert row["seconds"] == pytest.approx(12.5)
    assert row["published_step"] == 535
    assert row["times_sooner"] == pytest.approx(535 / 250)
