"""What each step was made of: gradient, decay and clip; how much the clip takes away; how far rows turn."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis import PARTS, names, numbers, reached, update_parts, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import (
    PARAMETER_GROUP_COLOUR,
    PARAMETER_GROUP_TITLE,
    arm_handles,
    curve,
    dot_at_grok,
    label_steps,
    line_handles,
    log_values,
    panels,
    stacks,
    width,
)
from grokscope.figures.plates import plate

PART_COLOUR = {"gradient": "#0072B2", "decay": "#E69F00", "clip": "#D55E00"}
PART_NAME = {"gradient": "gradient step", "decay": "weight decay", "clip": "clip"}


def _clip_of_steps(probes: pd.DataFrame) -> pd.DataFrame:
    """What the clip did in every recorded step; nothing of runs in which it did nothing."""
    clip = where(update_parts(probes), part="clip")
    return clip if numbers(clip, "size").max(initial=0.0) > 0 else clip.iloc[:0]


def _rows_of_groups(probes: pd.DataFrame) -> pd.DataFrame:
    """Of every parameter group all its rows; nothing where displacements were not recorded."""
    groups = where(probes, parameter="")
    return groups if len(reached(groups, "total")) else groups.iloc[:0]


@plate(
    section="dynamics",
    table="probes",
    of=_clip_of_steps,
    needs_every_run=True,
    caption="Norm that the clip removes in a step, by parameter group, and its share of the way that the step goes to "
    "and fro: gradient, decay and clip, end to end.",
    place=5,
)
def clip_accounting(parts: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Norm that the clip removes in a step, by parameter group, and below it the clip's share; each arm has a column.

    Args:
        parts: of `grokscope.analysis.update_parts`; groups that are never clipped are left out.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    clipped = parts.loc[(parts["part"] == "clip") & (parts["size"] > 0)]
    clipped = clipped.loc[clipped["group"] != "all"]
    groups = [group for group in PARAMETER_GROUP_TITLE if group in names(clipped, "group")]
    arms = [arm for arm in style.arms_of_tasks(milestones) if arm in _arms_in(clipped)]
    figure, columns = stacks(len(arms), 2)
    for (size, share), (task, arm) in zip(columns, arms, strict=True):
        here = where(clipped, task=task, arm=arm)
        for group in groups:
            for run in names(here, "run"):
                line = where(here, run=run, group=group)
                curve(size, line, "size", PARAMETER_GROUP_COLOUR[group], group, linewidth=0.9)
                curve(share, line, "share", PARAMETER_GROUP_COLOUR[group], group, linewidth=0.9)
        log_values(size, numbers(clipped, "size"))
        share.set_ylim(0, max(0.05, min(1.0, float(numbers(clipped, "share").max()) * 1.1)))
        style.title(size, arm, weight="bold")
        _mark_groks(size, share, milestones=where(milestones, task=task, arm=arm))
    _side_labels(columns, ("norm removed", "share of path"))
    label_steps([ax for stack in columns for ax in stack], numbers(clipped, "step"))
    colours = {group: PARAMETER_GROUP_COLOUR[group] for group in groups}
    style.legend(
        figure, line_handles(colours, PARAMETER_GROUP_TITLE), columns=min(len(colours), 4) if len(columns) > 1 else 2
    )
    return figure


@plate(
    section="dynamics",
    table="probes",
    of=update_parts,
    needs_every_run=True,
    caption="Every step split into what the optimizer does with the gradient, decoupled weight decay and the clip, "
    "each along the rows (radial) and across them (tangential). Norms over all parameters.",
    place=6,
)
def update_anatomy(parts: pd.DataFrame, milestones: pd.DataFrame, group: str = "all") -> Figure:
    """Size of each part of a step across the rows (above) and along them (below); each arm has a column.

    Args:
        parts: of `grokscope.analysis.update_parts`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
        group: of parameters. Left out: all parameters.
    """
    arms = style.arms_of_tasks(milestones)
    shown = where(parts, group=group)
    shown = shown.loc[shown["part"].isin(PARTS) & (shown["size"] > 0)]
    figure, columns = stacks(len(arms), 2)
    for stack, (task, arm) in zip(columns, arms, strict=True):
        for part in PARTS:
            here = where(shown, task=task, arm=arm, part=part)
            for run in names(here, "run"):
                for ax, direction in zip(stack, ("tangential", "radial"), strict=True):
                    curve(ax, where(here, run=run), direction, PART_COLOUR[part], part, linewidth=0.9)
        style.title(stack[0], arm, weight="bold")
        _mark_groks(*stack, milestones=where(milestones, task=task, arm=arm))
    for row, direction in enumerate(("tangential", "radial")):
        for stack in columns:
            log_values(stack[row], numbers(shown, direction))
    _side_labels(columns, ("tangential", "radial"))
    label_steps([ax for stack in columns for ax in stack], numbers(parts, "step"))
    style.legend(figure, line_handles({part: PART_COLOUR[part] for part in names(shown, "part")}, PART_NAME))
    return figure


@plate(
    section="dynamics",
    table="probes",
    of=_rows_of_groups,
    needs_every_run=True,
    caption="Mean angle that the rows of a parameter group turn in a step.",
    place=7,
)
def angular_steps(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Mean angle by which the rows of each parameter group turn in a step; each run has a line in its arm's colour.

    Args:
        table: of `grokscope.analysis.probes`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    whole = where(table, parameter="")
    whole = whole.loc[whole["angle_mean"].notna()]
    groups = [group for group in PARAMETER_GROUP_TITLE if group in names(whole, "group")]
    colours = style.arm_colours(milestones)
    figure, axes = panels(len(groups))
    for index, (ax, group) in enumerate(zip(axes, groups, strict=False)):
        here = where(whole, group=group)
        log_values(ax, numbers(here, "angle_mean"))
        for run in milestones.to_dict("records"):
            line, colour = where(here, run=run["run"]), colours[run["arm"]]
            curve(ax, line, "angle_mean", colour, run["run"], linewidth=min(0.9, width(milestones, run["arm"])))
            dot_at_grok(ax, line, "angle_mean", run["grok_step"], colour)
        style.title(ax, PARAMETER_GROUP_TITLE[group])
        if index % style.columns_for(len(groups)) == 0:
            ax.set_ylabel("radians per step", size=style.LABEL)
    label_steps(axes, numbers(table, "step"))
    style.legend(figure, arm_handles(milestones, colours))
    return figure


def _arms_in(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(map(str, table["task"]), map(str, table["arm"]), strict=True))


def _side_labels(columns: list[list[Axes]], labels: tuple[str, ...]) -> None:
    """Label the panels of the leftmost column, and take the numbers off the others."""
    for stack in columns:
        place = stack[0].get_subplotspec()
        leftmost = place is None or place.colspan.start == 0
        for ax, label in zip(stack, labels, strict=True):
            ax.tick_params(labelleft=leftmost)
            if leftmost:
                ax.set_ylabel(label, size=style.LABEL)


def _mark_groks(*axes: Axes, milestones: pd.DataFrame) -> None:
    for step in reached(milestones, "grok_step"):
        for ax in axes:
            style.mark_step(ax, float(step), "grok_step", style.FAINT if len(milestones) > 1 else style.INK)
