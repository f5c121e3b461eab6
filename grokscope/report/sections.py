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
from grokscope.analysis import learning_curves, milestones, norm_trajectories, rows
from grokscope.figures.dynamics.over_steps import GROUP_NAME
from grokscope.report import circuits, subgroups
from grokscope.report import dynamics as of_dynamics
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
    table, reached = rows(norm_trajectories(runs), parameter=""), milestones(runs)
    caption = (
        "L2 norm of all weights of a parameter group at every checkpoint. Cold colours are clipped arms, "
        "warm ones are not; the dot is the step at which the run grokked. Both axes are logarithmic."
    )
    of_rows = (
        "Mean norm of the rows of each parameter group, in a band from the 10th to the 90th percentile of its rows. A "
        "row is the incoming weight vector of one output unit, a bias or gain is one row. Dotted: the bound."
    )
    plates = (
        Plate("weight_norms", figures.weight_norms(table, reached), table, caption),
        Plate("row_norms", figures.row_norms(table, reached), table, of_rows),
    )
    return Section("norms", "Weight norms", plates, (_final_norms(runs, table),))


def _final_norms(runs: Sequence[Run], table: pd.DataFrame) -> Table:
    """Norm and largest row of every group at each run's last checkpoint."""
    last = table[table["step"] == table.groupby("run")["step"].transform("max")].set_index(["group", "run"])
    names = [run.name for run in runs]
    lines = []
    for group, title in GROUP_NAME.items():
        if group in last.index.get_level_values("group"):
            cells = [last.loc[(group, name)] if (group, name) in last.index else None for name in names]
            lines.append(
                (
                    title,
                    *("–" if c is None else f"{c['norm']:,.2f} ({c['row_max']:,.2f})" for c in cells),
                )
            )
    caption = (
        "Norm of each parameter group at the last checkpoint, and in brackets that of its largest row, "
        "which is what a clip bounds."
    )
    return Table(("group", *names), tuple(lines), frozenset(names), caption)


def dynamics(runs: Sequence[Run]) -> Section | None:
    """What the steps were made of, and what they did to the loss."""
    plates = tuple(Plate(*drawn) for drawn in of_dynamics.drawn(runs))
    written = (of_dynamics.delay_table_of(runs),)
    return Section("dynamics", "Dynamics", plates, tuple(t for t in written if t is not None)) if plates else None


def circuit(runs: Sequence[Run]) -> Section | None:
    """Which irreps (frequencies) the networks compute with, and since when."""
    shown = circuits.chosen(runs)
    if not shown:
        return None
    tables = circuits.circuit_tables(shown)
    plates = tuple(Plate(*drawn) for drawn in circuits.drawn(shown, tables))
    written = (circuits.onset_table(tables), circuits.algorithm_table(tables), circuits.overlap_table(tables))
    return Section("circuit", "Circuits", plates, tuple(table for table in written if table is not None))


def cosets(runs: Sequence[Run]) -> Section | None:
    """Whether the neurons compute with representations or with cosets."""
    plates = tuple(Plate(*drawn) for drawn in subgroups.drawn(subgroups.chosen(runs)))
    return Section("cosets", "Representations or cosets", plates) if plates else None


SECTIONS: list[Callable[[Sequence[Run]], Section | None]] = [learning, norms, dynamics, circuit, cosets]
