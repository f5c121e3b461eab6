"""A run and the runs that branched off it: their accuracy and loss from the step where they part."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import steps_of_task
from grokscope.figures.dynamics.over_steps import log_values, with_unit
from grokscope.figures.plates import plate

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PARENT = "parent"


@plate(
    section="dynamics",
    table="branches",
    runs="all",
    caption="Validation accuracy and loss of a run (broad line) and of the runs branched off it, which continue from "
    "one of its checkpoints with the same batches under another setting, at the grey line.",
    place=8,
)
def branches(table: pd.DataFrame) -> Figure:
    """Validation accuracy beside validation loss; each parent has a row of panels, with its branches.

    The parent is grey and broad. Branches are coloured by the setting that was switched. A grey line marks each step at
    which branches part. The axis of steps is linear.

    Args:
        table: of `grokscope.analysis.branches`.
    """
    parents = names(table, "parent")
    switches = names(where(table, role="branch"), "switch")
    shades = COLOURS if len(switches) <= len(COLOURS) else sns.color_palette("husl", len(switches)).as_hex()
    colours = dict(zip(switches, shades, strict=False))
    val = where(table, split="val")
    figure, grid = style.blank(max(len(parents), 1), 2, panel=(style.PAGE / 2, 1.9))
    for (accuracy, loss), parent in zip(grid, parents, strict=False):
        here = where(val, parent=parent)
        for ax, column in ((accuracy, "accuracy"), (loss, "loss")):
            for step in here["branch_step"].dropna().unique():
                ax.axvline(float(step), color=style.FAINT, linewidth=0.9, zorder=0, label="_branch_step")
            for run in names(here, "run"):
                for role in names(where(here, run=run), "role"):
                    _curve(ax, where(here, run=run, role=role), column, colours)
            style.linear_steps(ax, steps_of_task(val, here))
        accuracy.set_ylim(-0.03, 1.03)
        log_values(loss, numbers(val, "loss"))
        style.title(accuracy, parent, weight="bold")
        accuracy.set_ylabel("validation accuracy", size=style.LABEL)
        loss.set_ylabel(with_unit("validation loss", table), size=style.LABEL)
    handles = [Line2D([], [], color=style.INK, linewidth=2.2, alpha=0.55, label=PARENT)]
    handles += [Line2D([], [], color=colour, label=switch) for switch, colour in colours.items()]
    widest = max(map(len, [PARENT, *switches]))
    style.legend(figure, handles, columns=max(1, min(3, len(handles), 120 // (widest + 10))))
    return figure


def _curve(ax: Axes, line: pd.DataFrame, column: str, colours: dict[str, str]) -> None:
    first = line.iloc[0]
    if first["role"] == PARENT:
        look = {"color": style.INK, "linewidth": 2.2, "alpha": 0.55, "zorder": 1}
    else:
        look = {"color": colours[str(first["switch"])], "linewidth": style.WIDTH["line"], "zorder": 2}
    ax.plot(line["step"], numbers(line, column), marker=style.marker_of(line), label=str(first["run"]), **look)
