"""Dose-response: the time to the grok against the bound on row norms; each optimizer has a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers
from grokscope.analysis.timing import outcomes
from grokscope.figures import style
from grokscope.figures.timing.times import event_and_unit, logarithmic, time_label

COLOURS = (style.CLIPPED[3], style.CLIPPED[1], style.CLIPPED[2], style.CLIPPED[0])
"""Colours of the lines, in their order. All of them are of clipped runs, and so all are cold."""
DODGE = 0.11
"""The distance between optimizers at one dose, as a part of the distance between doses."""
NEVER = 1.22
"""Published medians that are never reached are drawn at this many times the longest run."""


def dose_response(
    table: pd.DataFrame,
    medians: pd.DataFrame,
    published: pd.DataFrame | None = None,
    dose: str = "max_norm",
    line: str = "optimizer",
    even: bool = False,
) -> Figure:
    """Every run as a dot, the medians joined by a line, and beside them the published medians as crosses.

    Open triangles are runs without the event, at the time at which they were last watched. A median that is not
    reached is a hollow diamond at the time that it exceeds, and its line is dotted. At each dose the lines stand a
    little beside each other, and so do the seeds of each line, from left to right.

    Args:
        table: of `grokscope.analysis.timing.timing_table`, with the columns `dose` and `line`.
        medians: of `grokscope.analysis.timing.medians` on that table, with the same columns.
        published: line, dose and `published_median` (in the same unit; missing: never reached).
        dose, line: names of the columns of the horizontal axis and of the lines.
        even: draw doses at equal distances, as is better for some that are far from evenly spaced.
    """
    figure, [[ax]] = style.blank(1, 1, panel=(4.9, 3.3))
    doses = np.unique(numbers(medians, dose))
    ticks = np.arange(len(doses), dtype=np.float64) if even else doses
    apart = DODGE * float(np.diff(ticks).min()) if len(doses) > 1 else DODGE
    lines = names(medians, line)
    runs = outcomes(table, *event_and_unit(medians))
    longest = max(float(one.time.max()) for one in runs.values())
    drawn = [one.time for one in runs.values()]
    shades = COLOURS if len(lines) <= len(COLOURS) else sns.color_palette("crest", len(lines)).as_hex()
    for place, (name, shade) in enumerate(zip(lines, shades, strict=False)):
        shift = (place - (len(lines) - 1) / 2) * apart * (2 if published is not None else 1)
        part = medians.loc[medians[line].astype(str) == name].sort_values(dose)
        at = ticks[np.searchsorted(doses, numbers(part, dose))]
        for arm, x in zip(part["arm"], at, strict=True):
            one = runs[str(arm)]
            beside = np.arange(len(one.seed)) - (len(one.seed) - 1) / 2
            spread = x + shift + 0.8 * apart * beside / max(len(one.seed) - 1, 1)
            for chosen, marker, fill in ((one.happened, "o", "full"), (~one.happened, "^", "none")):
                ax.plot(
                    spread[chosen], one.time[chosen], linestyle="none", marker=marker, color=shade,
                    fillstyle=fill, markersize=3.6, alpha=0.55 if fill == "full" else 1.0, label=f"_{name}", zorder=3,
                    markeredgewidth=0 if fill == "full" else 0.9,
                )  # fmt: skip
        _medians(ax, at + shift, part, shade, name)
        if published is not None:
            of_line = published.loc[published[line].astype(str) == name]
            values = numbers(of_line, "published_median")
            drawn.append(values[~np.isnan(values)])
            there = np.interp(numbers(of_line, dose), doses, ticks)
            _published(ax, there + shift + 0.9 * apart, values, longest, shade)
    every = np.concatenate(drawn)
    missing = published is not None and bool(np.isnan(numbers(published, "published_median")).any())
    logarithmic(ax.yaxis, float(every.min()), max(float(every.max()), longest * (NEVER if missing else 1.0)))
    ax.set_xticks(ticks, [f"{value:g}" for value in doses])
    ax.set_xlabel(dose.replace("_", " "), size=style.LABEL)
    ax.set_ylabel(time_label(medians), size=style.LABEL)
    censored = any(not one.happened.all() for one in runs.values())
    style.legend(figure, _legend(ax, censored, published is not None, missing), columns=3)
    return figure


def _medians(ax: Axes, x: np.ndarray, part: pd.DataFrame, shade: str, name: str) -> None:
    """Draw medians, joined by lines. The line to a median that is not reached is dotted."""
    y, reached = numbers(part, "at_least"), ~np.isnan(numbers(part, "median"))
    ax.plot([], [], color=shade, linewidth=style.WIDTH["line"], marker="D", markersize=4.5, label=name)
    for i in range(len(x) - 1):
        whole = reached[i] and reached[i + 1]
        ax.plot(
            x[i : i + 2], y[i : i + 2], color=shade, linewidth=style.WIDTH["line"], zorder=2, label="_medians",
            linestyle="-" if whole else (0, (1, 1.5)),
        )  # fmt: skip
    for chosen, fill in ((reached, "full"), (~reached, "none")):
        ax.plot(
            x[chosen], y[chosen], linestyle="none", marker="D", fillstyle=fill, color=shade, markersize=4.5, zorder=4,
            label=f"_median {fill}",
        )  # fmt: skip


def _published(ax: Axes, x: np.ndarray, values: np.ndarray, longest: float, shade: str) -> None:
    known = ~np.isnan(values)
    ax.plot(
        x[known], values[known], "x", color=shade, markersize=5.5, markeredgewidth=1.4, zorder=5, label="_published"
    )
    never = np.full((~known).sum(), longest * NEVER)
    ax.plot(x[~known], never, marker=r"$\uparrow$", linestyle="none", color=shade, markersize=7, label="_never")


def _legend(ax: Axes, censored: bool, published: bool, never: bool) -> list[Line2D]:
    handles = [handle for handle in ax.lines if not str(handle.get_label()).startswith("_")]
    look: dict[str, Any] = {"linestyle": "none", "color": style.INK}
    handles.append(Line2D([], [], marker="o", markersize=3.6, alpha=0.55, markeredgewidth=0, label="a run", **look))
    if censored:
        handles.append(Line2D([], [], marker="^", markersize=3.6, fillstyle="none", label="not by then", **look))
    if any(line.get_label() == "_median none" and len(np.asarray(line.get_xdata())) for line in ax.lines):
        handles.append(Line2D([], [], marker="D", markersize=4.5, fillstyle="none", label="median not reached", **look))
    if published:
        handles.append(Line2D([], [], marker="x", markersize=5.5, label="published median", **look))
    if never:
        handles.append(Line2D([], [], marker=r"$\uparrow$", markersize=7, label="published: never", **look))
    return handles
