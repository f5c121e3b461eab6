"""A run and the futures branched off it, fanned out from the step where they part."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, rows
from grokscope.figures import style
from grokscope.figures.over_steps import label_steps, log_values, stacks

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PARENT = "parent"


def branches(table: pd.DataFrame) -> Figure:
    """Validation accuracy over validation loss, a column per parent: it in grey, branches coloured by their switch.

    A grey line marks each step where branches part.

    Args:
        table: of `grokscope.analysis.branches`.
    """
    parents = names(table, "parent")
    switches = names(rows(table, role="branch"), "switch")
    shades = COLOURS if len(switches) <= len(COLOURS) else sns.color_palette("husl", len(switches)).as_hex()
    colours = dict(zip(switches, shades, strict=False))
    val = rows(table, split="val")
    figure, columns = stacks(max(len(parents), 1), 2)
    for index, ((accuracy, loss), parent) in enumerate(zip(columns, parents, strict=False)):
        here = rows(val, parent=parent)
        for step in here["branch_step"].dropna().unique():
            for ax in (accuracy, loss):
                ax.axvline(float(step), color=style.FAINT, linewidth=0.9, zorder=0, label="_branch_step")
        for run in names(here, "run"):
            line = rows(here, run=run)
            for role in names(line, "role"):
                of = rows(line, role=role)
                own = role == PARENT
                look = {
                    "color": style.INK if own else colours[str(of["switch"].iloc[0])],
                    "linewidth": 2.2 if own else style.WIDTH["line"],
                    "alpha": 0.55 if own else 1.0,
                    "zorder": 1 if own else 2,
                    "marker": style.lone(of),
                    "label": run,
                }
                accuracy.plot(of["step"], numbers(of, "accuracy"), **look)
                loss.plot(of["step"], numbers(of, "loss"), **look)
        accuracy.set_ylim(-0.03, 1.03)
        log_values(loss, numbers(val, "loss"))
        style.title(accuracy, parent, weight="bold")
        if index % style.columns_for(len(parents)) == 0:
            accuracy.set_ylabel("validation accuracy", size=style.LABEL)
            loss.set_ylabel("validation loss (nats)", size=style.LABEL)
    label_steps([ax for stack in columns for ax in stack], numbers(table, "step"))
    handles = [Line2D([], [], color=style.INK, linewidth=2.2, alpha=0.55, label=PARENT)]
    handles += [Line2D([], [], color=colour, label=switch) for switch, colour in colours.items()]
    style.legend(figure, handles, columns=min(3, len(handles)))
    return figure
