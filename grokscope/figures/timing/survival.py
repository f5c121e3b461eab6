"""Survival curves: the share of runs that have not grokked yet, over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.timing.times import NOT_YET, colours, event_and_unit, logarithmic, time_label


def survival_curves(table: pd.DataFrame, colour: Mapping[str, str] | None = None) -> Figure:
    """Kaplan-Meier curves with their pointwise bands; each arm has a colour.

    Vertical ticks mark the times at which runs without the event were last watched. Each curve ends with its last run.
    The axis of times is logarithmic, or linear if an event is not after 0. Raises ValueError for a table without runs,
    and for one of several events or units.

    Args:
        table: of `grokscope.analysis.timing.survival`.
        colour: of each arm, as `style.arm_colours` gives them. Left out: colours of a palette, cold and warm by turns.
    """
    figure, [[ax]] = style.blank(1, 1, panel=(4.6, 2.9))
    arms = names(table, "arm")
    times = numbers(table, "time")
    log = not (times[numbers(table, "events") > 0] <= 0).any() and (times > 0).any()
    shown = times[times > 0] if log else times
    low, high = float(shown.min()), float(shown.max())
    for arm, shade in colours(arms, colour).items():
        curve = where(table, arm=arm)
        time, survival = numbers(curve, "time"), numbers(curve, "survival")
        if log:
            time = np.maximum(time, low / 1.15)  # a curve is 1 from the left edge on
        ends = numbers(curve, "low"), numbers(curve, "high")
        ax.fill_between(time, *ends, step="post", color=shade, alpha=0.11, linewidth=0, label=f"_{arm} band")
        ax.step(time, survival, where="post", color=shade, linewidth=style.WIDTH["line"], label=arm, zorder=3)
        last = numbers(curve, "censored") > 0
        if last.any():  # of nothing that may leave the axes, a layout makes room for the figure's corner
            ax.plot(
                time[last], survival[last], linestyle="none", marker="|", markersize=7, markeredgewidth=1.2,
                color=shade, zorder=4, clip_on=False, label=f"_{arm} censored",
            )  # fmt: skip
    ax.axhline(0.5, color=style.FAINT, linewidth=style.WIDTH["thin"], linestyle=(0, (4, 2)), zorder=1)
    if log:
        logarithmic(ax.xaxis, low, high)
        ax.set_xlim(low / 1.15, high * 1.03)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel(time_label(table), size=style.LABEL)
    ax.set_ylabel(f"share of runs not yet {NOT_YET[event_and_unit(table)[0]]}", size=style.LABEL)
    handles = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    if (numbers(table, "censored") > 0).any():
        handles.append(
            Line2D([], [], linestyle="none", marker="|", markersize=7, color=style.INK, label="watched until here")
        )
    style.legend(figure, handles, columns=min(3, len(handles)))
    return figure
