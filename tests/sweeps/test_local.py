"""A sweep on one machine: what it trains, what it leaves alone, and what becomes of workers that fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import grokscope
from benchmarks.load.sweeps import train_directly
from grokscope.config import ConfigError, override
from grokscope.runs import Run, RunError, create_run, open_run, verify_run
from grokscope.sweeps import Board, Place, load_sweep, run_sweep
from grokscope.sweeps.directory import look
from grokscope.sweeps.local import default_workers
from grokscope.training import train
from tests.training.test_resume import unsealed

ROOT = Path(grokscope.__file__).parents[1]
TWO_ARMS = "[arms.a]\n[arms.b]\nlr = 1e-4"


def assert_same(run: Run, direct: Run) -> None:
    """Bit-identical weights at every checkpoint, equal metrics, and nothing left over."""
    assert run.status == direct.status == "finished"
    assert run.digests == direct.digests
    columns = [name for name in direct.metrics if name != "seconds"]
    assert run.metrics[columns].equals(direct.metrics[columns])
    assert {finding.verdict for finding in verify_run(run.path)} == {"ok"}
    assert not list(run.path.rglob("*.tmp"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def worker_of(board: Board) -> psutil.Process | None:
    """The one worker process, once it has taken a step."""
    if not any(place.standing == "running" and place.step for place in board.places):
        return None
    return next(iter(workers()), None)


def workers() -> list[psutil.Process]:
    """All worker processes of this one that have not ended."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one too
            if "grokscope.sweeps.worker" in child.cmdline():
                found.append(child)
    return found


def test_a_sweep_trains_what_train_trains_and_a_second_one_repeats_nothing(sweep_file, tmp_path):
    sweep, out = load_sweep(sweep_file(rest=TWO_ARMS)), tmp_path / "out"
    half_made = out / sweep.jobs[1].name
    (half_made / "checkpoints").mkdir(parents=True)
    (half_made / "manifest.jsonl").touch()
    (half_made / ".config.json.1234.tmp").write_text('{"for')
    ended = run_sweep(sweep, out, workers=2)
    assert [(outcome.standing, outcome.attempts, outcome.before) for outcome in ended] == [("finished", 1, False)] * 2
    for job, outcome in zip(sweep.jobs, ended, strict=True):
        assert outcome.path == out / job.name
        assert_same(open_run(outcome.path), train(job.config, tmp_path / "direct" / job.name, progress=False))
    before = contents(out)
    again = run_sweep(sweep, out, workers=2)
    assert [(outcome.standing, outcome.attempts, outcome.before) for outcome in again] == [("finished", 0, True)] * 2
    assert contents(out) == before
    assert not list((out / "logs").iterdir())


def test_a_run_that_was_killed_before_the_seal_of_its_end_is_sealed_by_the_next_sweep(sweep_file, tmp_path):
    sweep = load_sweep(sweep_file(rest="[arms.a]"))
    (outcome,) = run_sweep(sweep, tmp_path, workers=1)
    unsealed(open_run(outcome.path))
    (again,) = run_sweep(sweep, tmp_path, workers=1)
    assert (again.standing, again.attempts, again.before) == ("finished", 0, True)
    assert {finding.verdict for finding in verify_run(again.path)} == {"ok"}


def test_a_run_of_other_settings_is_not_sealed(sweep_file, tmp_path):
    sweep = load_sweep(sweep_file(rest="[arms.a]"))
    (outcome,) = run_sweep(sweep, tmp_path, workers=1)
    seals = unsealed(open_run(outcome.path))
    with pytest.raises(RunError, match="other settings"):
        run_sweep(load_sweep(sweep_file(rest="[arms.a]\nlr = 1e-4")), tmp_path, workers=1)
    assert (outcome.path / "seals.jsonl").read_bytes() == seals


def test_a_run_of_other_settings_is_refused_before_anything_starts(sweep_file, tmp_path):
    sweep, out = load_sweep(sweep_file(rest=TWO_ARMS)), tmp_path / "out"
    job = sweep.jobs[1]
    train(override(job.config, {"lr": 0.25}), out / job.name, progress=False)
    before = contents(out)
    with pytest.raises(
        RunError, match=rf"{job.name} holds a run of other settings \(optimizer.lr = 0.25 there, 0.0001"
    ):
        run_sweep(sweep, out)
    assert contents(out) == before


@pytest.mark.parametrize(("arguments", "message"), [({"workers": 0}, "workers = 0"), ({"hang_seconds": -1}, "hang_s")])
def test_arguments_that_make_no_sense_are_refused(sweep_file, tmp_path, arguments, message):
    with pytest.raises(ConfigError, match=message):
        run_sweep(load_sweep(sweep_file()), tmp_path / "out", **arguments)


