"""Gradient entropy: as published, normalised, and the size of the gradient that the published one depends on."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from grokscope.analysis import numbers, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import (
    arm_handles,
    curve,
    dot_at_grok,
    label_steps,
    log_values,
    panels,
    width,
)
from grokscope.figures.plates import plate

PANELS = {
    "gradient_absolute_entropy": "absolute (AGE)",
    "gradient_normalised_entropy": "normalised (nats)",
    "gradient_l1": "L1 norm of the gradient",
}


def _caption(table: pd.DataFrame) -> str:
    recorded = "total" in table  # a displacement, which only a run that is training has
    of = "of each recorded step's batch" if recorded else "on the whole train set, at every checkpoint"
    return (
        f"Entropy of the gradient {of}: absolute gradient entropy -sum |g| ln |g| as published, which falls with the "
        "gradient's size whatever its shape; entropy of |g| / sum |g|, which does not; and that size."
    )


def _of_all_parameters(table: pd.DataFrame) -> pd.DataFrame:
    """Of `probes`, the part that is drawn; all of a table that was made from checkpoints."""
    return where(table, group="all", parameter="") if "total" in table else table


@plate(
    section="dynamics",
    table=("probes", "gradient_entropy"),
    of=_of_all_parameters,
    caption=_caption,
    place=3,
)
def gradient_entropy(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Of the gradient of all parameters: AGE, normalised entropy and L1 norm; each run has a line in its arm's colour.

    Args:
        table: of `grokscope.analysis.gradient_entropy` or of `grokscope.analysis.probes`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    whole = where(table, group="all", parameter="")
    whole = whole.loc[whole["gradient_l1"].notna()]
    colours = style.arm_colours(milestones)
    figure, axes = panels(len(PANELS), height=1.9)
    for ax, (column, name) in zip(axes, PANELS.items(), strict=True):
        for run in milestones.to_dict("records"):
            line, colour = where(whole, run=run["run"]), colours[run["arm"]]
            curve(ax, line, column, colour, run["run"], linewidth=min(0.9, width(milestones, run["arm"])))
            dot_at_grok(ax, line, column, run["grok_step"], colour)
        if column == "gradient_l1":
            log_values(ax, numbers(whole, column))
        style.title(ax, name)
    label_steps(axes, numbers(whole, "step"))
    style.legend(figure, arm_handles(milestones, colours))
    return figure
