"""Runs as dots: the grok step of each against something that was measured in it."""

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
"""How many letters a line of a label has at most."""


def grok_against(table: pd.DataFrame, measures: Mapping[str, str], colour: str = "task") -> Figure:
    """Steps to the grok against each measure; each measure has a panel. Open triangles are runs without a grok.

    Args:
        table: `grok_step` (missing: not within `budget`), `budget`, where runs without a grok are drawn, a column for
            each measure, and the column of colours.
        measures: the label of each column's axis.
        colour: name of the column each of whose values has a colour.
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
