"""The sections of a report, in order. A new analysis adds a function here, and its name to `SECTIONS`.

A builder takes the runs and returns its `Section`, or None where it has nothing to say about any of them (as
frequencies have nothing to say about parity).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from grokscope import figures
from grokscope.analysis import learning_curves, milestones, weight_norms
from grokscope.figures.weight_norms import GROUP_NAME
from grokscope.report import circuits
from grokscope.report.tables import Table

if TYPE_CHECKING:
    from grokscope.runs import Run


@dataclass(frozen=True)
class Plate:
    """A figure of a report, with the table that it draws."""

    name: str
    """File name without ending, unique in the report."""
    figure: Figure
    table: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class Section:
    """One question of a report, and the plates and tables that answer it."""

    name: str
    """Its anchor on the page."""
    title: str
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()


def learning(runs: Sequence[Run]) -> Section | None:
    """When the networks memorised and when they grokked."""
    curves, reached = learning_curves(runs), milestones(runs)
    caption = (
        "Accuracy and loss (cross-entropy at the answer position, in nats) over training, for the training "
        "and the validation split. Vertical lines, with their steps above: memorised, the first evaluation "
        "with training accuracy of at least 0.99; grokked, the first with validation accuracy of at least "
        "0.95. The step axis is logarithmic, with a linear stretch from 0 to the first evaluation."
    )
    plate = Plate("learning_curves", figures.learning_curves(curves, reached), curves, caption)
    return Section("learning", "Learning curves", (plate,))


def norms(runs: Sequence[Run]) -> Section | None:
    """How large the weights grew, group by group."""
    table, reached = weight_norms(runs), milestones(runs)
    caption = (
        "L2 norm of all weights of a parameter group at every checkpoint. Cold colours are clipped arms, "
        "warm ones are not; the dot is the step at which the run grokked. Both axes are logarithmic."
    )
    plate = Plate("weight_norms", figures.weight_norms(table, reached), table, caption)
    return Section("norms", "Weight norms", (plate,), (_final_norms(runs, table),))


def _final_norms(runs: Sequence[Run], table: pd.DataFrame) -> Table:
    """Norm and largest row of every group at each run's last checkpoint."""
    last = table[table["step"] == table.groupby("run")["step"].transform("max")].set_index(["group", "run"])
    names = [run.name for run in runs]
    rows = []
    for group, title in GROUP_NAME.items():
        if group in last.index.get_level_values("group"):
            cells = [last.loc[(group, name)] if (group, name) in last.index else None for name in names]
            rows.append(
                (
                    title,
                    *("–" if c is None else f"{c['norm']:,.2f} ({c['max_row_norm']:,.2f})" for c in cells),
                )
            )
    caption = (
        "Norm of each parameter group at the last checkpoint, and in brackets that of its largest row, "
        "which is what a clip bounds."
    )
    return Table(("group", *names), tuple(rows), frozenset(names), caption)


def circuit(runs: Sequence[Run]) -> Section | None:
    """Which irreps (frequencies) the networks compute with, and since when."""
    shown = circuits.chosen(runs)
    if not shown:
        return None
    tables = circuits.circuit_tables(shown)
    plates = tuple(Plate(*drawn) for drawn in circuits.drawn(shown, tables))
    return Section("circuit", "Circuits", plates, (circuits.onset_table(tables),))


SECTIONS: list[Callable[[Sequence[Run]], Section | None]] = [learning, norms, circuit]
