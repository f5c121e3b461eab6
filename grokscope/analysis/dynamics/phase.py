"""Where a run is in the plane of weight norm and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.dynamics.curves import learning_curves
from grokscope.analysis.dynamics.norm_trajectories import norm_trajectories
from grokscope.analysis.dynamics.parameter_groups import ALL
from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.select import numbers, where

if TYPE_CHECKING:
    from grokscope.runs import Run


@analysis(family="dynamics", needs=("norm_trajectories", "learning_curves"), keep=False)
def phase(run: Run) -> pd.DataFrame:
    """Norm of all weights against the losses, at every evaluation from the first to the last checkpoint.

    Returns:
        run, task, arm, seed, step, norm (of all weights together; between two checkpoints by linear interpolation),
        train_loss, val_loss, unit (of the losses).

    Made of the kept table `norm_trajectories` and the run's metrics; no rows for a run without checkpoints.
    """
    norms = where(norm_trajectories(run), group=ALL, parameter="")
    curves = learning_curves(run).pivot(index="step", columns="split", values="loss").reset_index()
    if not len(norms) or not len(curves):
        empty = {name: pd.Series(dtype=float) for name in ("step", "norm", "train_loss", "val_loss")}
        return pd.DataFrame({**empty, "unit": pd.Series(dtype=object)})
    at, known = numbers(curves, "step"), numbers(norms, "step")
    inside = (at >= known[0]) & (at <= known[-1])
    columns = {"norm": np.interp(at, known, numbers(norms, "norm"))}
    columns |= {f"{split}_loss": numbers(curves, split) for split in ("train", "val")}
    table = pd.DataFrame({"step": curves["step"], **columns, "unit": run.config.loss.UNIT})
    return table.loc[inside].reset_index(drop=True)
