"""What a sweep will take, and whether this machine has it."""

from __future__ import annotations

import pytest

from grokscope import capacity
from grokscope.capacity import CapacityError
from grokscope.config import ConfigError
from grokscope.sweeps import Sweep, estimate, load_sweep, run_sweep
from grokscope.sweeps.directory import places
from grokscope.sweeps.estimate import kind
from grokscope.sweeps.room import check_files, check_workers
from grokscope.training import train
from grokscope.training.estimate import PROCESS, disk, held, memory

GRID = "[grid]\nlr = [1e-3, 1e-4]\nmax_norm = [1, 2]\nd_model = [8, 16]\nmodel.biases = [true, false]\nsteps = [10, 20]"


@pytest.fixture
def sweep(sweep_file) -> Sweep:
    """64 runs."""
    return load_sweep(sweep_file("seeds = [0, 1]", GRID))


def test_rates_bounds_seeds_and_budgets_are_of_one_kind(sweep):
    kinds = {kind(job.config): (job.config.model.d_model, job.config.model.biases) for job in sweep.jobs}
    assert sorted(kinds.values()) == [(8, False), (8, True), (16, False), (16, True)]


def test_more_kinds_than_are_measured_have_no_time_and_still_a_size(sweep, monkeypatch):
    monkeypatch.setattr("grokscope.sweeps.estimate.calibrate", lambda *_: pytest.fail("it is measured"))
    costs = estimate.estimate(sweep.jobs, most_kinds=3)
    assert (costs.kinds, costs.seconds(1)) == (4, None)
    assert costs.bytes == sum(disk(job.config) for job in sweep.jobs) == sum(one.bytes for one in costs.runs.values())


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_workers_that_there_cannot_be_are_refused(workers):
    with pytest.raises(ConfigError, match=f"workers = {workers} is not accepted: use an integer >= 1"):
        estimate.Estimate({"a": estimate.Cost(100.0, 0)}, 1).seconds(workers)


def test_what_is_measured_is_what_a_run_is_made_of(sweep, monkeypatch):
    measured = estimate.Calibration(start=100.0, step=1.0, evaluation=10.0, record=0.0, margins=0.0, checkpoint=0.25)
    monkeypatch.setattr("grokscope.sweeps.estimate.calibrate", lambda *_: measured)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: None)
    costs = estimate.estimate(sweep.jobs)
    # Evaluated every 5 steps, before and after too; a checkpoint every 4, at the start and at the end.
    seconds = {10: 100 + 10 + 10 * 4 + 0.25 * 4, 20: 100 + 20 + 10 * 6 + 0.25 * 6}
    assert {(job.budget, costs.runs[job.name].seconds) for job in sweep.jobs} == set(seconds.items())
    assert costs.seconds(64) == seconds[20]


def test_workers_that_need_more_memory_than_there_is_are_refused_with_fewer(sweep, tmp_path, monkeypatch):
    waiting = places(sweep.jobs, tmp_path / "out")
    most = max(memory(job.config) for job in sweep.jobs)
    monkeypatch.setattr(capacity, "free_memory", lambda: 4 * (PROCESS + most))
    check_workers(waiting, 3)
    with pytest.raises(CapacityError, match=r"training 5 runs at a time needs about .* GB of memory.*; fewer workers"):
        check_workers(waiting, 5)
    for place in waiting[1:]:
        place.standing = "finished"
    check_workers(waiting, 5)


def test_runs_that_are_there_already_need_no_more_disk(sweep, tmp_path, monkeypatch):
    out = tmp_path / "out"
    done = train(sweep.jobs[0].config, out / sweep.jobs[0].name, progress=False)
    waiting = places(sweep.jobs[:3], out)
    left = sum(disk(job.config) for job in sweep.jobs[1:3])
    monkeypatch.setattr(capacity, "free_disk", lambda path: 2 * left)
    check_files(waiting, out)
    monkeypatch.setattr(capacity, "free_disk", lambda path: left - 1)
    with pytest.raises(CapacityError, match=r"training 2 runs needs about .* of disk.*\[disk\] dense_seeds"):
        check_files(waiting, out)
    waiting[0].standing = "waiting"
    monkeypatch.setattr(capacity, "free_disk", lambda path: left + disk(done.config) - held(done.path) - 1)
    with pytest.raises(CapacityError, match="training 3 runs"):
        check_files(waiting, out)


def test_a_sweep_is_refused_before_a_process_is_started(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", None)
    monkeypatch.setattr(capacity, "free_memory", lambda: 10**9)
    with pytest.raises(CapacityError, match="fewer workers need less"):
        run_sweep(sweep, tmp_path / "out", 4)
    assert not (tmp_path / "out").exists()
