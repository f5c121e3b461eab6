"""How a run learned: its learning curves, and the steps at which it memorised and grokked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.tables.declared import analysis
from grokscope.config import NormConfig

if TYPE_CHECKING:
    from grokscope.runs import Run

SPLITS = ("train", "val")


def was_evaluated(run: Run) -> bool:
    """Whether the run has metrics; a network that was trained elsewhere, or has only just begun, may have none."""
    return not run.metrics.empty


@analysis(family="timing", applies_to=was_evaluated, reads=("metrics",), keep=False)
def learning_curves(run: Run) -> pd.DataFrame:
    """Loss and accuracy of a run at every evaluation.

    Returns:
        run, task, arm, seed, step, split (`train`, `val`), loss (the one that is minimised, `loss.name`, at the
        answer position, mean over the split's examples), accuracy (share of its examples answered right), unit (of the
        loss: `nats`, or `squared error`).

    Not kept in the run's `analysis/` folder: it is the run's own metrics, in long form.
    """
    metrics = _evaluations(run)
    parts = [
        pd.DataFrame(
            {
                "step": metrics["step"].astype("int64"),
                "split": split,
                "loss": metrics[f"{split}_loss"].astype("float64"),
                "accuracy": metrics[f"{split}_accuracy"].astype("float64"),
                "unit": run.config.loss.UNIT,
            }
        )
        for split in SPLITS
    ]
    return pd.concat(parts, ignore_index=True).sort_values("step", kind="stable", ignore_index=True)


def _evaluations(run: Run) -> pd.DataFrame:
    """The rows of the metrics that are evaluations: those with accuracies (as for `runs.milestones`)."""
    return run.metrics.dropna(subset=[f"{split}_accuracy" for split in SPLITS])


def _bound(norms: NormConfig) -> float:
    if norms.max_norm is not None:
        return float(norms.max_norm)
    return float(max((bound for _, bound in norms.group_max_norm), default=float("nan")))


@analysis(family="timing", applies_to=was_evaluated, reads=("metrics",), keep=False)
def milestones(run: Run) -> pd.DataFrame:
    """One row per run: how far it was trained, and when it memorised and grokked.

    Returns:
        run, task, arm, seed, max_norm (the largest bound where only some groups have one; NaN: no clip), steps (trained
        so far), budget (in steps), status,
        memorisation_step (first evaluation with train accuracy >= 0.99), grok_step (first with validation
        accuracy >= 0.95), sustained_grok_step (first grok that holds for the next 5 evaluations), delay (grok
        minus memorisation step), and final_train_accuracy, final_val_accuracy (at the last evaluation).
        Steps that were not reached are <NA>. Where one lies before what is known of a run (an imported network, a
        branch), it is <NA> too, and there is a column memorisation_by, grok_by or sustained_grok_by: at or before that
        step.
    """
    metrics = _evaluations(run)
    last = metrics.iloc[-1] if len(metrics) else None
    reached = {
        name: pd.array([getattr(run, name)], dtype="Int64")
        for name in ("memorisation_step", "grok_step", "sustained_grok_step", "delay")
    }
    return pd.DataFrame(
        {
            "max_norm": [_bound(run.config.norms)],
            "steps": [0 if last is None else int(last["step"])],
            "budget": [run.config.training.steps],
            "status": [str(run.status)],
            **reached,
            **{name: pd.array([step], dtype="Int64") for name, step in run.milestones.unseen.items()},
            "final_train_accuracy": [float("nan") if last is None else float(last["train_accuracy"])],
            "final_val_accuracy": [float("nan") if last is None else float(last["val_accuracy"])],
        }
    )
