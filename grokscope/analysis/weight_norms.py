"""How large the weights are: norms of every parameter group, and of its rows, at every checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch

from grokscope.analysis.cache import cached
from grokscope.model import ROLES, Weights, role, trained_names
from grokscope.norms import row_norms

if TYPE_CHECKING:
    from grokscope.runs import Run

GROUPS = (*ROLES, "total")


@cached(version=1)
def weight_norms(run: Run) -> pd.DataFrame:
    """Norms by parameter group at every checkpoint of a run.

        norm = sqrt(sum of squares of all weights of the group) = sqrt(sum_row ||w_row||_2^2)

    Returns:
        run, task, arm, seed, step, group (of `grokscope.model.ROLES`, and `total`), norm, mean_row_norm,
        max_row_norm (over the rows that `grokscope.norms.row_norms` defines: what a clip binds).

    Parameters that are not trained (biases that are switched off) are left out, and so are groups of such.
    """
    rows = [row for step in run.steps for row in _norms_at(step, run.weights(step), run)]
    return pd.DataFrame(rows, columns=["step", "group", "norm", "mean_row_norm", "max_row_norm"])


def _norms_at(step: int, weights: Weights, run: Run) -> list[tuple[int, str, float, float, float]]:
    norms: dict[str, list[torch.Tensor]] = {group: [] for group in GROUPS}
    for name in trained_names(weights, run.config.model):
        of_rows = row_norms(name, weights[name].double()).flatten()
        norms[role(name)].append(of_rows)
        norms["total"].append(of_rows)
    table = []
    for group, parts in norms.items():
        if parts:
            of_rows = torch.cat(parts)
            table.append((step, group, float(of_rows.norm()), float(of_rows.mean()), float(of_rows.max())))
    return table
