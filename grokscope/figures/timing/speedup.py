"""Speed-ups as a forest plot: every row has a ratio of medians with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis import names, numbers
from grokscope.figures import style
from grokscope.figures.timing.times import UNITS, logarithmic, time_label

SOONER, OTHER = style.CLIPPED[0], style.INK


def forest(table: pd.DataFrame) -> Figure:
    """Speed-ups with their intervals, on a logarithmic axis, and as numbers on the right.

    A dot is a ratio. A triangle that points right is a lower bound, and one that points left an upper bound. An
    interval without an end leaves the axes in an arrow. A row is blue if its whole interval is above 1. A row without a
    ratio says so.

    Args:
        table: of `grokscope.analysis.timing.speed_up`; it may have several baselines and units.
    """
    figure, [[ax]] = style.blank(1, 1, panel=(5.6, 0.55 + 0.24 * max(len(table), 1)))
    ratios = {name: numbers(table, name) for name in ("speed_up", "low", "high")}
    finite = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in ratios.values()])
    left, right = min(float(finite.min(initial=1.0)), 1.0), max(float(finite.max(initial=1.0)), 1.0)
    logarithmic(ax.xaxis, left, right)
    edges = ax.get_xlim()
    bounds = (table[name].to_numpy(dtype=bool) for name in ("is_lower_bound", "is_upper_bound"))
    for place, (ratio, low, high, lower, upper) in enumerate(zip(*ratios.values(), *bounds, strict=True)):
        shade = SOONER if low > 1 else OTHER
        if np.isnan(ratio):
            _write(ax, place, "no ratio: neither median is reached")
            continue
        if not np.isnan(low):
            ends = np.array([max(low, edges[0]), min(high, edges[1])])
            ax.plot(ends, [place, place], color=shade, linewidth=style.WIDTH["line"], zorder=2, label="_interval")
            arrows = ((edges[0], "<", low <= 0), (edges[1], ">", np.isinf(high)))
            for edge, marker, leaves in arrows:
                if leaves:
                    ax.plot(edge, place, marker, color=shade, markersize=4.5, clip_on=False, label="_no end")
        sign, marker = ("≥ ", ">") if lower else ("≤ ", "<") if upper else ("", "o")
        ax.plot(
            ratio, place, marker, color="white" if sign else shade, markeredgecolor=shade, markersize=5.5, zorder=3,
            label="_ratio",
        )  # fmt: skip
        interval = "" if np.isnan(low) else f"  ({_figure(low)} to {_figure(high)})"
        _write(ax, place, f"{sign}{_figure(ratio)}×{interval}")
    ax.axvline(1.0, color=style.INK, linewidth=style.WIDTH["thin"], zorder=1)
    ax.set_yticks(range(len(table)), _labels(table))
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    one = len(names(table, "baseline")) == 1
    over = f" over {table['baseline'].iloc[0]}" if one else ""
    what = f", {time_label(table)}" if len(names(table, "unit")) == 1 else ""
    ax.set_xlabel(f"speed-up{over}{what}", size=style.LABEL, parse_math=False)
    return figure


def _write(ax: Axes, place: int, text: str) -> None:
    ax.text(1.04, place, text, transform=ax.get_yaxis_transform(), size=style.TICK, va="center", color=style.INK)


def _figure(value: float) -> str:
    """A ratio as text, with three digits."""
    return "∞" if np.isinf(value) else "0" if value == 0 else f"{value:#.3g}".rstrip(".")


def _labels(table: pd.DataFrame) -> list[str]:
    """The label of each row: its arm, and if the table has several of them, its baseline and its unit."""
    several = {name: len(names(table, name)) > 1 for name in ("baseline", "unit")}
    labels = []
    for row in table.to_dict("records"):
        over = f" over {row['baseline']}" if several["baseline"] else ""
        labels.append(f"{row['arm']}{over}" + (f", {UNITS[row['unit']]}" if several["unit"] else ""))
    return labels
