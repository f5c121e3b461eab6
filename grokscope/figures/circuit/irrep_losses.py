"""Restricted and excluded loss of every irrep (frequency) on its own, at the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import irrep_axis, last_checkpoint, panel_title, panels_of, rows_of

LEVELS = ("logits", "neurons")
MARKS = {"restricted": ("restricted_loss", "#0072B2", "o"), "excluded": ("excluded_loss", "#D55E00", "s")}
NAMES = {"restricted": "with this one alone", "excluded": "without this one"}


def irrep_losses(table: pd.DataFrame) -> Figure:
    """Validation loss at the last checkpoint with one irrep alone and without it; a line at the whole network's loss.

    A row of panels per run and operation, level `logits` left and `neurons` right.

    Args:
        table: of `grokscope.analysis.restricted_loss`.
    """
    final = select.rows(last_checkpoint(table), basis="own", set="one", split="val")
    panels = panels_of(final)
    figure, grid = style.blank(len(panels), len(LEVELS), panel=(style.PAGE / 2, 1.7))
    for row, panel in zip(grid, panels, strict=True):
        low, high = np.inf, 0.0
        for ax, level in zip(row, LEVELS, strict=True):
            here = select.rows(rows_of(final, panel), level=level)
            places = np.arange(1, len(here) + 1)
            whole = float(select.numbers(here, "full_loss")[0])
            ax.axhline(whole, color=style.INK, linewidth=0.9, zorder=1, label="full")
            for name, (column, colour, marker) in MARKS.items():
                losses = select.numbers(here, column)
                small = 4.5 if len(here) <= 12 else 2.8
                ax.plot(places, losses, marker, color=colour, markersize=small, linestyle="none", label=name)
                low, high = min(low, whole, losses.min()), max(high, whole, losses.max())
            ax.set_yscale("log")
            irrep_axis(ax, here)
            style.title(ax, f"{panel_title(final, panel)}, {level}" if level == LEVELS[0] else level)
        row[0].set_ylabel("validation loss (nats)", size=style.LABEL)
        for ax in row:
            ax.set_ylim(low / 1.5, high * 1.5)
            style.log_ticks(ax.yaxis, low, high)
    handles = [Line2D([], [], color=style.INK, linewidth=0.9, label="whole network")]
    handles += [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, linestyle="none", label=NAMES[name])
        for name, (_, colour, marker) in MARKS.items()
    ]
    style.legend(figure, handles)
    return figure
