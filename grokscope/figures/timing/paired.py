"""Pairs: what was measured in two arms of one seed, joined by a line."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style

TITLE_LETTERS = 34
"""How many letters a line of a title has at most."""
COLOURS = (style.CLIPPED[0], style.UNCLIPPED[0])


def paired(table: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """Each measure has a panel. In it, task by task, the first arm is on the left and the second on the right.

    A line joins the two runs of a seed.

    Args:
        table: `task`, `arm` (two of them), `seed`, and a column for each measure. NaN is not drawn.
        measures: the title of each column's panel.
    """
    tasks, arms = names(table, "task"), names(table, "arm")
    columns = style.columns_for(len(measures))
    down = -(-len(measures) // columns)
    figure, grid = style.blank(down, columns, panel=(style.PAGE / columns, 1.9))
    axes = [ax for line in grid for ax in line]
    for ax, (column, words) in zip(axes, measures.items(), strict=False):
        for place, task in enumerate(tasks):
            of_task = where(table, task=task)
            for seed in sorted(set(of_task["seed"])):
                pair = [numbers(where(of_task, arm=arm, seed=seed), column) for arm in arms]
                y = [float(value[0]) if len(value) else np.nan for value in pair]
                x = [place + (index - (len(arms) - 1) / 2) * 0.44 for index in range(len(arms))]
                ax.plot(x, y, color=style.FAINT, linewidth=style.WIDTH["thin"], zorder=1, label="_pair")
                for at, value, shade in zip(x, y, COLOURS, strict=False):
                    ax.plot(at, value, "o", color=shade, markersize=4, alpha=0.85, zorder=3, label="_run")
        ax.set_xticks(range(len(tasks)), tasks)
        ax.set_xlim(-0.6, len(tasks) - 0.4)
        ax.grid(visible=False, axis="x")
        style.title(ax, "\n".join(wrap(words, TITLE_LETTERS)))
    for ax in axes[len(measures) :]:
        ax.remove()
    handles = [
        Line2D([], [], linestyle="none", marker="o", markersize=4.5, color=shade, label=arm)
        for arm, shade in zip(arms, COLOURS, strict=False)
    ]
    style.legend(figure, handles)
    return figure
