"""What was recorded while training: norms, what each step was made of, gradient entropy, logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.analysis.tables.select import numbers

if TYPE_CHECKING:
    from grokscope.runs import Run

PARTS = ("gradient", "decay", "clip")
"""A step's displacement is the sum of these."""
_ENTROPIES = ("l1", "l2", "absolute_entropy", "normalised_entropy", "effective_number")
COLUMNS = (
    *("step", "group", "parameter"),
    *("norm", "row_mean", "row_min", "row_q10", "row_median", "row_q90", "row_max", "rows", "at_bound"),
    *(f"{part}{direction}" for part in (*PARTS, "total") for direction in ("", "_radial")),
    *("angle_mean", "angle_max", "cosine_weights"),
    *(f"gradient_{name}" for name in _ENTROPIES),
    *("weight_absolute_entropy", "logit_std", "margin", "entropy", "zero_loss", "collapse"),
    *("hidden_norm", "final_gain_norm"),
)
"""What can be recorded. A run that recorded some of it has the others as NaN."""


def recorded_probes(run: Run) -> bool:
    """Whether anything was recorded while the run was trained."""
    return not run.probes.empty


@analysis(family="dynamics", applies_to=recorded_probes, reads=("probes",), keep=False)
def probes(run: Run) -> pd.DataFrame:
    """The probes of a run as they were recorded, a row per step, group and parameter.

    Returns:
        run, task, arm, seed, step, group (`all`, or of `grokscope.model.ROLES`), parameter (empty for a whole group),
        and the columns of `grokscope.probes`: of the weights after the step (rows, outputs), of the step's displacement
        (anatomy) and of the gradient of its batch (entropy). No rows where none were recorded.

    Not kept in the run's `analysis/` folder: it is the run's own table.
    """
    recorded = run.probes
    return recorded.reindex(columns=[*COLUMNS, *recorded.columns.difference(COLUMNS, sort=False)])


def update_parts(probes: pd.DataFrame) -> pd.DataFrame:
    """Each recorded step's displacement by group, part by part; a table of `probes` in, no weights needed.

        tangential = sqrt(size^2 - radial^2)
        share      = size / (|gradient| + |decay| + |clip|)

    Returns:
        run, task, arm, seed, step, group, part (`gradient`, `decay`, `clip`, and `total`, their sum), size, radial,
        tangential (L2 norms over all rows of the group), share (of the way gone, to and fro; NaN for `total`, and
        where nothing moved).
    """
    keys = [*IDENTITY, "step", "group"]
    groups = probes.loc[(probes["parameter"] == "") & probes["total"].notna()]
    way = sum(numbers(groups, part) for part in PARTS)
    tables = []
    for part in (*PARTS, "total"):
        size, radial = numbers(groups, part), numbers(groups, f"{part}_radial")
        share = np.divide(size, way, out=np.full(len(groups), np.nan), where=(way > 0) & (part != "total"))
        # Rounding can leave a radial part a hair longer than the whole.
        # Below sqrt(rounding) of a part that lies along the rows, as decay does, the difference of squares is noise.
        square = size**2 - radial**2
        tangential = np.sqrt(np.where(square > 1e-13 * size**2, square, 0.0))
        values = {"part": part, "size": size, "radial": radial, "tangential": tangential, "share": share}
        tables.append(groups[keys].assign(**values))
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
