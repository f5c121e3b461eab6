"""Signal, memory and noise of every arm over the same steps, above what they give: accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, reached, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import arm_handles, curve, label_steps, stacks, width
from grokscope.figures.plates import FIRST_OF_EACH_ARM, plate

QUANTITIES = {"signal": "signal (nats)", "memory": "memory (nats)", "noise_val": "noise (nats)"}
ACCURACIES = {"train_accuracy": "train", "val_accuracy": "val"}


@plate(
    section="signal",
    table="margins",
    caption=FIRST_OF_EACH_ARM + "How far the right answer leads its strongest rival because of the answer (signal: the "
    "mean logits of each answer over unseen examples, each example against the others), how much higher its logit is "
    "at examples that were trained on than at unseen ones (memory), and how far the logits of unseen examples are from "
    "the mean of their answer (noise: a standard deviation). Below, accuracy on the training and the validation split. "
    "All arms of a task share the axis of steps.",
    place=1,
)
def signal_and_memory(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Signal, memory, noise and accuracy by step, one above the other; each task and operation has a column.

    Operations of one task have one axis of steps, and so do all arms. Each run has a line in its arm's colour. A
    vertical line in that colour marks its grok.

    Args:
        table: of `grokscope.analysis.margins`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    panels = list(dict.fromkeys(zip(map(str, table["task"]), map(str, table["operation"]), strict=True)))
    colours = style.arm_colours(milestones)
    figure, columns = stacks(len(panels), len(QUANTITIES) + 1, height=1.15)
    for (task, operation), stack in zip(panels, columns, strict=True):
        _draw(stack, where(table, task=task, operation=operation), where(milestones, task=task), milestones, colours)
        several = len(names(where(table, task=task), "operation")) > 1
        style.title(stack[0], f"{task}: {operation}" if several else task, weight="bold")
        for ax, label in zip(stack, (*QUANTITIES.values(), "accuracy"), strict=True):
            ax.set_ylabel(label, size=style.LABEL)
        label_steps(stack, numbers(where(table, task=task), "step"), linear=True)
    figure.align_ylabels()
    splits = [
        Line2D([], [], color=style.INK, linestyle=style.SPLIT_STYLE[split], linewidth=1, label=style.SPLIT_NAME[split])
        for split in ACCURACIES.values()
    ]
    grok = Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    style.legend(figure, [*arm_handles(milestones, colours, dot=False), *splits, grok])
    return figure


def _draw(
    stack: list[Axes], table: pd.DataFrame, runs: pd.DataFrame, milestones: pd.DataFrame, colours: dict[str, str]
) -> None:
    *quantities, accuracy = stack
    for run in runs.to_dict("records"):
        line, colour = where(table, run=run["run"]), colours[run["arm"]]
        thick = width(milestones, run["arm"])
        for ax, column in zip(quantities, QUANTITIES, strict=True):
            curve(ax, line, column, colour, run["run"], linewidth=thick)
        for column, split in ACCURACIES.items():
            curve(accuracy, line, column, colour, f"{run['run']} {split}", linewidth=thick, ls=style.SPLIT_STYLE[split])
        for step in reached(pd.DataFrame([run]), "grok_step"):
            for ax in stack:
                style.mark_step(ax, float(step), "grok_step", colour)
    for ax, column in zip(quantities, QUANTITIES, strict=True):
        values = numbers(table, column)
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        room = 0.06 * max(high - min(low, 0.0), 1e-6)
        ax.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)
        ax.axhline(0, color=style.FAINT, linewidth=0.7, zorder=0)
    accuracy.set_ylim(-0.03, 1.03)
    accuracy.set_yticks([0, 0.5, 1])
