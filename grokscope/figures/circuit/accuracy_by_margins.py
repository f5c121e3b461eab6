"""Validation accuracy of every checkpoint against signal, signal over noise, and memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.timing.times import PALETTE

RULES = {"signal": "by signal", "signal / noise": "by signal / noise"}
"""The column that a panel's curve is in, by what the panel is of."""
SHOWN = {"signal / noise": (-1.0, 5.0)}
"""Where a panel's axis ends: accuracy is 0 or 1 beyond. A triangle on the edge stands for what is further out."""
AXES = {"signal": "signal (nats)", "signal / noise": "signal / noise", "memory": "memory (nats)"}


def accuracy_by_margins(table: pd.DataFrame) -> Figure:
    """A dot for every checkpoint, in the colour of its arm; the rule that was fitted as a line.

    Full dots are checkpoints that the rules were fitted on, open ones those that they are judged by. Triangles
    are dots beyond the end of an axis.

    Args:
        table: predictions of `grokscope.analysis.circuit.accuracy_rule.fitted_rules`.
    """
    table = table.assign(**{"signal / noise": table["signal"] / table["noise_val"]})
    arms = names(table, "arm")
    colours = dict(zip(arms, PALETTE, strict=False))
    figure, [axes] = style.blank(1, len(AXES), panel=(style.PAGE / len(AXES), 2.3))
    for ax, (column, words) in zip(axes, AXES.items(), strict=True):
        for arm in arms:
            for fitted in (True, False):
                dots = where(table, arm=arm, fitted=fitted)
                x, y = numbers(dots, column), numbers(dots, "val_accuracy")
                low, high = SHOWN.get(column, (-np.inf, np.inf))
                look = {
                    "linestyle": "none", "markersize": 3, "markeredgewidth": 0.7, "alpha": 0.7,
                    "fillstyle": "full" if fitted else "none", "color": colours[arm],
                }  # fmt: skip
                inside = (x >= low) & (x <= high)
                ax.plot(x[inside], y[inside], marker="o", label=f"_{arm}", **look)
                for edge, beyond, marker in ((low, x < low, "<"), (high, x > high, ">")):
                    if beyond.any():
                        ends = np.full(int(beyond.sum()), edge)
                        ax.plot(ends, y[beyond], marker=marker, clip_on=False, label="_beyond", **look)
        if column in RULES:
            line = table.sort_values(column)
            ax.plot(numbers(line, column), numbers(line, RULES[column]), color=style.INK, linewidth=1, zorder=3)
        if column in SHOWN:
            ax.set_xlim(SHOWN[column])
        ax.set_xlabel(words, size=style.LABEL)
        ax.set_ylim(-0.03, 1.03)
        ax.set_yticks([0, 0.5, 1])
    axes[0].set_ylabel("validation accuracy", size=style.LABEL)
    dot = {"linestyle": "none", "marker": "o", "markersize": 4}
    handles = [Line2D([], [], color=colours[arm], label=arm, **dot) for arm in arms]
    handles += [
        Line2D([], [], color=style.INK, label="fitted on", **dot),
        Line2D([], [], color=style.INK, fillstyle="none", label="judged by", **dot),
        Line2D([], [], color=style.INK, linewidth=1, label="the rule"),
    ]
    style.legend(figure, handles, 4)
    return figure
