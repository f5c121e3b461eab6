"""One look for every figure: sizes, type, colours, and the axes that several figures share.

Everything is set on the figure at hand. Neither pyplot nor its global settings are touched, so figures can be
drawn in any thread, without a display, and beside figures of the user's own.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from grokscope.analysis import names, numbers, where

INK = "#222222"
FAINT = "#b8b8b8"
CLIPPED = ("#0072B2", "#56B4E9", "#009E73", "#332288")
UNCLIPPED = ("#D55E00", "#E69F00", "#CC79A7", "#882255")
"""Colours of arms with and without a norm bound, told apart in every common kind of colour blindness
(Okabe and Ito 2008, and two of Tol's). Cold is clipped, warm is not, in every figure."""

SPLIT_STYLE = {"train": (0, (3.2, 1.6)), "val": "-"}
"""Line style of each split. Colour is left for arms."""
SPLIT_NAME = {"train": "training", "val": "validation"}
MILESTONE_STYLE = {"memorisation_step": (0, (1, 1.6)), "grok_step": (0, (6, 1.5, 1, 1.5))}
"""Line style of the vertical line at each milestone."""
MILESTONE_NAME = {"memorisation_step": "memorised", "grok_step": "grokked"}

TITLE, LABEL, TICK = 9.0, 8.5, 7.5
"""Type sizes in points, for figures printed at their own size (a column is 3.3 inches, a page 6.9)."""
PAGE = 6.9
WIDTH = {"thin": 0.7, "line": 1.3}


def blank(down: int, columns: int, panel: tuple[float, float] = (2.3, 1.7)) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a grid of panels of the given size in inches, and those panels."""
    figure = Figure(figsize=(max(panel[0] * columns, 3.3), panel[1] * down + 0.45), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.05, wspace=0.02, hspace=0.02)  # type: ignore[union-attr]
    axes = figure.subplots(down, columns, squeeze=False)
    for ax in axes.flat:
        dress(ax)
    return figure, [list(row) for row in axes]


def dress(ax: Axes) -> None:
    """Give a panel the common look."""
    sns.despine(ax=ax)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=INK, linewidth=0.8)
    ax.tick_params(which="major", labelsize=TICK, color=INK, labelcolor=INK, width=0.8, length=3)
    ax.tick_params(which="minor", color=INK, width=0.5, length=1.7)
    ax.grid(True, which="major", color="#ececec", linewidth=0.6)
    ax.set_axisbelow(True)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set(size=LABEL, color=INK)


def columns_for(panels: int) -> int:
    """How many panels stand side by side: up to three all of them, two of four, and three of more."""
    return panels if panels <= 3 else 2 if panels == 4 else 3


def title(ax: Axes, text: str, weight: str = "normal", pad: float = 5, colour: str = INK) -> None:
    """Write the title of a panel above its left edge."""
    # parse_math is off everywhere: names come from users, and $ in one is not TeX.
    ax.set_title(text, loc="left", size=TITLE, color=colour, weight=weight, pad=pad, parse_math=False)


def around(turn: Float[np.ndarray, " place"]) -> list[tuple[float, float, float]]:
    """A colour for each place on a circle, given as a share of the way around it from 0 to below 1."""
    hues = sns.color_palette("husl", 256)
    return [hues[int(256 * t)] for t in turn]


def arm_colours(milestones: pd.DataFrame) -> dict[str, str]:
    """The colour of every arm: cold where all its runs have a norm bound, warm where not.

    With more than four arms of a kind, their colours go from light to dark, all cold or all warm.
    """
    arms = names(milestones, "arm")
    clipped = [arm for arm in arms if not np.isnan(numbers(where(milestones, arm=arm), "max_norm")).any()]
    colours: dict[str, str] = {}
    unclipped = [arm for arm in arms if arm not in clipped]
    for some, fixed, palette in ((clipped, CLIPPED, "crest"), (unclipped, UNCLIPPED, "flare")):
        shades = fixed if len(some) <= len(fixed) else sns.color_palette(palette, len(some)).as_hex()
        colours |= dict(zip(some, shades, strict=False))
    return {arm: colours[arm] for arm in arms}


def arms_of_tasks(milestones: pd.DataFrame) -> list[tuple[str, str]]:
    """Every (task, arm) of a table of milestones: task by task, arms in the order in which they appear."""
    tasks = names(milestones, "task")
    return [(task, arm) for task in tasks for arm in names(where(milestones, task=task), "arm")]


def log_steps(ax: Axes, steps: Float[np.ndarray, "..."]) -> None:
    """Make the horizontal axis one of steps: logarithmic, with a short linear stretch for step 0.

    Step 0 has no place on a logarithmic axis, and it is where the initial weights are. So the axis is linear
    from 0 to the first positive step in `steps`, where nothing was measured, and logarithmic from there on.
    """
    positive = steps[steps > 0]
    first, last = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    ax.set_xscale("symlog", linthresh=first, linscale=0.3)
    decades = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    # A label too near to 0 would run into it.
    tens = [10.0**k for k in decades if first <= 10.0**k <= last]
    major = tens if len(tens) > 1 else [m * 10.0**k for k in decades for m in (1, 2, 5) if first <= m * 10.0**k <= last]
    minor = [m * 10.0**k for k in decades for m in range(2, 10) if first <= m * 10.0**k <= last]
    ax.xaxis.set_major_locator(FixedLocator([0.0, *major]))
    ax.xaxis.set_major_formatter(FixedFormatter(["0", *(f"{step:,.0f}" for step in major)]))
    ax.xaxis.set_minor_locator(FixedLocator(minor))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(0.0 if (steps <= 0).any() else first, max(last, first * 1.01) * 1.02)


def linear_steps(ax: Axes, steps: Float[np.ndarray, " checkpoint"]) -> None:
    """Make the horizontal axis a linear one of steps: a circuit forms late, where a logarithmic axis is crowded.

    Args:
        steps: of all runs that are compared, so that their axes are one.
    """
    last = max(float(steps.max()), 1.0) if len(steps) else 1.0
    ax.set_xlim(min(float(steps.min()), 0.0) if len(steps) else 0.0, last)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    ax.set_xlabel("step", size=LABEL)


def log_ticks(axis: Axis, low: float, high: float, wide: float = 50.0) -> None:
    """Label a logarithmic axis of values from low to high in plain numbers.

    The labels are 1, 2, 5, 10 and so on. If high / low is more than `wide`, there are only powers of ten; if it is less
    than 3, there are labels in between too.
    """
    steps = (1.0,) if high / low > wide else (1.0, 2.0, 5.0) if high / low >= 3 else (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(base=10.0, subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def mark_step(ax: Axes, step: float, milestone: str, colour: str) -> Line2D:
    """Draw a vertical line at the step of a milestone."""
    style = MILESTONE_STYLE[milestone]
    return ax.axvline(step, color=colour, linestyle=style, linewidth=0.9, zorder=1, label=f"_{milestone}")


def marker_of(curve: pd.DataFrame) -> str:
    """The marker of a curve: a dot if it has one point only, whose line would not be seen."""
    return "." if len(curve) == 1 else ""


def steps_text(steps: Float[np.ndarray, "run"]) -> str:
    """The steps of one milestone in one or several runs, as a label: `540` or `480–610`."""
    low, high = int(steps.min()), int(steps.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def legend(figure: Figure, handles: list[Line2D], columns: int | None = None) -> None:
    """Draw one legend under the whole figure: in two columns if the figure is narrow, unless `columns` says another."""
    narrow = figure.get_figwidth() < PAGE * 2 / 3
    drawn = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns or (min(2, len(handles)) if narrow else len(handles)),
        frameon=False,
        fontsize=TICK + 0.5,
        handlelength=2.6,
        columnspacing=1.6,
        labelcolor=INK,
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)
