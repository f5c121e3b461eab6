"""Methods compared: the grok step of every run, without the clip and with it."""

from __future__ import annotations

from statistics import median

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.timing.times import logarithmic

COLOUR = {False: style.UNCLIPPED[0], True: style.CLIPPED[0]}
SHIFT = {False: -0.17, True: 0.17}
"""Runs without the clip are drawn above the middle of their row, and runs with it below."""
HALF = 0.15
"""Half of the height of the bar of a median, as a part of the height of a row."""


def methods(runs: pd.DataFrame, published: pd.DataFrame | None = None) -> Figure:
    """The grok step of every run; each method has a row, and each task a panel.

    Dots are runs, and open triangles runs that had not grokked by the end of their budget. Bars are medians, where they
    are reached.

    Args:
        runs: `task`, `arm`, `clip`, `grok_step` (missing: not within `budget`), `budget`; arms in the order of rows.
        published: `task`, `arm`, `clip`, `published_step` (missing: none known), drawn as crosses.
    """
    tasks, arms = names(runs, "task"), names(runs, "arm")
    columns = len(tasks) if len(tasks) < 4 else 2
    figure, grid = style.blank(-(-len(tasks) // columns), columns, panel=(2.7, 0.5 + 0.26 * len(arms)))
    axes = [ax for line in grid for ax in line]
    for ax in axes[len(tasks) :]:
        ax.remove()
    known = numbers(runs, "grok_step")
    drawn = np.concatenate([np.where(np.isnan(known), numbers(runs, "budget"), known), _steps(published)])
    for index, (ax, task) in enumerate(zip(axes, tasks, strict=False)):
        for place, arm in enumerate(arms):
            for clip in (False, True):
                part = where(runs, task=task, arm=arm)
                _row(ax, place + SHIFT[clip], part.loc[part["clip"] == clip], COLOUR[clip])
                if published is not None:
                    of_arm = where(published, task=task, arm=arm)
                    for step in _steps(of_arm.loc[of_arm["clip"] == clip]):
                        ax.plot(step, place + SHIFT[clip], "x", color=style.INK, markersize=5, zorder=5)
        logarithmic(ax.xaxis, float(drawn.min()), float(drawn.max()))
        ax.set_yticks(range(len(arms)), arms if index % columns == 0 else [""] * len(arms))
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
        ax.set_ylim(len(arms) - 0.45, -0.55)
        ax.set_xlabel("steps to the grok", size=style.LABEL)
        style.title(ax, task)
    style.legend(figure, _legend(bool(np.isnan(known).any()), published is not None), columns=3)
    return figure


def _row(ax: Axes, y: float, part: pd.DataFrame, colour: str) -> None:
    steps, budget = numbers(part, "grok_step"), numbers(part, "budget")
    late = np.isnan(steps)
    for at, marker, fill in ((steps[~late], "o", "full"), (budget[late], "^", "none")):
        if len(at):  # of nothing that may leave the axes, a layout makes room for the figure's corner
            ax.plot(
                at, np.full(len(at), y), linestyle="none", marker=marker, fillstyle=fill, markersize=3.8, alpha=0.75,
                color=colour, zorder=3, clip_on=False,
            )  # fmt: skip
    middle = median(np.where(late, np.inf, steps)) if len(steps) else np.inf
    if np.isfinite(middle):
        ax.vlines(middle, y - HALF, y + HALF, color=colour, linewidth=2, zorder=4)


def _steps(published: pd.DataFrame | None) -> np.ndarray:
    if published is None or published.empty:
        return np.empty(0)
    values = numbers(published, "published_step")
    return values[~np.isnan(values)]


def _legend(late: bool, published: bool) -> list[Line2D]:
    dot = {"linestyle": "none", "marker": "o", "markersize": 4}
    handles = [
        Line2D([], [], color=COLOUR[False], label="a run, not clipped", **dot),
        Line2D([], [], color=COLOUR[True], label="a run, clipped", **dot),
        Line2D([], [], linestyle="none", marker="|", markersize=9, markeredgewidth=2, color=style.INK, label="median"),
    ]
    if late:
        triangle = {"linestyle": "none", "marker": "^", "fillstyle": "none", "markersize": 4}
        handles.append(Line2D([], [], color=style.INK, label="not by then", **triangle))
    if published:
        handles.append(Line2D([], [], linestyle="none", marker="x", markersize=5, color=style.INK, label="published"))
    return handles
