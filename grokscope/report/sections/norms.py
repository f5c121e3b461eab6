"""How large the weights grew, one parameter group after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.tables import select
from grokscope.figures.circuit.circuit_panels import last_checkpoint
from grokscope.figures.dynamics.over_steps import PARAMETER_GROUP_TITLE
from grokscope.report.plate import DeclaredSection, DeclaredTable, Table

if TYPE_CHECKING:
    from grokscope.runs import Run


def final_norms(norms: pd.DataFrame, runs: Sequence[Run]) -> Table | None:
    """Norm and largest row of every parameter group at the last checkpoint of each run; None without checkpoints."""
    last = last_checkpoint(select.where(norms, parameter="")).set_index(["group", "run"])
    if last.empty:
        return None
    names = [run.name for run in runs]
    lines = []
    for group, title in PARAMETER_GROUP_TITLE.items():
        if group in last.index.get_level_values("group"):
            cells = [last.loc[(group, name)] if (group, name) in last.index else None for name in names]
            lines.append(
                (title, *("–" if cell is None else f"{cell['norm']:,.2f} ({cell['row_max']:,.2f})" for cell in cells))
            )
    caption = (
        "Norm of each parameter group at the last checkpoint, and in brackets that of its largest row, "
        "which is what a clip bounds."
    )
    return Table(("group", *names), tuple(lines), frozenset(names), caption)


SECTION = DeclaredSection("norms", "Weight norms", (DeclaredTable("norm_trajectories", final_norms, runs="all"),))
