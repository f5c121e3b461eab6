"""Heat maps of a grid: the median time at every setting; each arm has a panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.timing.times import time_label

FRAME = style.UNCLIPPED[0]
COLOURS = "viridis_r"
"""Lighter cells mean an earlier median."""


def grid_map(table: pd.DataFrame, row: str, column: str, chosen: pd.DataFrame | None = None) -> Figure:
    """The median at every setting, as a colour and as a number.

    A cell is hatched if its median is not reached; its number is then the time that the median exceeds. Settings that
    were not tried are grey. The setting that was chosen has a frame.

    Args:
        table: of `grokscope.analysis.timing.grid_medians`.
        row, column: names of the settings on the vertical and on the horizontal axis.
        chosen: of `grokscope.analysis.timing.best_settings`.
    """
    arms = names(table, "arm")
    values = {name: _values(table, name) for name in (row, column)}
    panel = (max(1.3, 0.52 * len(values[column]) + 0.5), 0.34 * len(values[row]) + 0.75)
    figure, [axes] = style.blank(1, max(len(arms), 1), panel=panel)
    medians = numbers(table, "median")
    low, high = np.nanmin(medians, initial=np.inf), np.nanmax(medians, initial=0.0)
    norm = LogNorm(low, high if high > low else low * 1.01) if high > 0 else LogNorm(1, 10)
    colour_of = ScalarMappable(norm, COLOURS)
    for ax, arm in zip(axes, arms, strict=True):
        _panel(ax, where(table, arm=arm), values, colour_of)
        style.title(ax, arm)
        ax.set_xlabel(column.replace("_", " "), size=style.LABEL)
        if chosen is not None:
            for y, x in _places(where(chosen, arm=arm), values):
                frame = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=FRAME, linewidth=2.2, label="chosen")
                frame.set(zorder=5, clip_on=False)
                ax.add_patch(frame)
    axes[0].set_ylabel(row.replace("_", " "), size=style.LABEL)
    bar = figure.colorbar(colour_of, ax=axes, shrink=0.9, aspect=14, pad=0.02)
    bar.outline.set_visible(False)  # type: ignore[operator]
    style.log_ticks(bar.ax.yaxis, norm.vmin or 1.0, norm.vmax or 10.0)
    bar.ax.tick_params(which="both", labelsize=style.TICK, color=style.INK, labelcolor=style.INK, length=2)
    bar.set_label(f"median {time_label(table)}", size=style.LABEL, color=style.INK)
    return figure


def _panel(ax: Axes, part: pd.DataFrame, values: dict[str, list[object]], colour_of: ScalarMappable) -> None:
    labels = [[_text(value) for value in some] for some in values.values()]
    ax.set_yticks(range(len(labels[0])), labels[0])
    ax.set_xticks(range(len(labels[1])), labels[1])
    ax.set(xlim=(-0.5, len(labels[1]) - 0.5), ylim=(-0.5, len(labels[0]) - 0.5), facecolor="#eeeeee")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    known = zip(_places(part, values), numbers(part, "median"), numbers(part, "at_least"), strict=True)
    for (y, x), median, at_least in known:
        reached = not np.isnan(median)
        fill = to_hex(colour_of.to_rgba(np.array([median]))[0]) if reached else "#ffffff"
        cell = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, linewidth=1.2, label="_cell")
        cell.set(edgecolor="white" if reached else style.FAINT, hatch="" if reached else "////")
        ax.add_patch(cell)
        dark = float(np.dot(to_rgb(fill), (0.299, 0.587, 0.114))) < 0.55
        text = ax.text(
            x, y, f"{median:,.0f}" if reached else f"> {at_least:,.0f}", size=style.TICK - 0.5, ha="center",
            va="center", color="white" if dark else style.INK, zorder=4,
        )  # fmt: skip
        if not reached:
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})


def _values(table: pd.DataFrame, name: str) -> list[object]:
    """The values of a setting, in increasing order. None comes last."""
    known = {value for value in table[name].tolist() if not _is_none(value)}
    return [*sorted(known), *([None] if any(map(_is_none, table[name].tolist())) else [])]


def _places(table: pd.DataFrame, values: dict[str, list[object]]) -> list[tuple[int, int]]:
    """The place of each row of a table on the grid."""
    at = [[some.index(None if _is_none(value) else value) for value in table[name]] for name, some in values.items()]
    return list(zip(at[0], at[1], strict=True))


def _is_none(value: object) -> bool:
    """Whether a setting is not used: None, NaN (which alone differs from itself) or <NA>."""
    return value is None or value is pd.NA or value != value


def _text(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
