"""One row per run: when it memorised and grokked, in three units, and how far it was watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from grokscope.analysis.dynamics.curves import was_evaluated
from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.select import numbers
from grokscope.runs.reached import GROKKED

if TYPE_CHECKING:
    from grokscope.config import RunConfig
    from grokscope.runs import Milestones, Run


@analysis(family="timing", applies_to=was_evaluated, reads=("metrics",), keep=False)
def timing_table(run: Run) -> pd.DataFrame:
    """The table that every statistic of this package takes.

    Returns:
        run, task, arm, seed, status;
        in steps, <NA> where it was not seen: memorisation_step, grok_step, sustained_grok_step, delay (grok minus
        memorisation);
        budget, observed (the last evaluated step: a run is censored there for what it did not show),
        sustained_observed (the same for a sustained grok: the last evaluation at which one is known not to have begun,
        before those >= 0.95 that a run ends with, if they are too few to be called sustained; <NA> where there is
        none: those are all of its evaluations, or it had grokked before what is known of it);
        cadence (the most steps between two evaluations: an event at step t happened in (t - cadence, t]);
        and the same times in gradient evaluations and in seconds of training, evaluations left out:
        memorisation_gradient_evaluations, ..., sustained_observed_seconds. Seconds are NaN for runs that logged none;
        those of a budget are what it takes at the pace of the steps observed.
        Where the event lies before what is known of a run (an imported network, a branch) its step is <NA>, and there
        is a column memorisation_by, grok_by or sustained_grok_by: it happened at or before that step.

    Nothing is kept: it is read off the run's metrics. Raises ValueError for no runs, and for two of one name.
    """
    return times(run.config, run.metrics, run.milestones, str(run.status))


def times(config: RunConfig, metrics: pd.DataFrame, reached: Milestones, status: str) -> pd.DataFrame:
    """The row of `timing_table` for a training of that config, without the columns that say whose it is.

    Arguments:
        metrics: its evaluations; rows without both accuracies are passed over.
        reached: the milestones of these evaluations.
        status: how it ended.
    """
    metrics = metrics.dropna(subset=[name for name in ("train_accuracy", "val_accuracy") if name in metrics])
    steps = metrics["step"].to_numpy(dtype=np.int64)
    seconds = dict(zip(steps.tolist(), numbers(metrics, "seconds"), strict=True)) if "seconds" in metrics else {}
    grokked = numbers(metrics, "val_accuracy") >= GROKKED
    last = int(steps[-1]) if len(steps) else 0
    budget = config.training.steps
    at: dict[str, int | None] = {
        "budget": budget,
        "memorisation": reached.memorisation_step,
        "grok": reached.grok_step,
        "sustained_grok": reached.sustained_grok_step,
        "observed": last,
        "sustained_observed": _known_without_sustained(steps, grokked, reached),
    }
    gradients = {name: None if step is None else config.gradient_evaluations(step) for name, step in at.items()}
    clock = {name: float("nan") if step is None else seconds.get(step, float("nan")) for name, step in at.items()}
    clock["budget"] = clock["observed"] * budget / last if last else float("nan")
    whole: dict[str, Any] = {
        **{f"{name}_step": at[name] for name in ("memorisation", "grok", "sustained_grok")},
        "delay": reached.delay,
        **{name: at[name] for name in ("budget", "observed", "sustained_observed")},
        "cadence": int(np.diff(steps).max()) if len(steps) > 1 else None,
        **{f"{name}_gradient_evaluations": count for name, count in gradients.items()},
        "delay_gradient_evaluations": _difference(gradients["grok"], gradients["memorisation"]),
    }
    return pd.DataFrame(
        {
            "status": [status],
            **{name: pd.array([value], dtype="Int64") for name, value in whole.items()},
            **{f"{name}_seconds": [value] for name, value in clock.items()},
            "delay_seconds": [clock["grok"] - clock["memorisation"]],
            **{name: pd.array([step], dtype="Int64") for name, step in reached.unseen.items()},
        }
    )


def _known_without_sustained(
    steps: Int[np.ndarray, " evaluation"], grokked: Bool[np.ndarray, " evaluation"], reached: Milestones
) -> int | None:
    """`sustained_observed` of `timing_table`; `observed` for a run whose sustained grok was seen."""
    if reached.grok_by is not None:
        return None
    if reached.sustained_grok_step is not None or not len(steps):
        return int(steps[-1]) if len(steps) else 0
    below = steps[~grokked]
    return int(below[-1]) if len(below) else None


def _difference(later: int | None, earlier: int | None) -> int | None:
    return None if later is None or earlier is None else later - earlier
