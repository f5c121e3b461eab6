"""Training on a node that shares no path with the sweep: a run is sent back whenever a state of it was saved."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grokscope.runs import ENDED, RunLocked, RunWriter, create_run, reopen_run
from grokscope.runs.layout import STATE, is_run
from grokscope.sweeps.board import Board, Outcome
from grokscope.sweeps.directory import places
from grokscope.sweeps.hub import Hub, answer, standing
from grokscope.sweeps.job import Job
from grokscope.sweeps.local import LOGS, work_through
from grokscope.sweeps.transfer import Files, read_files, write_files
from grokscope.training.loop import threads

_LOOK_AGAIN = 2.0
"""Seconds until a run that another process trains is asked for once more."""


class FileHub(Hub):
    """A hub that takes in the files of runs too.

    It holds the locks of the runs whose files are sent to it.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._writers: dict[str, RunWriter] = {}
        self._turns: dict[str, int] = {}

    def begin(self, name: str, job: Job) -> tuple[int, Files] | None:
        """Open a run for a task: its turn, and the files to go on from; None while another process has the run.

        Turn 0: there is nothing left to train. A task that began before, on a node that was lost, has had its turn:
        what it may still send is not taken.
        """
        path, config = self._folder / name, job.config
        if name not in self._writers:
            try:
                with threads(config.training.threads):  # which a run records
                    writer = reopen_run(path, config) if is_run(path) else create_run(path, config)
            except RunLocked:
                return None
            if writer.reopened_at is not None and writer.reopened_at.state in ENDED:  # since the sweep looked
                writer.finish(writer.reopened_at.state, writer.reopened_at.reason, writer.reopened_at.step)
                return 0, read_files(path)
            self._writers[name] = writer
        self._turns[name] = self._turns.get(name, 0) + 1
        return self._turns[name], read_files(path)

    def put(self, name: str, turn: int, files: Files) -> None:
        """Write files of a run."""
        if turn == self._turns.get(name):
            write_files(self._folder / name, files)

    def end(self, name: str, turn: int, outcome: Outcome | None, step: int) -> None:
        """Give up a run, as it ended; with None, to be resumed."""
        if turn != self._turns.get(name):
            return
        writer = self._writers.pop(name)
        if outcome is None:
            writer.finish("interrupted", "the sweep was stopped", step)
        elif outcome.standing in ("finished", "diverged", "failed"):
            writer.finish(outcome.standing, outcome.reason, step)


def train_and_fetch(hub: Any, job: Job, hang_seconds: float) -> Outcome:
    """The task of a run that is trained in a temporary directory, its files sent whenever a state was saved."""
    while (begun := answer(hub.begin.remote(job.name, job))) is None:
        answer(hub.tell.remote(job.name, "elsewhere", 0, None, None))
        time.sleep(_LOOK_AGAIN)
    turn, files = begun
    with TemporaryDirectory(prefix="grokscope-") as folder:
        run = Path(folder, job.name)
        if files:
            write_files(run, files)
        sent = {name for name in files if name.endswith(".safetensors")}
        last_state = files.get(STATE)
        jobs_in_place = places((job,), Path(folder))

        def send() -> None:
            nonlocal last_state
            fresh = read_files(run, sent)
            answer(hub.put.remote(job.name, turn, fresh))
            sent.update(name for name in fresh if name.startswith("checkpoints/"))
            last_state = fresh.get(STATE)

        def watch(board: Board) -> None:
            answer(hub.tell.remote(job.name, *standing(board.places[0])))
            if (run / STATE).exists() and (run / STATE).read_bytes() != last_state:
                send()

        def end(outcome: Outcome | None) -> None:
            if is_run(run):
                send()
            answer(hub.end.remote(job.name, turn, outcome, jobs_in_place[0].step))

        try:
            ended = work_through(jobs_in_place, 1, Path(folder, LOGS), hang_seconds=hang_seconds, watch=watch)[0]
        except BaseException:
            end(None)
            raise
        end(ended)
        return ended