@pytest.mark.usefixtures("light_workers")
def test_a_run_that_cannot_be_trained_fails_alone_and_is_reported(sweep_file, tmp_path):
    sweep, out = load_sweep(sweep_file(rest=TWO_ARMS)), tmp_path / "out"
    (out / sweep.jobs[0].name).mkdir(parents=True)
    (out / sweep.jobs[0].name / "thesis.tex").touch()
    occupied, fine = run_sweep(sweep, out, workers=2)
    assert (fine.standing, fine.attempts, fine.failures) == ("finished", 1, ())
    assert occupied.standing == "failed"
    assert occupied.attempts == len(occupied.failures) == 2
    for failure in occupied.failures:
        assert "is not empty (it holds thesis.tex)" in failure.reason
        assert failure.tail == ()  # that says all


def test_a_worker_takes_run_after_run_and_none_leaves_a_trace_in_the_next(sweep_file, tmp_path):
    """One process for all runs but the one that follows a failure; every run as it is when trained alone."""
    file = sweep_file("seeds = [0, 1]", rest='[arms.a]\n[arms.b]\noptimizer.name = "lion"\ndtype = "float64"')
    sweep, out = load_sweep(file), tmp_path / "out"
    broken = sweep.jobs[1]
    (out / broken.name).mkdir(parents=True)
    (out / broken.name / "thesis.tex").touch()
    seen: set[int] = set()
    ended = run_sweep(sweep, out, workers=1, watch=lambda _: seen.update(worker.pid for worker in workers()))
    assert [outcome.standing for outcome in ended] == ["finished", "failed", "finished", "finished"]
    assert len(seen) == 3  # the broken run ended two
    for job, outcome in zip(sweep.jobs, ended, strict=True):
        if job is not broken:
            assert outcome.attempts == 1
            assert_same(open_run(outcome.path), train(job.config, tmp_path / "direct" / job.name, progress=False))
    assert [log.name for log in (out / "logs").iterdir()] == [f"{broken.name}.log"]
    assert "thesis.tex" in (out / "logs" / f"{broken.name}.log").read_text()


@pytest.mark.usefixtures("light_workers")
def test_a_diverged_run_is_an_end_and_no_failure(sweep_file, tmp_path):
    sweep = load_sweep(sweep_file(rest='[arms.wild]\nlr = 1e15\noptimizer.name = "sgd"'))
    (outcome,) = run_sweep(sweep, tmp_path / "out")
    assert (outcome.standing, outcome.attempts, outcome.failures) == ("diverged", 1, ())
    (again,) = run_sweep(sweep, tmp_path / "out")
    assert (again.standing, again.before, again.reason) == ("diverged", True, outcome.reason)


def one_long_run(sweep_file: Callable[..., Path]) -> Path:
    return sweep_file(steps=500, rest="[grid]\neval_every = [50]\n[disk]\ndense_seeds = []")


def test_a_killed_worker_is_replaced_once_and_the_run_goes_on_to_the_same_bytes(sweep_file, tmp_path):
    file = one_long_run(sweep_file)
    sweep = load_sweep(file)
    killed: list[int] = []

    def kill_the_first(board: Board) -> None:
        if not killed and (worker := worker_of(board)):
            killed.append(worker.pid)
            worker.kill()

    (outcome,) = run_sweep(sweep, tmp_path / "out", workers=1, watch=kill_the_first)
    assert (outcome.standing, outcome.attempts) == ("finished", 2)
    assert [failure.reason for failure in outcome.failures] == ["its process was killed by signal 9 (SIGKILL)"]
    train_directly(file, tmp_path / "direct")
    assert_same(open_run(outcome.path), open_run(tmp_path / "direct" / outcome.name))


def test_a_hung_worker_is_killed_and_its_run_goes_on(sweep_file, tmp_path):
    file = one_long_run(sweep_file)
    sweep = load_sweep(file)
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "import grokscope.sweeps.worker"], check=True)
    patience = round(5 + 4 * (time.monotonic() - begin))  # more than it takes to start a worker, on any machine
    stopped: list[int] = []

    def stop_the_first(board: Board) -> None:
        if not stopped and (worker := worker_of(board)):
            stopped.append(worker.pid)
            worker.suspend()

    (outcome,) = run_sweep(sweep, tmp_path / "out", workers=1, hang_seconds=patience, watch=stop_the_first)
    assert (outcome.standing, outcome.attempts) == ("finished", 2)
    assert [failure.reason for failure in outcome.failures] == [f"no heartbeat for {patience} s: killed as hung"]
    assert not psutil.pid_exists(stopped[0])
    train_directly(file, tmp_path / "direct")
    assert_same(open_run(outcome.path), open_run(tmp_path / "direct" / outcome.name))


