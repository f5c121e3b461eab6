"""Which reading fits the neurons, representations or cosets: at the end, and over training."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.cosets.readings import FITS
from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    grok_step,
    last_checkpoint,
    of_operation,
    panel_title,
    panels_by_layer,
    steps_of_task,
)
from grokscope.figures.plates import plate

COLOURS = {"irrep": "#0072B2", "coset": "#D55E00", "neither": "#999999"}
NAMES = {"irrep": "irrep fits better", "coset": "cosets fit better", "neither": f"neither, R² < {FITS:g}"}
FLOOR = 0.0
"""Smaller values of R^2 are drawn at this one."""


@plate(
    section="cosets",
    table="readings",
    caption="Which reading fits: share of each neuron's variance over held-out pairs that is explained by one irrep "
    "(functions of a, of b and of a*b), and by a table over cosets of a and of b that has no more parameters.",
    place=3,
)
def readings(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Which reading fits each neuron at the last checkpoint, and how many neurons each reading fits better, by step.

    Each layer has a row of panels. On the left a neuron is a dot: the held-out R^2 of the coset reading against that of
    the irrep reading. On the right is the share of neurons that each reading fits better.

    Args:
        table: of `grokscope.analysis.readings`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    places = panels_by_layer(table)
    figure, grid = style.blank(len(places), 2, panel=(style.PAGE / 2, 2.2))
    for (scatter, curves), (panel, layer) in zip(grid, places, strict=True):
        here = select.where(of_operation(table, panel), layer=layer)
        _at_the_end(scatter, last_checkpoint(here))
        style.title(scatter, f"{panel_title(table, panel)}, layer {layer}")
        grok = grok_step(milestones, panel[0])
        if grok is not None:
            style.mark_step(curves, grok, "grok_step", style.INK)
        _over_training(curves, here)
        style.linear_steps(curves, steps_of_task(table, here))
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=3.5, linewidth=style.WIDTH["line"], label=NAMES[name])
        for name, colour in COLOURS.items()
    ]
    handles.append(
        Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    )
    style.legend(figure, handles)
    return figure


def _at_the_end(ax: Axes, here: pd.DataFrame) -> None:
    ax.plot([FLOOR, 1], [FLOOR, 1], color=style.FAINT, linewidth=style.WIDTH["thin"], zorder=1)
    for name, colour in COLOURS.items():
        part = select.where(here, better=name)
        if part.empty:  # of nothing that may leave the axes, a layout makes room for the figure's corner
            continue
        x, y = (select.numbers(part, f"{reading}_r2").clip(FLOOR) for reading in ("irrep", "coset"))
        ax.plot(
            x, y, linestyle="none", marker="o", markersize=2.6, color=colour, alpha=0.55, markeredgewidth=0,
            label=name, clip_on=False,
        )  # fmt: skip
    ax.set(xlim=(FLOOR, 1), ylim=(FLOOR, 1))
    ax.set_xlabel("held-out R² of the irrep reading", size=style.LABEL)
    ax.set_ylabel("of the coset reading", size=style.LABEL)
    ax.set_title(f"step {int(here['step'].iloc[0]):,}", loc="right", size=style.TICK, color=style.INK)


def _over_training(ax: Axes, here: pd.DataFrame) -> None:
    count = here.groupby("step").size()
    for name, colour in COLOURS.items():
        share = select.where(here, better=name).groupby("step").size().reindex(count.index, fill_value=0) / count
        ax.plot(
            share.index, share, color=colour, marker="o", markersize=3, linewidth=style.WIDTH["line"], label=name,
            clip_on=False, zorder=3,
        )  # fmt: skip
    ax.set_ylim(0, 1)
    ax.set_ylabel("share of neurons", size=style.LABEL)
