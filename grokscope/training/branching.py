"""Going on from a checkpoint of a run under another config, on the same batches.

A checkpoint holds weights, and going on needs the optimizer's moments and the place in the batch order too. They
come from training the parent once more up to the step, which gives the same bits: the weights that come out are
compared with the checkpoint. So the branch and its parent differ in nothing but the settings that were changed.

A network that was trained elsewhere has no training to repeat. A branch of it is fine-tuning: it goes on from the
stored weights with an optimizer that remembers nothing, perhaps on another task with the same vocabulary (transfer).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsIndex

import torch

from grokscope.config import ConfigError, RunConfig, differences, override
from grokscope.disk import check_folder
from grokscope.model import parameter_shapes
from grokscope.runs import Milestones, Run, RunError, create_run, layout, open_run, run_name
from grokscope.stopping import at_boundaries
from grokscope.tasks import run_task
from grokscope.training.callbacks import Callbacks
from grokscope.training.estimate import check_room
from grokscope.training.given import Factory, Given, Step, named
from grokscope.training.loop import begun_from, run_to_end, threads
from grokscope.training.progress import progress_bar
from grokscope.training.trainer import Trainer

FIXED = (
    "seed",
    "task.",
    "model.",
    "optimizer.name",
    "gradient.",
    "training.batch_size",
    "training.device",
    "training.threads",
    "forward",
)
"""Settings that a branch shares with its parent: its data, network, batches and moments are the parent's. So it shares
those that its update rule and its norm controls say cannot change half way."""
FIXED_IN_FINE_TUNING = ("model.",)
"""Settings that a branch of an imported network shares with it: it has weights, and no training to share."""

_OF_THE_SPLIT = ("task.train_fraction", "task.train_indices", "task.label_noise")
"""Settings of a task that leave its examples as they are."""


def branch(
    parent: str | os.PathLike[str] | Run,
    step: SupportsIndex,
    out: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
    optimizer: Factory | None = None,
    transform: Step | None = None,
    norm_control: Step | None = None,
    callbacks: Iterable[Any] = (),
    **overrides: Any,
) -> Run:
    """Train on from a checkpoint of a run with some settings changed; the parent is recorded (`Run.parent`).

    Arguments:
        parent: the run.
        step: one that has a checkpoint; a negative one counts checkpoints from the end.
        out: the new run's directory; left out: beside the parent, its name with `-branchSTEP` and the arm.
        progress: show progress bars, of the parent's steps once more, and of the branch's own.
        optimizer, transform, norm_control: the callables that the parent was trained with, as for `resume`. A norm
            control may be given to a branch of a run without one, which it acts on from the step on.
        callbacks: as for `train`; they are not called for the parent's steps.
        overrides: settings to change, by short or full name; `arm` names the branch.

    A branch of an imported network is fine-tuning: it begins with the stored weights, fresh moments and a new batch
    order, `Run.parent` says so, and all settings but those of the model may change. Its split is drawn where that of
    the network is not known, or where the task is another one; that must have the same tokens and positions.

    Returns the finished run, whose checkpoints and metrics begin at `step`. Raises `ConfigError` for a setting that a
    branch cannot change or a budget that is used up, and `RunError` for a step without checkpoint, a directory that
    cannot be used, and a parent whose training cannot be repeated here bit for bit (other versions, other machine), and
    `CapacityError` as `train` does.
    """
    run = parent if isinstance(parent, Run) else open_run(parent)
    step = run.checkpoint_step(step)
    given, listeners = Given(optimizer, transform, norm_control), Callbacks(callbacks)
    own = given
    if run.imported is not None:
        config = _fine_tuned(run, step, given.settings() | overrides)
        given.check(config, "the branch")
    else:
        if named(run.config)["norm_control"] is None and norm_control is not None:
            own = Given(optimizer, transform)
            overrides |= Given(norm_control=norm_control).settings()
        own.check(run.config, f"the run {run.path}")
        config = _branched(run, step, overrides)
    path = layout.check_new_path(_beside(run) / run_name(config) if out is None else out)
    if path.is_dir() and any(path.iterdir()):
        raise RunError(f"{path} is not empty: choose a new directory for the branch")
    check_folder(path, RunError)  # before the parent is trained once more
    check_room(config, path, f"training {path.name}", step)
    with threads(config.training.threads):
        origin = {"run": run.name, "step": step, "sha256": run.digests[step]}
        if run.imported is None:
            trainer = replayed(run, step, progress=progress, given=own)
            trainer.given = given
            trainer.control(config)
        else:
            trainer = Trainer(config, run_task(config), given, (step, run.weights(step)))
            origin |= {"moments": "fresh", "split": _split_words(run, config)}
        # A branch without a state cannot be resumed: a signal waits until it has one.
        with at_boundaries(), create_run(path, config, parent=origin) as writer:
            writer.checkpoint(step, trainer.weights)
            tensors, info = trainer.state()
            writer.save_state(tensors, {**info, "seconds": 0.0})
            run_to_end(trainer, writer, Milestones(history_known=False), progress, callbacks=listeners)
    return open_run(path)


def _beside(run: Run) -> Path:
    """The folder that a run lies in; it is not "." for the run at "."."""
    return run.path.parent if run.path.name not in ("", "..") else run.path.resolve().parent


def replayed(run: Run, step: int, *, progress: bool = True, given: Given | None = None) -> Trainer:
    """A trainer of a run after a step that has a checkpoint: its training once more, compared with the checkpoint.

    Raises `RunError` where the weights differ.
    """
    expected = run.weights(step)
    begun = begun_from(run)
    trainer = Trainer(run.config, run_task(run.config), given, begun)
    if run.parent is not None and begun is None:
        raise RunError(f"{run.path} is itself a branch: branch off {run.parent['run']!r}, where its training began")
    with progress_bar(progress, f"{run.name} up to {step}", step, trainer.step) as shown:
        while trainer.step < step:
            trainer.update()
            shown.step(trainer.step)
    differing = [name for name, value in trainer.weights.items() if not torch.equal(value.cpu(), expected[name])]
    if differing:
        raise RunError(
            f"training {run.name} once more does not give the weights of its checkpoint at step {step} (first: "
            f"{differing[0]}): another machine, other versions or other threads made it. Train it here first"
        )
    return trainer


def _branched(run: Run, step: int, overrides: dict[str, Any]) -> RunConfig:
    norms = run.config.norms
    # Said in full, so that a bound that is changed does not change what the start was projected to.
    stated = {"norms.init_norm": norms.row_norm_at_start} if norms.init_rows != "none" else {}
    base = override(run.config, stated)
    config = override(base, {"arm": f"{run.config.arm}-branch{step}", **overrides})
    fixed = {f"optimizer.{name}" for name in base.optimizer.fixed()} | {f"norms.{name}" for name in base.norms.fixed()}
    changed = [name for name in differences(base, config) if name.startswith(FIXED) or name in fixed]
    if changed:
        raise ConfigError(f"a branch cannot change {', '.join(changed)}: it goes on with the network of its parent")
    _check_budget(config, step)
    return config


def _fine_tuned(run: Run, step: int, overrides: dict[str, Any]) -> RunConfig:
    """The config of a branch of an imported network."""
    config = override(run.config, {"arm": f"{run.config.arm}-tuned{step}", **overrides})
    changed = differences(run.config, config)
    fixed = [name for name in changed if name.startswith(FIXED_IN_FINE_TUNING)]
    if fixed:
        raise ConfigError(f"a branch cannot change {', '.join(fixed)}: it goes on with the network that was imported")
    transfer = any(name.startswith("task.") and name not in _OF_THE_SPLIT for name in changed)
    indices = config.task.train_indices
    if indices == () or (transfer and "task.train_indices" not in changed):
        config = override(config, {"task.train_indices": None})
    theirs, ours = parameter_shapes(config.model, run.task), parameter_shapes(config.model, run_task(config))
    differing = [
        f"{name} is {list(theirs[name])} and would be {list(ours[name])}" for name in ours if theirs[name] != ours[name]
    ]
    if differing:
        raise ConfigError(
            f"the task {layout.task_label(config.task)} does not have the vocabulary of {run.name}: "
            + ", ".join(differing)
        )
    _check_budget(config, step)
    return config


def _check_budget(config: RunConfig, step: int) -> None:
    if config.training.steps <= step:
        raise ConfigError(
            f"training.steps = {config.training.steps} is not accepted: the branch begins at step {step}; use more"
        )


def _split_words(run: Run, config: RunConfig) -> str:
    """Which split a fine-tuned network is trained on."""
    indices = config.task.train_indices
    if indices is not None:
        return f"given: {len(indices)} train indices"
    known = "" if run.config.task.train_indices != () else "; what the network was trained on before is not known"
    return f"drawn here: train_fraction {config.task.train_fraction}, seed {config.seed}{known}"
