"""How long clamped runs took to grok, at which norm: what the delay law is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.dynamics.delay_published import is_published_setting
from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.select import numbers
from grokscope.config import NormConfig
from grokscope.model import in_scope
from grokscope.norms import joint_norm

if TYPE_CHECKING:
    from grokscope.runs import Run


def is_clamped(run: Run) -> bool:
    """Whether a run's weights are clamped at a norm that it gives as a multiple of a reference norm."""
    return run.config.norms.clamp_rho is not None


@analysis(family="dynamics", applies_to=is_clamped, reads=("metrics",), keep=False)
def delay_table(run: Run, reference_norm: float | None = None) -> pd.DataFrame:
    """What `delay_law` is fitted to, for runs whose weights are clamped.

    Arguments:
        reference_norm: W_c, the norm that rho is in units of, for runs that do not say (`norms.clamp_reference`).

    Returns:
        run, task, arm, seed, rho, clamp_norm (rho W_c), clamp_from_step, published_setting (whether the law was
        published for runs like this one: `delay_published`), status, grok_step, delay_from_clamp (grok_step -
        clamp_from_step) and delay_from_start (grok_step; both <NA> where the run has not grokked), budget_from_clamp
        and budget_from_start (steps trained so far, which such a run did not grok within), censored.

    Runs without a joint clamp have no row, nor have runs that grokked before what is known of them. Not kept: it
    is read off the run's metrics. Raises ValueError for a clamp at a norm where no W_c is known.
    """
    norms = run.config.norms
    if norms.clamp_target is None or run.milestones.grok_by is not None:
        return pd.DataFrame(columns=["rho"])
    reference = norms.clamp_reference or reference_norm
    if reference is None:
        raise ValueError(
            f"run {run.name!r} has norms.clamp_norm = {norms.clamp_norm:g} and no reference: "
            "give reference_norm (see grokscope.analysis.reference_norm)"
        )
    start, metrics = norms.clamp_from_step, run.metrics
    trained = int(numbers(metrics, "step").max(initial=0))
    grok = run.grok_step
    steps = {
        "grok_step": grok,
        "delay_from_clamp": None if grok is None else grok - start,
        "delay_from_start": grok,
        "budget_from_clamp": trained - start,
        "budget_from_start": trained,
    }
    return pd.DataFrame(
        {
            "rho": [norms.clamp_target / reference if norms.clamp_rho is None else norms.clamp_rho],
            "clamp_norm": [norms.clamp_target],
            "clamp_from_step": [start],
            "published_setting": [is_published_setting(run.config)],
            "status": [str(run.status)],
            **{name: pd.array([value], dtype="Int64") for name, value in steps.items()},
            "censored": [grok is None],
        }
    )


def reference_norm(controls: Sequence[Run], accuracy: float = 0.9) -> float:
    """W_c: the median, over control runs, of the joint norm of all weight matrices where generalisation begins.

    At the first evaluation with validation accuracy of at least `accuracy`, the norm between two checkpoints by linear
    interpolation. Raises ValueError where no control gets there.
    """
    norms_there = []
    for run in controls:
        metrics = run.metrics
        there = metrics.loc[metrics["val_accuracy"] >= accuracy, "step"]
        if len(there) and run.steps:
            norms = [matrix_norm(run, step) for step in run.steps]
            norms_there.append(np.interp(int(there.iloc[0]), run.steps, norms))
    if not norms_there:
        raise ValueError(f"none of {len(controls)} control runs reaches validation accuracy {accuracy:g}")
    return float(np.median(norms_there))


def matrix_norm(run: Run, step: int) -> float:
    """Frobenius norm of all weight matrices together, which a clamp holds by default."""
    weights = run.weights(step)
    return joint_norm([weights[name] for name in in_scope(weights, NormConfig().clamp_scope)])
