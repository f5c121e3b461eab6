"""Training of many seeds side by side, and what came out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any

from grokscope.capacity import check_memory
from grokscope.config import RunConfig, override
from grokscope.model import Weights
from grokscope.runs import Milestones
from grokscope.stopping import at_boundaries, check
from grokscope.tasks import Task, with_task
from grokscope.training import estimate
from grokscope.training.loop import evaluation_cadence, has_grokked_for_long, threads
from grokscope.training.progress import Progress, progress_bar
from grokscope.training.replicas import Replicas, check_replicas

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ReplicaResults:
    """What came out of the trainings of some seeds."""

    config: RunConfig
    metrics: pd.DataFrame
    """A row for every evaluation of every seed: seed, step, train_loss, train_accuracy, val_loss, val_accuracy."""
    milestones: dict[int, Milestones]
    """Memorisation, grok and sustained grok of every seed."""
    weights: dict[int, Weights]
    """The state dict of every seed after the last step that was trained."""
    diverged: dict[int, int]
    """By seed, the evaluation at which a loss was not finite, of those where one was; it has no later rows."""

    def __repr__(self) -> str:
        grokked = sum(reached.has_grokked for reached in self.milestones.values())
        return f"<ReplicaResults {self.config.arm}: {len(self.milestones)} seeds, {grokked} grokked>"


def train_replicas(
    config: RunConfig,
    seeds: Iterable[int],
    *,
    progress: bool | Progress = True,
    **overrides: Any,
) -> ReplicaResults:
    """Train a config under several seeds side by side, and tell when each memorised and grokked.

    A seed is followed to the end of the budget, or to `training.stop_evaluations` evaluations after its sustained grok;
    training ends when all have come there. Evaluations are as far apart as in a run. Checkpoints and probes are not
    taken: of a seed that is worth a look, train the run.

    Arguments:
        config: what to train; see `grokscope.preset`.
        seeds: as many networks are trained; `range(64)`, for one.
        progress: show a progress bar, or who else is told of it.
        overrides: settings to change, as for `train`; `task` may be a `Task` made in Python.

    Raises `ConfigError` for settings that several networks cannot share a step of (gradient transforms but Grokfast,
    optimizers but those of single entries, norm controls but projection, clip and shrink, `loss.follow`,
    `optimizer.angular_step`, `forward = "hooked"`), and `CapacityError` where the machine has not the memory.
    """
    import pandas as pd

    if isinstance(overrides.get("task"), Task):
        config = with_task(config, overrides.pop("task"))
    config, seeds = override(config, overrides), tuple(seeds)
    check_replicas(config, seeds)
    each = estimate.memory(config) - estimate.LIBRARIES
    check_memory(estimate.LIBRARIES + len(seeds) * each, f"training {len(seeds)} seeds side by side")
    with threads(config.training.threads):
        replicas = Replicas(config, seeds)
        reached = {seed: Milestones() for seed in seeds}
        diverged: dict[int, int] = {}
        rows: list[dict[str, float]] = []
        title = f"{config.arm}, {len(seeds)} seeds"
        cadence = evaluation_cadence(config, replicas.steps_per_epoch)
        with at_boundaries(), progress_bar(progress, title, config.training.steps) as shown:
            while True:
                last = replicas.step == config.training.steps
                if replicas.step % cadence == 0 or last:
                    of_seeds = dict(zip(seeds, replicas.evaluate(), strict=True))
                    for seed, row in of_seeds.items():
                        if has_grokked_for_long(config, reached[seed]) or seed in diverged:
                            continue
                        rows.append({"seed": seed, "step": replicas.step, **row})
                        if not all(isfinite(value) for value in row.values()):
                            diverged[seed] = replicas.step
                        else:
                            reached[seed].update(replicas.step, row["train_accuracy"], row["val_accuracy"])
                    names = next(iter(of_seeds.values()))
                    shown.evaluation({name: fmean(row[name] for row in of_seeds.values()) for name in names})
                    last |= all(has_grokked_for_long(config, reached[seed]) for seed in seeds if seed not in diverged)
                if last:
                    break
                replicas.update()
                shown.step(replicas.step)
                check()
    weights = {seed: replicas.weights_of(seed) for seed in seeds}
    return ReplicaResults(config, pd.DataFrame(rows), reached, weights, diverged)
