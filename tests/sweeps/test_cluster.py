"""A sweep on Ray: real nodes (processes of this machine), of which one is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load.nodes import cluster_of_three
from benchmarks.load.processes import TAG, workers_bearing
from benchmarks.load.sweeps import train_directly
from grokscope.cli import main
from grokscope.cli.sweeping import Display
from grokscope.runs import open_run, reopen_run, verify_run
from grokscope.sweeps import Board, load_sweep
from grokscope.sweeps.cluster import run_on_ray
from grokscope.sweeps.fetching import FileHub
from grokscope.sweeps.hub import Hub


@pytest.fixture
def cluster(ray_module: Any, tmp_path: Path) -> Iterator[Any]:
    with cluster_of_three(str(tmp_path)) as made:
        yield made


def assert_as_trained_here(file: Path, out: Path, direct: Path) -> None:
    train_directly(file, direct)
    for job in load_sweep(file).jobs:
        run, alone = open_run(out / job.name), open_run(direct / job.name)
        assert run.status == alone.status == "finished"
        assert run.digests == alone.digests
        columns = [name for name in alone.metrics if name != "seconds"]
        assert run.metrics[columns].equals(alone.metrics[columns])
        assert {finding.verdict for finding in verify_run(run.path)} == {"ok"}


def test_a_run_that_is_fetched_from_ray_is_bit_identical_to_one_trained_here(ray_here, sweep_file, tmp_path):
    path, out = sweep_file(), tmp_path / "out"
    sweep = load_sweep(path)
    (outcome,) = run_on_ray(sweep, "auto", out, fetch=True)
    assert (outcome.standing, outcome.before, outcome.path) == ("finished", False, out / sweep.jobs[0].name)
    assert_as_trained_here(path, out, tmp_path / "direct")
    (again,) = run_on_ray(sweep, "auto", out, fetch=True)
    assert (again.standing, again.before) == ("finished", True)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All processes that are started from here on bear a mark."""
    monkeypatch.setenv(TAG, str(tmp_path))


def test_an_interrupt_stops_every_task_after_its_step_with_its_state_saved(
    marked, ray_here, sweep_file, tmp_path, monkeypatch, capsys
):
    """On a path that nodes share, and where the run is sent back, while a task tells how it goes on."""

    def slowly(hub: type[Hub]) -> type[Hub]:
        class Slow(hub):  # type: ignore[misc, valid-type]
            def tell(self, name: str, *news: Any) -> None:
                time.sleep(1)
                super().tell(name, *news)

        return Slow

    monkeypatch.setattr("grokscope.sweeps.cluster.Hub", slowly(Hub))
    monkeypatch.setattr("grokscope.sweeps.cluster.FileHub", slowly(FileHub))
    path = sweep_file(steps=200_000, rest="[disk]\ndense_seeds = []")
    (job,) = load_sweep(path).jobs
    show, sent = Display.show, []

    def show_and_interrupt(self: Display, board: Board) -> None:
        show(self, board)
        if not sent and board.places[0].step:
            sent.append(board.places[0].step)
            time.sleep(0.6)  # until the task tells how it goes on
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Display, "show", show_and_interrupt)
    for words, reason in ((), "stopped by SIGTERM"), (("--fetch",), "the sweep was stopped"):
        sent.clear()
        out = tmp_path / f"out{len(words)}"
        assert main(["sweep", str(path), "--ray", "auto", "--out", str(out), *words]) == 130
        shown = capsys.readouterr()
        assert shown.err == "grokscope: error: interrupted; go on with the same command\n"
        assert shown.out == ""
        run = open_run(out / job.name)
        assert (run.status, run.reason) == ("interrupted", reason)
        with reopen_run(run.path) as writer:
            state = writer.load_state()
            writer.finish("interrupted")
        assert state is not None
        assert state[1]["step"] >= sent[0]
        assert not [finding for finding in verify_run(run.path) if finding.is_bad]
        assert not workers_bearing(str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("fetch", [False, True], ids=["shared path", "fetched"])
def test_when_a_node_is_killed_every_run_ends_once_and_as_trained_here(cluster, sweep_file, tmp_path, fetch):
    path = sweep_file("seeds = [0, 1]", "[arms.a]\n[arms.b]\nlr = 1e-4\n[grid]\neval_every = [50]\n", steps=3000)
    path.write_text(path.read_text().replace("checkpoints.every = 4", "checkpoints.every = 500"))
    sweep, out = load_sweep(path), tmp_path / "out"
    lost = next(iter(cluster.worker_nodes))
    killing: list[threading.Thread] = []
    saved: dict[str, int] = {}
    seen: dict[str, list[int]] = {job.name: [] for job in sweep.jobs}
    most = 0

    def watch(board: Board) -> None:
        nonlocal most
        most = max(most, board.count("running"))
        running = [place for place in board.places if place.standing == "running"]
        for place in running:
            steps = seen[place.job.name]
            if killing and (not steps or place.step != steps[-1]):
                steps.append(place.step)
        if not killing and len(running) == 3 and all(place.step > 900 for place in running):
            saved.update({place.job.name: place.step for place in running})
            killing.append(threading.Thread(target=cluster.remove_node, args=(lost, False)))
            killing[0].start()

    ended = run_on_ray(sweep, cluster.address, out, fetch=fetch, watch=watch)
    assert killing, "no node was killed"
    killing[0].join()
    assert most == 3, "a run for each CPU"
    assert [(outcome.standing, outcome.before, outcome.failures) for outcome in ended] == [("finished", False, ())] * 4
    # The run that was on the lost node started again from a state, not from nothing.
    restarted = {
        name: steps[steps.index(0) + 1 :] for name, steps in seen.items() if name in saved and 0 in steps
    }  # fmt: skip
    assert len(restarted) == 1
    assert all(steps[0] > 100 for steps in restarted.values())
    assert_as_trained_here(path, out, tmp_path / "direct")
    assert not workers_bearing(str(tmp_path))
