"""Shares of a speed-up: where each arm stands between the baseline, at 0, and the whole intervention, at 1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from grokscope.analysis import names, where
from grokscope.figures import style

EDGES = (-1.0, 1.6)
"""Ends of the axis. An interval that goes further ends in an arrow."""
COLOUR = style.CLIPPED[0]


def shares(table: pd.DataFrame) -> Figure:
    """A row for each arm and task, with a dot at the share and a line for its interval.

    Where only bounds of the share are known there is no dot.

    Args:
        table: `task`, `arm`, `against` (the two arms between which the share is), `value`, `low` and `high` (infinite:
            no end; NaN: no interval), in the order in which they are drawn. Rows of one task stand together under its
            name.
    """
    tasks = names(table, "task")
    figure, [[ax]] = style.blank(1, 1, panel=(4.2, 0.6 + 0.23 * (len(table) + len(tasks))))
    labels: list[str] = []
    for task in tasks:
        ax.axhspan(len(labels) - 0.5, len(labels) + 0.5, color="#f3f4f6", zorder=0)
        labels.append(task)
        for row in where(table, task=task).to_dict("records"):
            _draw(ax, len(labels), *(float(row[name]) for name in ("value", "low", "high")))
            labels.append(str(row["arm"]))
    for at in (0.0, 1.0):
        ax.axvline(at, color=style.INK, linewidth=style.WIDTH["thin"], zorder=1)
    ax.set_yticks(range(len(labels)), labels)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
        if label.get_text() in tasks:
            label.set_fontweight("bold")
    ax.set(xlim=EDGES, ylim=(len(labels) - 0.4, -0.6))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.grid(visible=False, axis="y")
    ends = names(table, "against")
    between = f" from {ends[0]}" if len(ends) == 1 else ""
    ax.set_xlabel(f"share of the log speed-up{between}", size=style.LABEL, parse_math=False)
    return figure


def _draw(ax: Axes, place: int, value: float, low: float, high: float) -> None:
    if not np.isnan(low):
        ends = np.clip([low, high], *EDGES)
        ax.plot(ends, [place, place], color=COLOUR, linewidth=style.WIDTH["line"], zorder=2, label="_interval")
        for end, edge, marker in ((low, EDGES[0], "<"), (high, EDGES[1], ">")):
            if (end < edge) if marker == "<" else (end > edge):
                ax.plot(edge, place, marker, color=COLOUR, markersize=4.5, clip_on=False, label="_goes on")
    if not np.isnan(value) and EDGES[0] <= value <= EDGES[1]:
        ax.plot(value, place, "o", color=COLOUR, markersize=5, zorder=3, label="_share")
    label = "bounds alone" if np.isnan(value) else f"{100 * value:.0f}%".replace("-", "−")
    ax.text(1.03, place, label, transform=ax.get_yaxis_transform(), size=style.TICK, va="center", color=style.INK)
