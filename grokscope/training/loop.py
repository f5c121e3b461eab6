"""The loop that turns a config into a run, and continues one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grokscope.config import RunConfig, forward_path, override
from grokscope.engine import retain_freed_memory
from grokscope.model import Weights
from grokscope.runs import (
    ENDED,
    Milestones,
    Run,
    RunError,
    RunWriter,
    create_run,
    milestones,
    open_run,
    reopen_run,
    run_name,
)
from grokscope.tasks import run_task
from grokscope.training.margin_recorder import MarginRecorder
from grokscope.training.progress import Progress, progress_bar
from grokscope.training.recorder import Recorder
from grokscope.training.trace_recorder import TraceRecorder
from grokscope.training.trainer import Diverged, Trainer

STATE_EVERY_SECONDS = 5.0
"""How much training a kill can cost: the resume state is saved at an evaluation or checkpoint when it is this old."""

STATE_BYTES = 50e6
"""A resume state that is larger is saved less often, by that factor."""

FULL_BATCH_EVALUATION = 10
"""Steps between evaluations in full-batch training, where an epoch is one step."""


def train(
    config: RunConfig, out: str | os.PathLike[str] | None = None, *, progress: bool | Progress = True, **overrides: Any
) -> Run:
    """Train a network and save its run.

    Arguments:
        config: what to train; see `grokscope.preset`.
        out: the run directory, which must not exist; left out: `checkpoints/` and a name made of task, arm, seed.
        progress: show a progress bar, or who else is told of it.
        overrides: settings to change, by short or full name (`seed=3`, `lr=1e-4`).

    Returns the finished run. A loss or gradient that is not finite ends it with status `diverged`; an
    interrupt leaves a run that `resume` continues. Raises `ConfigError` for settings that cannot be run and
    `RunError` for a directory that cannot be used, before anything is written.
    """
    config = override(config, overrides)
    with threads(config.training.threads):
        trainer = Trainer(config, run_task(config))
        path = Path("checkpoints", run_name(config)) if out is None else Path(out)
        with create_run(path, config) as writer:
            run_to_end(trainer, writer, Milestones(), progress)
    return open_run(path)


def resume(path: str | os.PathLike[str], *, progress: bool | Progress = True) -> Run:
    """Continue an interrupted run from its last saved state; a finished one is returned as it is.

    The result is bit-identical to an uninterrupted run: steps after the saved state are trained again, and
    their checkpoints compared with those on disk. Raises `RunError` where that is impossible, and for a network that
    was trained elsewhere.
    """
    run = open_run(path)
    if run.imported is not None:
        raise RunError(
            f"{path} was trained elsewhere: there is no training to continue. "
            + ("Branch off it to train on" if run.status in ENDED else "Its import was cut short: import it again")
        )
    if run.status in ENDED:
        return run
    config = run.config
    with threads(config.training.threads):
        trainer = Trainer(config, run_task(config), begun_from(run))
        with reopen_run(path, config) as writer:
            if (
                writer.reopened_at is not None and writer.reopened_at.state in ENDED
            ):  # by another process, since it was opened
                writer.finish(writer.reopened_at.state, writer.reopened_at.reason, writer.reopened_at.step)
                return open_run(path)
            seconds = 0.0
            state = writer.load_state()
            if state is None and run.parent is not None:
                raise RunError(f"{path} is a branch that has lost its resume state: branch once more into a new run")
            if state is not None:
                trainer.restore(*state)
                seconds = state[1]["seconds"]
            writer.truncate(-1 if state is None else trainer.step)
            run_to_end(trainer, writer, milestones(writer.rows), progress, seconds)
    return open_run(path)


def begun_from(run: Run) -> tuple[int, Weights] | None:
    """The step and weights that a fine-tuned run began with; None for a run that began at step 0, or a branch of it."""
    if run.parent is None or run.parent.get("moments") != "fresh":
        return None
    step = int(run.parent["step"])
    return step, run.weights(step)


def run_to_end(
    trainer: Trainer, writer: RunWriter, reached: Milestones, progress: bool | Progress, seconds: float = 0.0
) -> None:
    """Train until the run ends, and say why it did; `seconds` of training have gone before."""
    config = trainer.config
    title = f"{config.arm} seed {config.seed}"
    note = forward_path(config).why
    with progress_bar(progress, title, config.training.steps, trainer.step, note) as shown:
        try:
            _loop(trainer, writer, reached, shown, _Clock(seconds))
        except Diverged as error:
            writer.checkpoint(trainer.step, trainer.weights)
            writer.finish("diverged", str(error))
        else:
            enough = trainer.step == config.training.steps
            writer.finish("finished", "budget used" if enough else "grok sustained for long enough")


def _loop(trainer: Trainer, writer: RunWriter, reached: Milestones, shown: Progress, clock: _Clock) -> None:
    """Train to the end of the budget, or to as many evaluations after a sustained grok as were asked for."""
    config = trainer.config
    cadence = config.training.eval_every
    if cadence is None:
        cadence = FULL_BATCH_EVALUATION if config.training.batch_size is None else trainer.batches.steps_per_epoch
    state_due = float("-inf")

    def done() -> bool:
        since, enough = reached.evaluations_since_sustained, config.training.stop_evaluations
        return trainer.step == config.training.steps or (since is not None and enough is not None and since >= enough)

    def observe() -> None:
        """Evaluate and save where due."""
        nonlocal state_due
        step, pause = trainer.step, False
        if step % cadence == 0 or done():
            pause = True
            with clock.paused():
                metrics = trainer.evaluate()
            writer.log({"step": step, **metrics, "seconds": clock.seconds})
            reached.update(step, metrics["train_accuracy"], metrics["val_accuracy"])
            shown.evaluation(metrics)
        if done() or config.checkpoints.due(step, reached.sustained_at):
            pause = True
            writer.checkpoint(step, trainer.weights)
        if pause and time.monotonic() > state_due:
            tensors, info = trainer.state()
            writer.save_state(tensors, {**info, "seconds": clock.seconds})
            size = sum(value.nbytes for value in tensors.values())
            state_due = time.monotonic() + STATE_EVERY_SECONDS * max(1.0, size / STATE_BYTES)

    recorder, margins, trace = Recorder(trainer), MarginRecorder(trainer), TraceRecorder(trainer)
    if not writer.rows:  # a resume from the state of step 0 has seen that step
        if recorder.due(trainer.step) or trace.records:
            rows = recorder.start() if recorder.due(trainer.step) else []
            writer.log_probes(trainer.step, rows, trace=trace.start(trainer.weights) if trace.records else None)
        observe()
    while not done():
        due = recorder.due(trainer.step + 1), margins.due(trainer.step + 1), trace.records
        if any(due):
            record = trainer.recorded_update()
            rows = recorder.rows(record) if due[0] else []
            of_margins = margins.rows(record) if due[1] else []
            writer.log_probes(trainer.step, rows, of_margins, trace.row(record) if due[2] else None)
        else:
            trainer.update()
        shown.step(trainer.step)
        observe()


class _Clock:
    """Seconds of training, evaluations left out; it goes on from `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._start = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time inside the block does not count."""
        begin = time.perf_counter()
        yield
        self._start += time.perf_counter() - begin


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Train with this many CPU threads, which is part of a run's identity, and with freed memory kept."""
    retain_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
