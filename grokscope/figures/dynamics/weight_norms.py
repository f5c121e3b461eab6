"""Weight norms over training: of every parameter group, and of the rows in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, reached, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import (
    PARAMETER_GROUP_TITLE,
    arm_handles,
    curve,
    dot_at_grok,
    label_steps,
    log_values,
    panels,
    width,
)
from grokscope.figures.plates import plate


@plate(
    section="norms",
    table="norm_trajectories",
    of={"parameter": ""},
    runs="all",
    caption="L2 norm of all weights of a parameter group at every checkpoint. Cold colours are clipped arms, warm ones "
    "are not; the dot is the step at which the run grokked. Both axes are logarithmic.",
    place=1,
)
def weight_norms(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Norm of each parameter group by step; each run has a line in its arm's colour, and a dot at its grok.

    Args:
        table: of `grokscope.analysis.norm_trajectories`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    return _by_group(table, milestones, list(PARAMETER_GROUP_TITLE), "norm", "norm")


@plate(
    section="norms",
    table="norm_trajectories",
    of={"parameter": ""},
    runs="all",
    caption="Mean norm of the rows of each parameter group, in a band from the 10th to the 90th percentile of its "
    "rows. A row is the incoming weight vector of one output unit, a bias or gain is one row. Dotted: the bound.",
    place=2,
)
def row_norms(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Mean norm of the rows of each parameter group, in a band from the 10th to the 90th percentile of its rows.

    The dotted line, in the colour of its arm, is the bound that rows are clipped to.

    Args:
        table: of `grokscope.analysis.norm_trajectories`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    return _by_group(table, milestones, list(PARAMETER_GROUP_TITLE), "row_mean", "row norm")


def _by_group(table: pd.DataFrame, milestones: pd.DataFrame, groups: list[str], column: str, label: str) -> Figure:
    whole = where(table, parameter="")
    groups = [group for group in groups if group in names(whole, "group")]
    colours = style.arm_colours(milestones)
    of_rows = column == "row_mean"
    figure, axes = panels(len(groups))
    for index, (ax, group) in enumerate(zip(axes, groups, strict=True)):
        here = where(whole, group=group)
        log_values(ax, numbers(here, column))
        for run in milestones.to_dict("records"):
            line, colour = where(here, run=run["run"]), colours[run["arm"]]
            curve(ax, line, column, colour, run["run"], linewidth=width(milestones, run["arm"]))
            dot_at_grok(ax, line, column, run["grok_step"], colour)
            if of_rows:
                low, high = numbers(line, "row_q10"), numbers(line, "row_q90")
                ax.fill_between(line["step"], low, high, color=colour, alpha=0.18, linewidth=0)
                curve(ax, line, "bound", colour, "_bound", linestyle=(0, (1, 1.2)), linewidth=0.9, marker="")
        if of_rows:
            # A band may reach down to 0, as that of biases does at the start.
            low = np.clip(numbers(here, "row_q10"), np.nanmin(numbers(here, column), initial=np.inf) / 2, None)
            log_values(ax, np.concatenate([low, numbers(here, "row_q90"), numbers(here, "bound")]))
        style.title(ax, PARAMETER_GROUP_TITLE[group])
        if index % style.columns_for(len(groups)) == 0:
            ax.set_ylabel(label, size=style.LABEL)
    label_steps(axes, numbers(table, "step"))
    handles = arm_handles(milestones, colours)
    if of_rows and len(reached(whole, "bound")):
        handles.append(Line2D([], [], color=style.INK, linestyle=(0, (1, 1.2)), linewidth=0.9, label="bound"))
    style.legend(figure, handles, columns=min(5, len(handles)))
    return figure
