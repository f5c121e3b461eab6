"""What figures of training dynamics share: panels over the steps with a line per run, titles of parameter groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style

PARAMETER_GROUP_TITLE = {
    "attention": "attention",
    "mlp": "MLP",
    "ln": "LayerNorm gains",
    "ln_final": "final LayerNorm gain",
    "pos_embed": "position embedding",
    "biases": "biases",
    "embed": "embedding",
    "unembed": "unembedding",
    "all": "all parameters",
}
PARAMETER_GROUP_COLOUR = {
    "attention": "#0072B2",
    "mlp": "#D55E00",
    "ln": "#009E73",
    "ln_final": "#E69F00",
    "pos_embed": "#CC79A7",
    "biases": "#999999",
    "embed": "#56B4E9",
    "unembed": "#882255",
    "all": style.INK,
}


def with_unit(quantity: str, table: pd.DataFrame) -> str:
    """The label of a loss with its unit: that of the table's runs, or the units of losses that differ."""
    return f"{quantity} ({' or '.join(names(table, 'unit')) if 'unit' in table else 'nats'})"


def panels(count: int, height: float = 1.5) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, filled row by row. For none it has an empty one."""
    columns = style.columns_for(max(count, 1))
    figure, grid = style.blank(-(-max(count, 1) // columns), columns, panel=(style.PAGE / max(columns, 2), height))
    flat = [ax for line in grid for ax in line]
    for ax in flat[max(count, 1) :]:
        ax.remove()
    figure.align_ylabels()  # not before: a removed panel that others are aligned to cannot be laid out
    return figure, flat[:count]


def stacks(count: int, tall: int, height: float = 1.65) -> tuple[Figure, list[list[Axes]]]:
    """A figure with that many columns of `tall` panels each, in as many bands as they need. For none it has an empty
    one."""
    columns = style.columns_for(max(count, 1))
    bands = -(-max(count, 1) // columns)
    figure, grid = style.blank(tall * bands, columns, panel=(style.PAGE / max(columns, 2), height))
    filled = []
    for index in range(bands * columns):
        band, column = divmod(index, columns)
        stack = [grid[tall * band + row][column] for row in range(tall)]
        if index < count:
            filled.append(stack)
        elif index > 0:
            for ax in stack:
                ax.remove()
    return figure, filled


def label_steps(axes: Sequence[Axes], steps: Float[np.ndarray, "..."], *, linear: bool = False) -> None:
    """Give all panels the same axis of steps, logarithmic or linear, and label it below the lowest of each column."""
    for ax in axes:
        if linear:
            style.linear_steps(ax, steps)
        else:
            style.log_steps(ax, steps)
        place = ax.get_subplotspec()
        below = [other.get_subplotspec() for other in axes]
        lowest = place is None or not any(
            other is not None and other.colspan == place.colspan and other.rowspan.start > place.rowspan.start
            for other in below
        )
        if lowest:
            ax.set_xlabel("step", size=style.LABEL)
        else:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)


def log_values(ax: Axes, values: Float[np.ndarray, "..."], least: float = 4.0) -> None:
    """Make the vertical axis logarithmic, from below the smallest to above the largest of the positive values.

    It spans at least a factor of `least`, so that what hardly moves looks as if it hardly moves. Without positive
    values it is left as it is.
    """
    positive = values[(values > 0) & np.isfinite(values)]
    if not len(positive):
        return
    low, high = float(positive.min()), float(positive.max())
    widen = max(1.15, (high / low) ** 0.04, (least / (high / low)) ** 0.5)
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(low / widen, high * widen)
    style.log_ticks(ax.yaxis, low, high)


def curve(ax: Axes, of_run: pd.DataFrame, column: str, colour: str, label: str, **look: Any) -> Line2D:
    """Draw the line of one run, or a dot if it has one point only."""
    look = {
        "color": colour,
        "label": label,
        "linewidth": style.WIDTH["line"],
        "marker": style.marker_of(of_run),
        **look,
    }
    (line,) = ax.plot(of_run["step"], numbers(of_run, column), **look)
    return line


def width(milestones: pd.DataFrame, arm: str) -> float:
    """Width of the lines of an arm: they are thin if it has several runs."""
    return style.WIDTH["thin" if len(where(milestones, arm=arm)) > 1 else "line"]


def dot_at_grok(ax: Axes, line: pd.DataFrame, column: str, step: object, colour: str) -> None:
    """Draw a dot on the line of a run at its grok step, which may lie between two points of the line.

    There is no dot if the run has not grokked, or has no such line (as gains in a network without LayerNorm).
    """
    if pd.isna(step) or line.empty:  # type: ignore[call-overload]
        return
    at = float(str(step))
    value = np.interp(at, numbers(line, "step"), numbers(line, column))
    ax.plot([at], [value], "o", color=colour, markersize=4, markeredgewidth=0, label="_grok_step")


def arm_handles(milestones: pd.DataFrame, colours: dict[str, str], *, dot: bool = True) -> list[Line2D]:
    """Legend entries of the arms, and of the dot at the grok if there is one."""
    lines = [
        Line2D([], [], color=colours[arm], linewidth=style.WIDTH["line"], label=arm) for arm in names(milestones, "arm")
    ]
    if not dot:
        return lines
    return [*lines, Line2D([], [], color=style.INK, linestyle="none", marker="o", markersize=4, label="grokked")]


def line_handles(colours: dict[str, str], labels: dict[str, str]) -> list[Line2D]:
    """Legend entries of lines by colour."""
    return [
        Line2D([], [], color=colour, linewidth=style.WIDTH["line"], label=labels.get(key, key))
        for key, colour in colours.items()
    ]
