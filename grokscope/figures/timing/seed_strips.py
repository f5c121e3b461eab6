"""Seed strips: the time of every run; each arm has a row, and a seed is at the same height in every row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import outcomes
from grokscope.figures import style
from grokscope.figures.timing.times import event_and_unit, logarithmic, time_label

SPREAD = 0.56
"""How much of the height of a row its seeds take up."""


def seed_strips(table: pd.DataFrame, medians: pd.DataFrame, colour: Mapping[str, str] | None = None) -> Figure:
    """Every run as a dot at its time. Open triangles are runs without the event, at the time when last watched.

    Arms of one seed start from the same weights, so a seed has the same height in every row. A vertical bar is the
    median; there is none if it is not reached. The band is the interval of the median. It leaves the axes if it has no
    upper end.

    Args:
        table: of `grokscope.analysis.timing.timing_table`.
        medians: of `grokscope.analysis.timing.medians` on that table, which says which event in which unit.
        colour: of each arm, as `style.arm_colours` gives them. Left out: one colour for all.
    """
    arms = names(medians, "arm")
    figure, [[ax]] = style.blank(1, 1, panel=(4.9, 0.55 + 0.3 * max(len(arms), 1)))
    runs = outcomes(table, *event_and_unit(medians), arms)
    seeds = np.unique(np.concatenate([one.seed for one in runs.values()]))
    heights = dict(zip(seeds.tolist(), np.linspace(-SPREAD / 2, SPREAD / 2, len(seeds)), strict=True))
    if len(seeds) == 1:
        heights = {int(seeds[0]): 0.0}
    times = np.concatenate([one.time for one in runs.values()])
    shades = [(colour or {}).get(arm, style.INK) for arm in arms]
    for place, (arm, shade) in enumerate(zip(arms, shades, strict=True)):
        one = runs[arm]
        y = place + np.array([heights[seed] for seed in one.seed.tolist()])
        for chosen, marker, fill in ((one.happened, "o", "full"), (~one.happened, "^", "none")):
            if chosen.any():  # of nothing that may leave the axes, a layout makes room for the figure's corner
                ax.plot(
                    one.time[chosen], y[chosen], linestyle="none", marker=marker, fillstyle=fill, markersize=4.0,
                    color=shade, alpha=0.75, zorder=3, clip_on=False, label=f"_{arm}",
                )  # fmt: skip
        row = where(medians, arm=arm)
        at, low, high = (float(numbers(row, name)[0]) for name in ("median", "low", "high"))
        if not np.isnan(low):
            ax.hlines(
                place, low, high if np.isfinite(high) else times.max() * 1.15, color=shade, alpha=0.3, linewidth=5
            )
        if not np.isnan(at):
            ax.vlines(at, place - 0.4, place + 0.4, color=shade, linewidth=2, zorder=4)
    if (times > 0).all():
        logarithmic(ax.xaxis, float(times.min()), float(times.max()))
    ax.set_yticks(range(len(arms)), arms)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.set_ylim(len(arms) - 0.45, -0.55)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(time_label(medians), size=style.LABEL)
    style.legend(figure, _legend(all(one.happened.all() for one in runs.values())), columns=4)
    return figure


def _legend(all_happened: bool) -> list[Line2D]:
    dot = Line2D([], [], linestyle="none", marker="o", markersize=4.2, color=style.INK, label="a run")
    open_ = Line2D(
        [], [], linestyle="none", marker="^", markersize=4.2, color=style.INK, fillstyle="none", label="not by then"
    )
    bar = Line2D([], [], linestyle="none", marker="|", markersize=9, markeredgewidth=2, color=style.INK, label="median")
    band = Line2D([], [], linewidth=5, alpha=0.3, color=style.INK, label="its interval")
    return [dot, *([] if all_happened else [open_]), bar, band]
