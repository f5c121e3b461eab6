"""The path of a run in the plane of weight norm and validation loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import with_unit
from grokscope.figures.plates import FIRST_OF_EACH_ARM, plate

STEP_MAP = "viridis"


@plate(
    section="dynamics",
    table="phase",
    caption=FIRST_OF_EACH_ARM
    + "Norm of all weights against validation loss, coloured by step; ring: the start, star: the grok.",
    place=1,
)
def phase_portrait(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Validation loss against the norm of all weights; each arm has a panel, and points are coloured by step.

    A ring marks the start, a star the grok. All panels have the same axes.

    Args:
        table: of `grokscope.analysis.phase`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    arms = style.arms_of_tasks(milestones)
    columns = style.columns_for(len(arms))
    figure, grid = style.blank(-(-len(arms) // columns), columns, panel=(style.PAGE / max(columns, 2), 2.1))
    axes = [ax for line in grid for ax in line]
    for ax in axes[len(arms) :]:
        ax.remove()
    finite = table.loc[np.isfinite(numbers(table, "val_loss")) & (numbers(table, "val_loss") > 0)]
    steps = numbers(finite, "step")
    last = max(float(steps.max()) if len(steps) else 1.0, 2.0)
    first = float(steps[steps > 0].min()) if (steps > 0).any() else 1.0
    colour_of = LogNorm(min(first, last / 2), last)
    for ax, (task, arm) in zip(axes, arms, strict=False):
        here = where(finite, task=task, arm=arm)
        for run in names(here, "run"):
            line = where(here, run=run)
            x, y = numbers(line, "norm"), numbers(line, "val_loss")
            ax.plot(x, y, color=style.FAINT, linewidth=0.6, zorder=1, label=run)
            at = np.clip(numbers(line, "step"), colour_of.vmin, None)
            ax.scatter(x, y, c=at, cmap=STEP_MAP, norm=colour_of, s=7, linewidths=0, zorder=2)
            ax.plot(x[:1], y[:1], "o", color="none", markeredgecolor=style.INK, markersize=6, zorder=3, label="_start")
            grok = numbers(where(milestones, run=run), "grok_step")
            there = line.loc[numbers(line, "step") >= grok[0]] if len(grok) and not np.isnan(grok[0]) else line.iloc[:0]
            ax.plot(
                numbers(there, "norm")[:1],
                numbers(there, "val_loss")[:1],
                "*",
                color="white",
                markeredgecolor=style.INK,
                markersize=9,
                zorder=3,
                label="_grok_step",
            )
        style.title(ax, arm, weight="bold")
        ax.set_xlabel("norm of all weights", size=style.LABEL)
    _shared_limits(axes[: len(arms)], finite)
    for index, ax in enumerate(axes[: len(arms)]):
        ax.tick_params(labelleft=index % columns == 0)
        if index % columns == 0:
            ax.set_ylabel(with_unit("validation loss", table), size=style.LABEL)
    bar = figure.colorbar(ScalarMappable(colour_of, STEP_MAP), ax=axes[: len(arms)], pad=0.02, aspect=30)
    bar.set_label("step", size=style.LABEL, color=style.INK)
    bar.ax.tick_params(labelsize=style.TICK)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    bar.outline.set_visible(False)  # type: ignore[operator]
    style.legend(figure, _handles())
    return figure


def _shared_limits(axes: list, table: pd.DataFrame) -> None:
    x, y = numbers(table, "norm"), numbers(table, "val_loss")
    for ax in axes:
        ax.set_yscale("log")
        if not len(x):
            continue
        wide = max(float(x.max() - x.min()), 0.02 * float(x.max()))
        ax.set_xlim(float(x.min()) - 0.06 * wide, float(x.max()) + 0.06 * wide)
        low, high = float(y.min()) / 1.4, float(y.max()) * 1.4
        ax.set_ylim(low, high)
        style.log_ticks(ax.yaxis, low, high)


def _handles() -> list[Line2D]:
    ring = Line2D([], [], color="none", marker="o", markeredgecolor=style.INK, markersize=6, label="start")
    star = Line2D([], [], color="none", marker="*", markerfacecolor="white", markersize=9, label="grokked")
    star.set_markeredgecolor(style.INK)
    return [ring, star]
