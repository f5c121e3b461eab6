"""Restricted and excluded loss over training, beside the network's own losses."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import grok_step, linear_steps, panel_title, panels_of, rows_of

CURVES = {
    "full train": ("train", "full_loss", style.FAINT, "training loss"),
    "full val": ("val", "full_loss", style.INK, "validation loss"),
    "restricted": ("val", "restricted_loss", "#0072B2", "restricted (validation)"),
    "excluded": ("train", "excluded_loss", "#D55E00", "excluded (training)"),
}
LEVELS = ("logits", "neurons")
FLOOR = 1e-3
"""Losses below this run off the bottom: what counts is when they fall."""


def circuit_losses(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Losses by step: a row of panels per run and operation, level `logits` left and `neurons` right.

    Of the final checkpoint's key set, in the task's own basis: restricted loss on the validation split, excluded loss
    on the training split.

    Args:
        table: of `grokscope.analysis.restricted_loss`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    chosen = select.rows(table, basis="own", set="hindsight")
    panels = panels_of(chosen)
    figure, grid = style.blank(len(panels), len(LEVELS), panel=(style.PAGE / 2, 1.9))
    for row, panel in zip(grid, panels, strict=True):
        for ax, level in zip(row, LEVELS, strict=True):
            rows = select.rows(rows_of(chosen, panel), level=level)
            grok = grok_step(milestones, panel[0])
            if grok is not None:
                style.mark_step(ax, grok, "grok_step", style.INK)
            for name, (split, quantity, colour, _) in CURVES.items():
                curve = select.rows(rows, split=split)
                loss = select.numbers(curve, quantity)
                ax.plot(
                    curve["step"], loss.clip(FLOOR / 10), color=colour, marker=style.lone(curve),
                    linewidth=style.WIDTH["line"], label=name,
                )  # fmt: skip
            ax.set_yscale("log")
            style.title(ax, f"{panel_title(chosen, panel)}, {level}" if level == LEVELS[0] else level)
            linear_steps(ax, select.numbers(rows, "step"))
        row[0].set_ylabel("loss (nats)", size=style.LABEL)
        high = max(ax.get_ylim()[1] for ax in row)
        low = max(FLOOR, min(ax.get_ylim()[0] for ax in row))
        for ax in row:
            ax.set_ylim(low, high)
            style.log_ticks(ax.yaxis, low, high)
    handles = [
        Line2D([], [], color=c, linewidth=style.WIDTH["line"], label=label) for _, _, c, label in CURVES.values()
    ]
    handles.append(
        Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    )
    style.legend(figure, handles)
    return figure
