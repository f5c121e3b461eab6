"""Weight-norm trajectories: one panel per parameter group, arms side by side in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from grokscope.analysis import names, numbers, rows
from grokscope.figures import style

GROUP_NAME = {
    "attention": "attention",
    "mlp": "MLP",
    "ln": "LayerNorm gains",
    "ln_final": "final LayerNorm gain",
    "pos_embed": "position embedding",
    "biases": "biases",
    "embed": "embedding",
    "unembed": "unembedding",
    "total": "all parameters",
}


def weight_norms(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Norm of each parameter group over training, a line per run in its arm's colour, a dot at its grok step.

    Args:
        table: of `grokscope.analysis.weight_norms`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    groups = [group for group in GROUP_NAME if group in names(table, "group")]
    arms = style.panels_of(milestones)
    colours = style.arm_colours(milestones)
    columns = style.columns_for(len(groups))
    figure, panels = style.blank(-(-len(groups) // columns), columns, panel=(style.PAGE / columns, 1.5))
    figure.align_ylabels()
    flat = [ax for line in panels for ax in line]
    for ax in flat[len(groups) :]:
        ax.remove()
    for index, (ax, group) in enumerate(zip(flat, groups, strict=False)):
        here = rows(table, group=group)
        style.log_steps(ax, numbers(table, "step"))
        ax.set_yscale("log", nonpositive="clip")
        _norm_axis(ax, numbers(here, "norm"))
        for row in milestones.to_dict("records"):
            curve = rows(here, run=row["run"])
            several = len(rows(milestones, arm=row["arm"])) > 1
            ax.plot(
                curve["step"],
                curve["norm"],
                color=colours[row["arm"]],
                linewidth=style.WIDTH["thin" if several else "line"],
                label=row["run"],
            )
            if not pd.isna(row["grok_step"]):
                _dot(ax, curve, float(row["grok_step"]), colours[row["arm"]])
        style.title(ax, GROUP_NAME[group])
        if index + columns >= len(groups):
            ax.set_xlabel("step", size=style.LABEL)
        else:
            ax.tick_params(labelbottom=False)
        if index % columns == 0:
            ax.set_ylabel("norm", size=style.LABEL)
    style.legend(figure, _handles(arms, colours), columns=min(5, len(arms) + 1))
    return figure


def _dot(ax: Axes, curve: pd.DataFrame, step: float, colour: str) -> None:
    """A dot on a run's line at a step, which may lie between two checkpoints."""
    norm = np.interp(step, curve["step"], curve["norm"])
    ax.plot(
        [step],
        [norm],
        "o",
        color=colour,
        markersize=4,
        markeredgewidth=0,
        label="_grok_step",
    )


def _norm_axis(ax: Axes, norms: Float[np.ndarray, "..."]) -> None:
    """A log axis over at least a factor of 4, so that a norm that hardly moves looks like one."""
    positive = norms[norms > 0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    widen = max(1.15, (4.0 / (high / low)) ** 0.5)
    ax.set_ylim(low / widen, high * widen)
    wide = high / low > 50
    ax.yaxis.set_major_locator(LogLocator(base=10.0, subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=12))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _handles(arms: list[tuple[str, str]], colours: dict[str, str]) -> list[Line2D]:
    names = dict.fromkeys(arm for _, arm in arms)
    lines = [Line2D([], [], color=colours[arm], linewidth=style.WIDTH["line"], label=arm) for arm in names]
    dot = Line2D([], [], color=style.INK, linestyle="none", marker="o", markersize=4, label="grokked")
    return [*lines, dot]
