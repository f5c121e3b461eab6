"""Restricted and excluded loss: over training beside the network's own losses, and of every irrep at the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    grok_step,
    irrep_axis,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
    steps_of_task,
)
from grokscope.figures.plates import plate

CURVES = {
    "full train": ("train", "full_loss", style.FAINT, "training loss"),
    "full val": ("val", "full_loss", style.INK, "validation loss"),
    "restricted": ("val", "restricted_loss", "#0072B2", "restricted (validation)"),
    "excluded": ("train", "excluded_loss", "#D55E00", "excluded (training)"),
}
ANSWER = ("val", "restricted_loss", "#009E73", "restricted to the answer (validation)")
"""Every function of a*b: the reading that asks for least."""
IRREP_MARKS = {"restricted": ("restricted_loss", "#0072B2", "o"), "excluded": ("excluded_loss", "#D55E00", "s")}
IRREP_NAMES = {"restricted": "with this one alone", "excluded": "without this one"}
LEVELS = ("logits", "neurons")
FLOOR = 1e-3
"""The axis ends at this loss. The figure shows when a loss falls, and not how far."""


def _levels(table: pd.DataFrame) -> tuple[str, ...]:
    """The levels that a table has: a network of attention only has no neurons."""
    return tuple(level for level in LEVELS if level in select.names(table, "level")) or LEVELS[:1]


def _drawn(losses: pd.DataFrame) -> pd.DataFrame:
    return select.where(losses.loc[losses["set"].isin(["hindsight", "answer"])], basis="own")


@plate(
    section="circuit",
    table="restricted_loss",
    of=_drawn,
    caption="Loss of the network restricted to the final checkpoint's key irreps, and with them excluded, beside its "
    "own, and restricted to every function of a*b (the answer). Level logits: characters of a*b*c^-1 in the logits; "
    "level neurons: functions of a*b in the last MLP's activations. A triangle on the axis is where a curve first "
    "leaves it.",
    place=3,
)
def circuit_losses(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Restricted, excluded and full loss by step; level `logits` on the left, level `neurons` on the right.

    Each run and operation has a row of panels. Restricted loss is on the validation split, excluded loss on the
    training split; both are of the key irreps of the final checkpoint, in the task's own basis. Restricted to the
    answer is the set `answer`. The axis ends at a loss of 0.001: a triangle on it is where a curve first goes below.

    Args:
        table: of `grokscope.analysis.restricted_loss`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    chosen = _drawn(table)
    panels = runs_and_operations(chosen)
    levels = _levels(chosen)
    figure, grid = style.blank(len(panels), len(levels), panel=(style.PAGE / len(levels), 1.9))
    for row, panel in zip(grid, panels, strict=True):
        for ax, level in zip(row, levels, strict=True):
            here = select.where(of_operation(chosen, panel), level=level)
            if here.empty:
                ax.set_axis_off()
                continue
            grok = grok_step(milestones, panel[0])
            if grok is not None:
                style.mark_step(ax, grok, "grok_step", style.INK)
            curves = [("hindsight", name, curve) for name, curve in CURVES.items()]
            for kind, name, (split, quantity, colour, _) in [*curves, ("answer", "answer", ANSWER)]:
                curve = select.where(here, split=split, set=kind)
                loss = select.numbers(curve, quantity)
                ax.plot(
                    curve["step"], loss.clip(FLOOR / 10), color=colour, marker=style.marker_of(curve),
                    linewidth=style.WIDTH["line"], label=name,
                )  # fmt: skip
                _mark_cuts(ax, select.numbers(curve, "step"), loss, colour)
            ax.set_yscale("log")
            style.title(ax, f"{panel_title(chosen, panel)}, {level}" if level == LEVELS[0] else level)
            style.linear_steps(ax, steps_of_task(chosen, here))
        row[0].set_ylabel("loss (nats)", size=style.LABEL)
        high = max(ax.get_ylim()[1] for ax in row)
        low = max(FLOOR, min(ax.get_ylim()[0] for ax in row))
        for ax in row:
            ax.set_ylim(low, high)
            style.log_ticks(ax.yaxis, low, high)
    handles = [
        Line2D([], [], color=c, linewidth=style.WIDTH["line"], label=label)
        for _, _, c, label in [*CURVES.values(), ANSWER]
    ]
    handles.append(
        Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    )
    style.legend(figure, handles, 3)
    return figure


def _mark_cuts(ax: Axes, steps: Float[np.ndarray, " step"], loss: Float[np.ndarray, " step"], colour: str) -> None:
    """A triangle at the foot of the axis where a curve first goes below it."""
    below = np.flatnonzero(loss < FLOOR)
    if len(below):  # of nothing that may leave the axes, a layout makes room for the figure's corner
        ax.plot(
            steps[below[0]], FLOOR, marker="v", color=colour, markersize=4, linestyle="none",
            clip_on=False, label="_cut", zorder=4,
        )  # fmt: skip


@plate(
    section="circuit",
    table="restricted_loss",
    of=last_checkpoint,
    caption="Validation loss at the end with the characters (level logits) or functions of a*b (level neurons) of one "
    "irrep alone, and without those of one irrep.",
    place=4,
)
def irrep_losses(table: pd.DataFrame) -> Figure:
    """Validation loss of the last checkpoint with one irrep alone, and without it; irrep by irrep.

    Each run and operation has a row of panels: level `logits` on the left, level `neurons` on the right. The line is
    at the loss of the whole network.

    Args:
        table: of `grokscope.analysis.restricted_loss`.
    """
    final = select.where(last_checkpoint(table), basis="own", set="one", split="val")
    panels = runs_and_operations(final)
    levels = _levels(final)
    figure, grid = style.blank(len(panels), len(levels), panel=(style.PAGE / len(levels), 1.7))
    for row, panel in zip(grid, panels, strict=True):
        low, high = np.inf, 0.0
        for ax, level in zip(row, levels, strict=True):
            here = select.where(of_operation(final, panel), level=level)
            if here.empty:
                ax.set_axis_off()
                continue
            places = np.arange(1, len(here) + 1)
            whole = float(select.numbers(here, "full_loss")[0])
            ax.axhline(whole, color=style.INK, linewidth=0.9, zorder=1, label="full")
            for name, (column, colour, marker) in IRREP_MARKS.items():
                losses = select.numbers(here, column)
                small = 4.5 if len(here) <= 12 else 2.8
                ax.plot(places, losses, marker, color=colour, markersize=small, linestyle="none", label=name)
                low, high = min(low, whole, losses.min()), max(high, whole, losses.max())
            ax.set_yscale("log")
            irrep_axis(ax, here)
            style.title(ax, f"{panel_title(final, panel)}, {level}" if level == LEVELS[0] else level)
        row[0].set_ylabel("validation loss (nats)", size=style.LABEL)
        for ax in row:
            ax.set_ylim(low / 1.5, high * 1.5)
            style.log_ticks(ax.yaxis, low, high)
    handles = [Line2D([], [], color=style.INK, linewidth=0.9, label="whole network")]
    handles += [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, linestyle="none", label=IRREP_NAMES[name])
        for name, (_, colour, marker) in IRREP_MARKS.items()
    ]
    style.legend(figure, handles)
    return figure
