"""The loop that turns a config into a run, and continues one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grokscope import subnormals
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
from grokscope.runs.layout import check_new_path, is_run
from grokscope.runs.opening import seal_ended
from grokscope.stopping import asked, at_boundaries, check
from grokscope.tasks import Task, run_task, with_task
from grokscope.training.callbacks import CallbackError, Callbacks
from grokscope.training.estimate import FULL_BATCH_EVALUATION, check_room
from grokscope.training.existing import Existing, check_existing, held_run
from grokscope.training.given import Factory, Given, Step, apart
from grokscope.training.margin_recorder import MarginRecorder
from grokscope.training.progress import Progress, progress_bar
from grokscope.training.recorder import Recorder
from grokscope.training.trace_recorder import TraceRecorder
from grokscope.training.trainer import Diverged, Trainer, with_made_optimizer

STATE_EVERY_SECONDS = 5.0
"""How much training a kill can cost: the resume state is saved at an evaluation or checkpoint when it is this old."""

STATE_BYTES = 50e6
"""A resume state that is larger is saved less often, by that factor."""


def train(
    config: RunConfig | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    progress: bool | Progress = True,
    optimizer: Factory | Any = None,
    transform: Step | None = None,
    norm_control: Step | None = None,
    callbacks: Iterable[Any] = (),
    existing: Existing = "refuse",
    **overrides: Any,
) -> Run:
    """Train a network and save its run.

    Arguments:
        config: what to train; see `grokscope.preset`. Left out: the default config.
        out: the run directory, which must not exist; left out: `checkpoints/` and a name made of task, arm, seed.
        progress: show a progress bar, or who else is told of it.
        optimizer: a callable from the named parameters (pairs of a name and a leaf tensor) to a
            `torch.optim.Optimizer`, such as `torch.optim.RMSprop`. It takes the place of the config's optimizer: its
            learning rates stand, multiplied by a schedule or warm-up of ours where one is asked for here.
        transform: a callable on the gradients by name and the step, before weight decay and the update.
        norm_control: a callable on the weights by name and the step, after the update and all other norm controls;
            it is called with step 0 before the first. Both change tensors in place, or return them by name.
        callbacks: objects with methods of `grokscope.training.Callback`.
        existing: what becomes of a run that is there already: `refuse` raises. `open` returns a run of the same
            settings, resumed if it was interrupted, so that a notebook can be run again; of other settings it raises.
        overrides: settings to change, by short or full name (`seed=3`, `lr=1e-4`); `task="sub"` stands for its name.
            `task` may be a `Task` made in Python (`grokscope.tasks.with_task`): what is in it is stored in the run.

    A callable is recorded by its name and settings, and `resume` needs it again. If it is an object that remembers
    something from step to step, give it `state_dict` and `load_state_dict`.

    Returns the finished run. A loss or gradient that is not finite ends it with status `diverged`; an
    interrupt (Ctrl-C, SIGTERM, SIGHUP) ends it after its step, with a state saved that `resume` continues from; a
    second one ends it at once. Raises `ConfigError` for settings that cannot be run, `CapacityError` where the machine
    has not the memory or the disk that they need, and `RunError` for a directory that cannot be used, before anything
    is written.
    """
    check_existing(existing)
    config = RunConfig() if config is None else config
    if isinstance(overrides.get("task"), Task):
        config = with_task(config, overrides.pop("task"))
    factory, changes = apart(optimizer, overrides)
    given = Given(factory, transform, norm_control)
    # The callables first: settings may be of what they stand for, as a schedule for an optimizer that is given.
    config = override(given.recorded(config), changes)
    given.check(config, "the config")
    path = check_new_path(Path("checkpoints", run_name(config)) if out is None else out)
    if existing == "open" and is_run(path):
        # The settings of an optimizer that is given are known once it is made.
        wanted = config if factory is None else with_made_optimizer(config, factory)
        if held_run(path, wanted) is not None:
            callables = {"optimizer": factory, "transform": transform, "norm_control": norm_control}
            return resume(path, progress=progress, callbacks=callbacks, **callables)
    check_room(config, path, f"training {path.name}")
    listeners = Callbacks(callbacks)
    with threads(config.training.threads):
        trainer = Trainer(config, run_task(config), given)
        with create_run(path, trainer.config) as writer:
            run_to_end(trainer, writer, Milestones(), progress, callbacks=listeners)
    return open_run(path)


def resume(
    path: str | os.PathLike[str],
    *,
    progress: bool | Progress = True,
    optimizer: Factory | None = None,
    transform: Step | None = None,
    norm_control: Step | None = None,
    callbacks: Iterable[Any] = (),
    strict: bool = False,
) -> Run:
    """Continue an interrupted run from its last saved state; a finished one is returned as it is.

    One that was killed between its last file and the seal of its end is sealed.

    A machine, versions or threads that may round otherwise are a warning, and are recorded in the run from there on
    (`Run.environments`); with `strict` they are an error. A run that was trained with callables (see `train`) needs the
    same ones again. Raises `ConfigError`, naming them, where they are not given or others are.

    The result is bit-identical to an uninterrupted run: steps after the saved state are trained again, and
    their checkpoints compared with those on disk. Raises `RunError` where that is impossible, and for a network that
    was trained elsewhere, and `CapacityError` as `train` does.
    """
    run = open_run(path)
    if run.imported is not None:
        raise RunError(
            f"{path} was trained elsewhere: there is no training to continue. "
            + ("Branch off it to train on" if run.status in ENDED else "Its import was cut short: import it again")
        )
    if run.status in ENDED:
        return open_run(path) if seal_ended(path, run.config) else run
    config, given, listeners = run.config, Given(optimizer, transform, norm_control), Callbacks(callbacks)
    given.check(config, f"the run {path}")
    check_room(config, path, f"training {run.name}")
    with threads(config.training.threads):
        trainer = Trainer(config, run_task(config), given, begun_from(run))
        with reopen_run(path, config, strict=strict) as writer:
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
            run_to_end(trainer, writer, milestones(writer.rows), progress, seconds, listeners)
    return open_run(path)


def begun_from(run: Run) -> tuple[int, Weights] | None:
    """The step and weights that a fine-tuned run began with; None for a run that began at step 0, or a branch of it."""
    if run.parent is None or run.parent.get("moments") != "fresh":
        return None
    step = int(run.parent["step"])
    return step, run.weights(step)


def run_to_end(
    trainer: Trainer,
    writer: RunWriter,
    reached: Milestones,
    progress: bool | Progress,
    seconds: float = 0.0,
    callbacks: Callbacks | None = None,
) -> None:
    """Train until the run ends, and say why it did; `seconds` of training have gone before.

    A callback that fails ends the run as failed, at a state that it can be resumed from.
    """
    config, callbacks, clock = trainer.config, callbacks or Callbacks(), _Clock(seconds)
    title = f"{config.arm} seed {config.seed}"
    note = forward_path(config).why
    with (
        at_boundaries(),  # around all: a run that ends as the signal comes is finished
        callbacks.around(config, writer.path, trainer.step) as ended,
        progress_bar(progress, title, config.training.steps, trainer.step, note) as shown,
    ):
        try:
            _loop(trainer, writer, reached, shown, clock, callbacks)
        except Diverged as error:
            writer.checkpoint(trainer.step, trainer.weights)
            ended.append("diverged")
            writer.finish("diverged", str(error))
        except CallbackError:
            tensors, info = trainer.state()
            writer.save_state(tensors, {**info, "seconds": clock.seconds})
            raise
        else:
            enough = trainer.step == config.training.steps
            ended.append("finished")
            writer.finish("finished", "budget used" if enough else "grok sustained for long enough")


def _loop(
    trainer: Trainer,
    writer: RunWriter,
    reached: Milestones,
    shown: Progress,
    clock: _Clock,
    callbacks: Callbacks,
) -> None:
    """Train to the end of the budget, or to as many evaluations after a sustained grok as were asked for."""
    config = trainer.config
    weights = {name: value.detach() for name, value in trainer.weights.items()}
    cadence = evaluation_cadence(config, trainer.batches.steps_per_epoch)
    state_due = float("-inf")

    def done() -> bool:
        return trainer.step == config.training.steps or has_grokked_for_long(config, reached)

    def observe(*, stepped: bool) -> None:
        """Evaluate and save where due, and call those who look on, of a step too if one was taken."""
        nonlocal state_due
        step, pause = trainer.step, False
        metrics: dict[str, float] | None = None
        saved = False
        if step % cadence == 0 or not writer.rows or done():  # the first one of a branch, too, is where it begins
            pause = True
            with clock.paused():
                metrics = trainer.evaluate()
            writer.log({"step": step, **metrics, "seconds": clock.seconds})
            reached.update(step, metrics["train_accuracy"], metrics["val_accuracy"])
            shown.evaluation(metrics)
        if done() or config.checkpoints.due(step, reached.sustained_at):
            pause = saved = True
            writer.checkpoint(step, trainer.weights)
        if asked() or (pause and time.monotonic() > state_due):
            tensors, info = trainer.state()
            writer.save_state(tensors, {**info, "seconds": clock.seconds})
            size = sum(value.nbytes for value in tensors.values())
            state_due = time.monotonic() + STATE_EVERY_SECONDS * max(1.0, size / STATE_BYTES)
        # Last, so that a callback that fails leaves this step as it is without one.
        with clock.paused():
            if stepped:
                callbacks.call("on_step", step, step, trainer.last_loss, weights)
            if metrics is not None:
                callbacks.call("on_evaluation", step, step, dict(metrics))
            if saved:
                callbacks.call("on_checkpoint", step, step, weights)
        if not done():
            check()

    recorder, margins, trace = Recorder(trainer), MarginRecorder(trainer), TraceRecorder(trainer)
    if not writer.rows:  # a resume of a run that has any has seen its beginning
        if (recorder.due(trainer.step) or trace.records) and writer.last_probed < trainer.step:
            rows = recorder.start() if recorder.due(trainer.step) else []
            writer.log_probes(trainer.step, rows, trace=trace.start(trainer.weights) if trace.records else None)
        observe(stepped=False)
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
        observe(stepped=True)


def evaluation_cadence(config: RunConfig, steps_per_epoch: int) -> int:
    """Steps from one evaluation to the next: an epoch, if the config says nothing else."""
    if config.training.eval_every is not None:
        return config.training.eval_every
    return FULL_BATCH_EVALUATION if config.training.batch_size is None else steps_per_epoch


def has_grokked_for_long(config: RunConfig, reached: Milestones) -> bool:
    """Whether as many evaluations followed a sustained grok as the config asks for, if it asks for any."""
    since, enough = reached.evaluations_since_sustained, config.training.stop_evaluations
    return since is not None and enough is not None and since >= enough


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
    """Train with this many CPU threads, which is part of a run's identity; freed memory is kept, subnormals are not."""
    retain_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with subnormals.as_zero(count):
            yield
    finally:
        torch.set_num_threads(before)
