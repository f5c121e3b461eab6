"""Learning curves: loss and accuracy over training, with the steps of memorisation and of the grok."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, reached, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import with_unit
from grokscope.figures.plates import plate

LOSS_FLOOR = 1e-7
"""Smaller losses are below the panel. In float32 they are rounding, and would flatten all other curves."""


@plate(
    section="learning",
    table="learning_curves",
    runs="all",
    caption="Accuracy and loss (the one that is minimised, at the answer position) over training, for the training and "
    "the validation split. Vertical lines, with their steps above: memorised, the first evaluation with training "
    "accuracy of at least 0.99; grokked, the first with validation accuracy of at least 0.95. The step axis is "
    "logarithmic, with a linear stretch from 0 to the first evaluation.",
    place=1,
)
def learning_curves(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Accuracy above loss: each arm has a column of panels, each run and split a line. The axis starts at step 0.

    Args:
        table: of `grokscope.analysis.learning_curves`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    arms = style.arms_of_tasks(milestones)
    colours = style.arm_colours(milestones)
    columns = style.columns_for(len(arms))
    bands = -(-len(arms) // columns)
    figure, panels = style.blank(2 * bands, columns, panel=(style.PAGE / max(columns, 2), 1.65))
    several_tasks = len(names(milestones, "task")) > 1
    limits = _loss_limits(numbers(table, "loss"))
    for index in range(bands * columns):
        band, column = divmod(index, columns)
        accuracy, loss = panels[2 * band][column], panels[2 * band + 1][column]
        if index >= len(arms):
            accuracy.remove()
            loss.remove()
            continue
        task, arm = arms[index]
        _curves(accuracy, table, milestones, (task, arm), "accuracy", colours[arm])
        _curves(loss, table, milestones, (task, arm), "loss", colours[arm])
        style.title(accuracy, f"{task}: {arm}" if several_tasks else arm, weight="bold", pad=13)
        _write_how_many_grokked(accuracy, where(milestones, task=task, arm=arm))
        accuracy.set_ylim(-0.03, 1.03)
        accuracy.set_yticks([0, 0.25, 0.5, 0.75, 1])
        loss.set_yscale("log", nonpositive="clip")
        loss.set_ylim(limits)
        style.log_ticks(loss.yaxis, *limits)
        accuracy.tick_params(labelbottom=False)
        loss.set_xlabel("step", size=style.LABEL)
        for ax, label in ((accuracy, "accuracy"), (loss, with_unit("loss", table))):
            ax.tick_params(labelleft=column == 0)
            if column == 0:
                ax.set_ylabel(label, size=style.LABEL)
    style.legend(figure, _handles())
    return figure


def _curves(
    ax: Axes,
    table: pd.DataFrame,
    milestones: pd.DataFrame,
    panel: tuple[str, str],
    quantity: str,
    colour: str,
) -> None:
    style.log_steps(ax, numbers(table, "step"))  # of all panels, so that they can be compared
    here = where(milestones, task=panel[0], arm=panel[1])
    several = len(here) > 1
    for milestone in style.MILESTONE_STYLE:
        steps = reached(here, milestone)
        for step in steps:
            style.mark_step(ax, float(step), milestone, style.INK if not several else style.FAINT)
        if quantity == "accuracy" and len(steps):
            _write_step(ax, steps, milestone)
    for run in names(here, "run"):
        for split, dash in style.SPLIT_STYLE.items():
            curve = where(table, run=run, split=split)
            ax.plot(
                curve["step"],
                curve[quantity],
                color=colour,
                linestyle=dash,
                marker=style.marker_of(curve),
                linewidth=style.WIDTH["thin" if several else "line"],
                alpha=0.8 if several else 1.0,
                label=f"{run} {style.SPLIT_NAME[split]}",
            )


def _write_step(ax: Axes, steps: Float[np.ndarray, "run"], milestone: str) -> None:
    """Write the step of a milestone above its line: on the left if it is memorisation, for the grok may be close."""
    left = milestone == "memorisation_step"
    ax.annotate(
        style.steps_text(steps),
        xy=(steps.min() if left else steps.max(), 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-1 if left else 1, 2),
        textcoords="offset points",
        ha="right" if left else "left",
        va="bottom",
        size=style.TICK,
        color=style.INK,
    )


def _write_how_many_grokked(ax: Axes, runs: pd.DataFrame) -> None:
    """Write beside the title how many runs of an arm grokked, unless the arm has one run and that grokked."""
    earlier = reached(runs, "grok_by") if "grok_by" in runs else []  # before what is known of the run
    grokked = len(reached(runs, "grok_step")) + len(earlier)
    if len(runs) > 1:
        text = f"{grokked} of {len(runs)} grokked"
    elif len(earlier):
        text = f"grokked at or before step {earlier[0]:,.0f}"
    elif grokked:
        return
    else:
        text = f"not grokked in {numbers(runs, 'steps').max():,.0f} steps"
    ax.set_title(text, loc="right", size=style.TICK, color=style.INK, pad=13)


def _loss_limits(loss: Float[np.ndarray, "..."]) -> tuple[float, float]:
    finite = loss[(loss > 0) & np.isfinite(loss)]
    if not len(finite):
        return 0.1, 10.0
    return max(LOSS_FLOOR, float(finite.min())) / 1.6, float(finite.max()) * 1.6


def _handles() -> list[Line2D]:
    splits = [
        Line2D(
            [],
            [],
            color=style.INK,
            linestyle=dash,
            linewidth=style.WIDTH["line"],
            label=style.SPLIT_NAME[split],
        )
        for split, dash in style.SPLIT_STYLE.items()
    ]
    marks = [
        Line2D([], [], color=style.INK, linestyle=dash, linewidth=0.9, label=style.MILESTONE_NAME[milestone])
        for milestone, dash in style.MILESTONE_STYLE.items()
    ]
    return splits + marks