@pytest.mark.usefixtures("light_workers")
def test_a_run_that_another_process_holds_is_waited_for_and_then_trained(sweep_file, tmp_path):
    sweep = load_sweep(sweep_file())
    holder = create_run(tmp_path / "out" / sweep.jobs[0].name, sweep.jobs[0].config)
    seen: set[str] = set()

    def release(board: Board) -> None:
        seen.add(board.places[0].standing)
        if board.places[0].standing == "elsewhere" and len(seen) == 1:
            threading.Timer(0.5, holder.finish, ["interrupted"]).start()
            seen.add("released")

    (outcome,) = run_sweep(sweep, tmp_path / "out", watch=release)
    assert "elsewhere" in seen
    assert (outcome.standing, outcome.attempts, outcome.before) == ("finished", 1, False)


@pytest.mark.usefixtures("light_workers")
def test_a_run_that_another_sweep_means_to_resume_as_it_ends_has_not_failed(sweep_file, tmp_path, monkeypatch):
    blind = iter([True])

    def look_while_its_status_says_running(place: Place) -> bool:
        return not (place.standing == "running" and next(blind, False)) and look(place)

    monkeypatch.setattr("grokscope.sweeps.local.look", look_while_its_status_says_running)
    (outcome,) = run_sweep(load_sweep(sweep_file()), tmp_path / "out")
    assert next(blind, None) is None
    assert (outcome.standing, outcome.attempts, outcome.failures) == ("finished", 1, ())


TWO_SWEEPS = """
import sys
from grokscope.sweeps import load_sweep, run_sweep
if __name__ == "__main__":
    for outcome in run_sweep(load_sweep(sys.argv[1]), sys.argv[2], workers=1):
        print(outcome.name, outcome.standing, outcome.attempts, len(outcome.failures))
"""


def test_two_sweeps_on_one_directory_share_the_work_and_train_nothing_twice(sweep_file, tmp_path):
    path, out = sweep_file("seeds = [0, 1, 2]"), tmp_path / "out"
    command = [sys.executable, "-c", TWO_SWEEPS, str(path), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    told = [sweep.communicate(timeout=120)[0].split("\n")[:-1] for sweep in both]
    assert [sweep.returncode for sweep in both] == [0, 0]
    for lines in zip(*told, strict=True):
        names, standings, attempts, failures = zip(*(line.split() for line in lines), strict=True)
        assert len(set(names)) == 1
        assert set(standings) == {"finished"}
        assert sorted(attempts) == ["0", "1"], lines
        assert set(failures) == {"0"}
    jobs = load_sweep(path).jobs
    assert_same(open_run(out / jobs[1].name), train(jobs[1].config, tmp_path / "direct", progress=False))


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2)])
def test_a_signal_stops_workers_cleanly_and_a_second_one_at_once(sweep_file, tmp_path, number, times):
    path, out = sweep_file(steps=200_000, rest="[disk]\ndense_seeds = []"), tmp_path / "out"
    (job,) = load_sweep(path).jobs
    command = [sys.executable, "-m", "grokscope.cli", "sweep", str(path), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # Where the tests run in the background, these are ignored, and would be by what they start.
        preexec_fn=lambda: [signal.signal(which, signal.SIG_DFL) for which in (signal.SIGINT, signal.SIGHUP)],
    ) as sweep:
        deadline = time.monotonic() + 240
        while not (out / job.name / "state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        (worker,) = psutil.Process(sweep.pid).children()
        if times == 2:
            worker.suspend()  # it will not end when it is asked to
        sweep.send_signal(number)
        if times == 2:
            time.sleep(0.5)
            sweep.send_signal(number)
        begin = time.monotonic()
        errors = sweep.communicate(timeout=60)[1]
        assert time.monotonic() - begin < 25, "at the end of the time that workers have to end"
    assert sweep.returncode == 128 + number
    assert "interrupted; go on with the same command" in errors
    assert not psutil.pid_exists(worker.pid)
    assert open_run(out / job.name).status == "interrupted"
    how = "stopped by SIGTERM" if times == 1 else f"process {worker.pid} on .* ended without finishing the run"
    assert re.fullmatch(how, open_run(out / job.name).reason or "")


def test_by_default_there_is_a_worker_for_each_core(sweep_file, monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: list(range(6)))
    assert default_workers(load_sweep(sweep_file()).jobs) == 6
    assert default_workers(load_sweep(sweep_file(rest="[arms.a]\nthreads = 4")).jobs) == 1
