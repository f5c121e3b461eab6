"""Going on from a checkpoint of a run under another config, on the same batches.

A checkpoint holds weights, and going on needs the optimizer's moments and the place in the batch order too. They
come from training the parent once more up to the step, which gives the same bits: the weights that come out are
compared with the checkpoint. So the branch and its parent differ in nothing but the settings that were changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from grokscope.config import ConfigError, RunConfig, differences, override
from grokscope.runs import Milestones, Run, RunError, create_run, open_run, run_name
from grokscope.tasks import run_task
from grokscope.training.callbacks import Callbacks
from grokscope.training.given import Factory, Given, Step, named
from grokscope.training.loop import run_to_end, threads
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


def branch(
    parent: str | os.PathLike[str] | Run,
    step: int,
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
        step: one that has a checkpoint.
        out: the new run's directory; left out: beside the parent, its name with `-branchSTEP` and the arm.
        progress: show progress bars, of the parent's steps once more, and of the branch's own.
        optimizer, transform, norm_control: the callables that the parent was trained with, as for `resume`. A norm
            control may be given to a branch of a run without one, which it acts on from the step on.
        callbacks: as for `train`; they are not called for the parent's steps.
        overrides: settings to change, by short or full name; `arm` names the branch.

    Returns the finished run, whose checkpoints and metrics begin at `step`. Raises `ConfigError` for a setting that a
    branch cannot change or a budget that is used up, and `RunError` for a step without checkpoint, a directory that
    cannot be used, and a parent whose training cannot be repeated here bit for bit (other versions, other machine).
    """
    run = parent if isinstance(parent, Run) else open_run(parent)
    given, listeners = Given(optimizer, transform, norm_control), Callbacks(callbacks)
    own = given
    if named(run.config)["norm_control"] is None and norm_control is not None:
        own = Given(optimizer, transform)
        overrides |= Given(norm_control=norm_control).settings()
    own.check(run.config, f"the run {run.path}")
    config = _branched(run, step, overrides)
    path = run.path.parent / run_name(config) if out is None else Path(out)
    if path.exists() and any(path.iterdir()):
        raise RunError(f"{path} is not empty: choose a new directory for the branch")
    with threads(run.config.training.threads):
        trainer = replayed(run, step, progress=progress, given=own)
        trainer.given = given
        trainer.control(config)
        origin = {"run": run.name, "step": step, "sha256": run.digests[step]}
        with create_run(path, config, parent=origin) as writer:
            writer.checkpoint(step, trainer.weights)
            tensors, info = trainer.state()
            writer.save_state(tensors, {**info, "seconds": 0.0})
            run_to_end(trainer, writer, Milestones(), progress, callbacks=listeners)
    return open_run(path)


def replayed(run: Run, step: int, *, progress: bool = True, given: Given | None = None) -> Trainer:
    """A trainer of a run after a step that has a checkpoint: its training once more, compared with the checkpoint.

    Raises `RunError` where the weights differ.
    """
    expected = run.weights(step)
    trainer = Trainer(run.config, run_task(run.config), given)
    if run.parent is not None:
        raise RunError(f"{run.path} is itself a branch: branch off {run.parent['run']!r}, where its training began")
    with progress_bar(progress, f"{run.name} up to {step}", step, 0) as shown:
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
    if step not in run.digests:
        run.weights(step)  # raises, naming the nearest
    norms = run.config.norms
    # Said in full, so that a bound that is changed does not change what the start was projected to.
    stated = {"norms.init_norm": norms.row_norm_at_start} if norms.init_rows != "none" else {}
    base = override(run.config, stated)
    config = override(base, {"arm": f"{run.config.arm}-branch{step}", **overrides})
    fixed = {f"optimizer.{name}" for name in base.optimizer.fixed()} | {f"norms.{name}" for name in base.norms.fixed()}
    changed = [name for name in differences(base, config) if name.startswith(FIXED) or name in fixed]
    if changed:
        raise ConfigError(f"a branch cannot change {', '.join(changed)}: it goes on with the network of its parent")
    if config.training.steps <= step:
        raise ConfigError(
            f"training.steps = {config.training.steps} is not accepted: the branch begins at step {step}; use more"
        )
    return config
