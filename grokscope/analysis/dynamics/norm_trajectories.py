"""How large the weights are: norms of parameter groups, of parameters and of their rows, at every checkpoint."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.dynamics.parameter_groups import by_group, parameter_groups
from grokscope.analysis.tables.declared import analysis
from grokscope.model import Weights, trained_names
from grokscope.norms import NormControl, bundles, row_table

if TYPE_CHECKING:
    from grokscope.runs import Run

COLUMNS = (
    *("step", "group", "parameter", "norm", "row_mean", "row_min", "row_q10", "row_median", "row_q90", "row_max"),
    *("rows", "at_bound", "bound"),
)


@analysis(family="dynamics", version=1)
def norm_trajectories(run: Run) -> pd.DataFrame:
    """Norms of all weights, of each parameter group and of each parameter at every checkpoint of a run.

        norm = sqrt(sum of squares of all weights of the group) = sqrt(sum_row ||w_row||_2^2)

    Returns:
        run, task, arm, seed, step, group (`all`, or of `grokscope.model.ROLES`; LayerNorm gains are `ln` and
        `ln_final`), parameter (empty for a whole group; b_Q, b_K and b_V of a layer are one row, under b_Q), norm,
        row_mean, row_min, row_q10, row_median, row_q90, row_max (over the rows that `grokscope.norms` defines: what a
        clip binds), rows (their number), at_bound (share of clipped rows that are at their bound), bound (the largest
        norm that rows of it are clipped to; both NaN where nothing is clipped at that step).

    Parameters that are not trained (biases that are switched off) are left out, and so are groups of such.
    """
    parts = [_norms_at(step, run.weights(step), run) for step in run.steps]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))


def _norms_at(step: int, weights: Weights, run: Run) -> pd.DataFrame:
    names = trained_names(weights, run.config.model)
    # Norms in float64, whatever the run's dtype: the sums are over up to a million squares.
    exact = {name: weights[name].double() for name in names}
    heads = {bundle[0] for bundle in bundles(names)}
    groups = {name: of for name, of in parameter_groups(names).items() if len(of) > 1 or not heads.isdisjoint(of)}
    control = NormControl(run.config.norms, names)
    bound = control.bounds if run.config.norms.clips_after(step) else {}
    table = by_group(row_table(exact, groups, bound))
    table["bound"] = [max((bound[name] for name in of if name in bound), default=nan) for of in groups.values()]
    return table.assign(step=step)
