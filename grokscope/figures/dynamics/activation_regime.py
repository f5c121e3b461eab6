"""Where the inputs of the non-linearity lie on its curve over training, and what it makes of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, reached, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import arm_handles, curve, label_steps, stacks

PARTS = {"linear": (0, (1, 1.2)), "quadratic": "-", "rest": (0, (4, 1.5))}
"""The dashes of each part of the outputs' variance."""


def activation_regime(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Size of the inputs and parts of the outputs by step; each task and layer has a column.

    Above, the root of the mean square of the inputs; in the middle the share of inputs of absolute value below 1;
    below, the shares of the outputs' variance that are linear and quadratic in the input of each neuron, and what
    remains. A vertical line marks the grok of a run in its colour.

    Args:
        table: of `grokscope.analysis.activation_regime`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    columns = [(task, layer) for task in names(table, "task") for layer in sorted(set(table["layer"]))]
    colours = style.arm_colours(milestones)
    figure, drawn = stacks(len(columns), 3, height=1.2)
    for (task, layer), stack in zip(columns, drawn, strict=True):
        size, small, parts = stack
        for run in where(milestones, task=task).to_dict("records"):
            line, colour = where(table, run=run["run"], layer=layer), colours[run["arm"]]
            curve(size, line, "input_rms", colour, str(run["run"]))
            curve(small, line, "small", colour, str(run["run"]))
            for part, dashes in PARTS.items():
                curve(parts, line, part, colour, f"{run['run']} {part}", linestyle=dashes)
            for step in reached(pd.DataFrame([run]), "grok_step"):
                for ax in stack:
                    style.mark_step(ax, float(step), "grok_step", colour)
        style.title(size, f"{task}, layer {layer}", weight="bold")
        size.set_ylim(0, None)
        small.set_ylim(-0.03, 1.03)
        parts.set_ylim(-0.03, 1.03)
        for ax, label in zip(stack, ("size of inputs", "|input| < 1", "share of variance"), strict=True):
            ax.set_ylabel(label, size=style.LABEL)
        label_steps(stack, numbers(where(table, task=task), "step"), linear=True)
    figure.align_ylabels()
    dashed = [
        Line2D([], [], color=style.INK, linestyle=dashes, linewidth=1, label=part) for part, dashes in PARTS.items()
    ]
    grok = Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    style.legend(figure, [*arm_handles(milestones, colours, dot=False), *dashed, grok])
    return figure
