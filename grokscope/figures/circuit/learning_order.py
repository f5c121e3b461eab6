"""In which order irreps (frequencies) are learned, and how long before the grok."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import labels_of, of_operation, panel_title, runs_and_operations
from grokscope.figures.plates import plate


@plate(
    section="circuit",
    table="onset",
    caption="When each key irrep of the final checkpoint began to carry more power in the embedding than its null, for "
    "good, in the order in which they came: between two checkpoints, as wide as the bar.",
    place=8,
)
def learning_order(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """When each key irrep of the final checkpoint passed its null for good, in the order in which they did.

    A bar goes from the last checkpoint before that to the first one after it; a line marks the grok. Each run and
    operation has a panel. Runs of one task share their axis of steps.

    Args:
        table: of `grokscope.analysis.onset`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    power = select.where(table, quantity="power")
    panels = runs_and_operations(table)
    counts = [max(len(of_operation(power, panel)), 1) for panel in panels]
    columns = min(len(panels), 2)
    height = 0.55 + 0.17 * max(counts, default=1)
    figure, grid = style.blank(-(-len(panels) // columns), columns, panel=(style.PAGE / columns, height))
    axes = [ax for row in grid for ax in row]
    for ax in axes[len(panels) :]:
        ax.remove()
    colours = style.arm_colours(milestones)
    arms = dict(zip(milestones["run"], milestones["arm"], strict=True))
    tasks = dict(zip(milestones["run"], milestones["task"], strict=True))
    last: dict[str, float] = {}
    for ax, panel in zip(axes, panels, strict=False):
        here = of_operation(power, panel).dropna(subset=["by"]).sort_values(["by", "frequency", "irrep"])
        style.title(ax, panel_title(table, panel))
        ax.set_xlabel("step", size=style.LABEL)
        labels = labels_of(here)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(max(len(labels), 1) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        colour = colours[arms[panel[0]]]
        by, after = (select.numbers(here, name) for name in ("by", "after"))
        after = np.where(np.isnan(after), by, after)
        ax.hlines(range(len(by)), after, by, color=colour, linewidth=3)
        ax.plot(by, range(len(by)), "|", color=colour, markersize=7, markeredgewidth=1.6)
        if not len(labels):
            ax.text(0.5, 0.5, "no key irrep", transform=ax.transAxes, ha="center", size=style.LABEL, color=style.FAINT)
        grok = select.reached(select.where(milestones, run=panel[0]), "grok_step")
        for step in grok:
            style.mark_step(ax, float(step), "grok_step", style.INK)
        task = tasks[panel[0]]
        last[task] = max([last.get(task, 1.0), *by.tolist(), *map(float, grok)])
    for ax, panel in zip(axes, panels, strict=False):
        ax.set_xlim(0, last[tasks[panel[0]]] * 1.05)
    line = Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    bar = Line2D([], [], color=style.INK, marker="|", markersize=7, linewidth=3, label="passes its null for good")
    style.legend(figure, [bar, line], 2)
    return figure
