"""Runs as dots: when each grokked against something that was measured on it; a panel per measure."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers
from grokscope.figures import style
from grokscope.figures.timing.times import PALETTE, logarithmic

LABEL_LETTERS = 30
"""In a line of an axis's label."""


def grok_against(table: pd.DataFrame, measures: Mapping[str, str], colour: str = "task") -> Figure:
    """Steps to the grok against each measure; open triangles: runs without a grok, at their budget.

    Args:
        table: `grok_step` (missing: not within `budget`), `budget`, a column for each measure, and that of the colour.
        measures: what each column is, in words.
        colour: the column whose values have a colour each.
    """
    kinds = names(table, colour)
    figure, [axes] = style.blank(1, len(measures), panel=(style.PAGE / len(measures), 2.3))
    steps = numbers(table, "grok_step")
    late = np.isnan(steps)
    y = np.where(late, numbers(table, "budget"), steps)
    shades = dict(zip(kinds, PALETTE, strict=False))
    of = table[colour].astype(str).to_numpy()
    for ax, (column, words) in zip(axes, measures.items(), strict=True):
        x = numbers(table, column)
        for kind, shade in shades.items():
            for chosen, marker, fill in ((~late, "o", "full"), (late, "^", "none")):
                here = chosen & (of == kind)
                ax.plot(
                    x[here], y[here], linestyle="none", marker=marker, fillstyle=fill, markersize=4, alpha=0.75,
                    color=shade, label=f"_{kind}",
                )  # fmt: skip
        logarithmic(ax.yaxis, float(y.min()), float(y.max()))
        ax.set_xlabel("\n".join(wrap(words, LABEL_LETTERS)), size=style.LABEL)
    axes[0].set_ylabel("steps to the grok", size=style.LABEL)
    handles = [
        Line2D([], [], linestyle="none", marker="o", markersize=4.5, color=shade, label=kind)
        for kind, shade in shades.items()
    ]
    if late.any():
        look = {"linestyle": "none", "marker": "^", "fillstyle": "none", "markersize": 4.5, "color": style.INK}
        handles.append(Line2D([], [], label="not by then", **look))
    style.legend(figure, handles)
    return figure
