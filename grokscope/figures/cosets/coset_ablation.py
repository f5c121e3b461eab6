"""What a network loses without the neurons that cosets explain, beside random ones of equal power."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    OWN,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
)
from grokscope.figures.plates import plate

QUANTITIES = {"loss": "validation loss (nats)", "accuracy": "validation accuracy"}
FLOOR = 1e-4
"""Smaller losses are drawn at this value, for the axis is logarithmic."""
LEAST = 3.0
"""An axis of losses goes at least to this many times its middle, and down to as small a part of it."""
SHIFT = 0.16
"""How far above or below its line each mark is drawn, so that marks of equal value do not hide one another."""


@plate(
    section="cosets",
    table="coset_ablation",
    caption="Validation loss and accuracy at the end without the last layer's neurons that a class of subgroups "
    "explains, each replaced by its mean, beside random neurons of as much variance.",
    place=4,
)
def coset_ablation(table: pd.DataFrame) -> Figure:
    """Validation loss and accuracy of the last checkpoint without the neurons that a class of subgroups explains.

    Each run and operation has a row of panels: loss on the left, accuracy on the right. Each class has a line; its
    label says how many neurons of the last MLP the class explains, and their share of the layer's variance. The
    control is the mean over random sets of neurons, with their standard deviation.

    Args:
        table: of `grokscope.analysis.coset_ablation`.
    """
    final = select.where(last_checkpoint(table), split="val")
    panels = runs_and_operations(last_checkpoint(table))
    most = max([len(of_operation(final, panel)) for panel in panels] + [1])
    figure, grid = style.blank(len(panels), 2, panel=(style.PAGE / 2, 0.65 + 0.19 * most))
    for row, panel in zip(grid, panels, strict=True):
        here = of_operation(final, panel)
        for ax, quantity in zip(row, QUANTITIES, strict=True):
            _draw(ax, here, quantity)
        style.title(row[0], f"{panel_title(table, panel)}, layer {here['layer'].iloc[0]}" if len(here) else panel[0])
        if len(here):
            row[1].set_title(f"step {int(here['step'].iloc[0]):,}", loc="right", size=style.TICK, color=style.INK)
    for ax, label in zip(grid[-1], QUANTITIES.values(), strict=True):
        ax.set_xlabel(label, size=style.LABEL)
    figure.align_xlabels()
    mark = {"linestyle": "none", "marker": "o", "markersize": 5}
    handles = [
        Line2D([], [], color=style.INK, linewidth=0.9, label="whole network"),
        Line2D([], [], color=OWN, label="without the neurons explained", **mark),
        Line2D([], [], markerfacecolor="white", color=OWN, label="without random ones, equal power", **mark),
    ]
    style.legend(figure, handles)
    return figure


def _draw(ax: Axes, here: pd.DataFrame, quantity: str) -> None:
    floor = FLOOR if quantity == "loss" else 0.0
    if quantity == "loss":
        ax.set_xscale("log")
    else:
        ax.set_xlim(-0.03, 1.03)
        ax.tick_params(axis="y", labelleft=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(here), 1) - 0.5, -0.5)
    labels = [_label(row) for row in here.to_dict("records")]
    ax.set_yticks(range(len(here)), labels, size=style.TICK, parse_math=False)
    if not len(here):
        return
    at = np.arange(len(here)) + np.where(here["n_neurons"] > 0, 0.0, np.nan)
    ax.axvline(max(select.numbers(here, f"full_{quantity}")[0], floor), color=style.INK, linewidth=0.9, label="full")
    mean, sd = (select.numbers(here, f"control_{quantity}{end}") for end in ("", "_sd"))
    low, high = (mean - sd).clip(floor), (mean + sd).clip(floor)
    ax.hlines(at + SHIFT, low, high, color=OWN, linewidth=1.0)
    ax.plot(
        mean.clip(floor), at + SHIFT, linestyle="none", marker="o", markersize=5, color=OWN, markerfacecolor="white",
        label="control",
    )  # fmt: skip
    values = select.numbers(here, quantity).clip(floor)
    ax.plot(values, at - SHIFT, linestyle="none", marker="o", markersize=5, color=OWN, label="ablated")
    if quantity == "loss":
        shown = np.concatenate([values, low, high, select.numbers(here, "full_loss").clip(floor)])
        middle, span = np.sqrt(np.nanmin(shown) * np.nanmax(shown)), np.sqrt(np.nanmax(shown) / np.nanmin(shown))
        left, right = middle / (1.15 * max(span, LEAST)), middle * 1.15 * max(span, LEAST)
        ax.set_xlim(left, right)
        style.log_ticks(ax.xaxis, left, right, wide=1000.0)


def _label(row: dict) -> str:
    if not row["n_neurons"]:
        return "no neuron explained"
    name = "any" if pd.isna(row["subgroup"]) else str(row["subgroup"])
    return f"{name}: {row['n_neurons']} ({100 * row['share_of_variance']:.1f}%)"
