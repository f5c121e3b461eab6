"""The embedding's spectrum: over training as a heat map, and in the right and the wrong basis at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    OWN,
    POWER_MAP,
    WRONG,
    bases_of,
    caption_of_controls,
    grid_of_panels,
    grok_step,
    irrep_axis,
    irrep_word,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
    short_irreps,
    spread,
    steps_of_task,
)
from grokscope.figures.plates import FIRST_OF_EACH_ARM, plate


@plate(
    section="circuit",
    table="keys",
    of={"site": "embed", "basis": "own"},
    caption=FIRST_OF_EACH_ARM + "Share of the embedding's variance over group elements that each irrep of the task's "
    "group (each frequency, for a cyclic group) carries, at every checkpoint. Labelled are the key irreps of the final "
    "checkpoint, those that exceed the null of random relabellings at a family-wise level of 0.01.",
    place=1,
)
def spectrum_over_training(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Power of each irrep of the task's group in the embedding, by step. Darker cells mean more power.

    The key irreps of the final checkpoint are labelled. Panels of one task have the same colours for the same power.
    Panels of different tasks do not, for where a group has fewer irreps, each of them has more power.

    Args:
        table: of `grokscope.analysis.keys`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    embed = select.where(table, site="embed", basis="own")
    panels = runs_and_operations(embed)
    figure, axes = grid_of_panels(len(panels), 2.7)
    tasks = select.names(embed, "task")
    top = {task: float(select.numbers(select.where(embed, task=task), "power").max()) or 1.0 for task in tasks}
    for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        here = of_operation(embed, panel)
        names = short_irreps(here)
        power = here.pivot(index="irrep", columns="step", values="power").loc[list(names)]
        steps = power.columns.to_numpy(dtype=float)
        ax.grid(False)
        task = str(here["task"].iloc[0])
        mesh = ax.pcolormesh(
            _edges(steps), np.arange(len(names) + 1) - 0.5, power.to_numpy(),
            cmap=sns.color_palette(POWER_MAP, as_cmap=True), vmin=0, vmax=top[task], rasterized=True,
        )  # fmt: skip
        if len(tasks) > 1:
            _colour_bar(figure, mesh, [ax], index % 2 == 1 or index == len(axes) - 1)
        elif index == len(axes) - 1:
            _colour_bar(figure, mesh, axes, named=True)
        final = last_checkpoint(here)
        keys = [str(name) for name in final.loc[final["hindsight"], "irrep"]]
        shown = list(names) if len(names) <= 12 else keys
        places = [list(names).index(name) for name in shown]
        ax.set_yticks(places, [""] * len(places))
        ax.tick_params(axis="y", length=0)
        for place, label, name in zip(places, spread(places, len(names) / 20), shown, strict=True):
            ax.annotate(
                names[name], (0, place), (-0.025, label), xycoords=("axes fraction", "data"), ha="right", va="center",
                size=style.TICK - 1, color=style.INK,
                arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": style.INK, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        style.linear_steps(ax, steps_of_task(embed, here))
        grok = grok_step(milestones, panel[0])
        if grok is not None:
            style.mark_step(ax, grok, "grok_step", style.INK)
            ax.lines[-1].set_zorder(3)
        style.title(ax, panel_title(embed, panel))
        if index % 2 == 0:
            kind = f"{'key ' if len(names) > 12 else ''}{irrep_word(here)}"
            longest = max((len(names[name]) for name in shown), default=0)
            ax.set_ylabel(kind, size=style.LABEL, labelpad=10 + 4 * longest)
    line = Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    style.legend(figure, [line])
    return figure


def _colour_bar(figure: Figure, mesh: QuadMesh, axes: Sequence[Axes], named: bool) -> None:
    """A bar beside some panels that says which colour stands for which power."""
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=30)
    if named:
        bar.set_label("power in the embedding", size=style.LABEL, color=style.INK)
    bar.ax.tick_params(labelsize=style.TICK, color=style.INK, labelcolor=style.INK)
    bar.outline.set_visible(False)  # type: ignore[operator]


def _final_embedding(keys: pd.DataFrame) -> pd.DataFrame:
    return last_checkpoint(select.where(keys, site="embed"))


@plate(
    section="circuit",
    table="keys",
    of=_final_embedding,
    caption=caption_of_controls(
        "The final embedding's spectrum in the basis of the group that the task computes in (up) and of the other "
        "arithmetic's (down), where there is nothing to be found."
    ),
    place=2,
)
def right_and_wrong_basis(table: pd.DataFrame) -> Figure:
    """The spectrum of the final embedding: upwards in the task's own basis, downwards in the wrong one.

    Key irreps of either basis are named. The dotted line is the null: the largest power that an irrep has in an
    embedding whose elements are relabelled at random.

    Args:
        table: of `grokscope.analysis.keys`.
    """
    final = _final_embedding(table)
    panels = runs_and_operations(final)
    figure, axes = grid_of_panels(len(panels), 1.9)
    for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        for basis, sign, colour in (("own", 1, OWN), ("wrong", -1, WRONG)):
            here = select.where(of_operation(final, panel), basis=basis)
            if here.empty:
                continue
            names = short_irreps(here)
            at = np.arange(1, len(here) + 1)
            ax.bar(at, sign * select.numbers(here, "power"), width=0.8, color=colour, linewidth=0)
            ax.step(
                at, sign * select.numbers(here, "threshold"), where="mid", color=style.INK, linestyle=":", linewidth=0.9
            )
            power = select.numbers(here, "power")
            for place, name, height, key in zip(at, names, power, here["key"], strict=True):
                if key:
                    ax.annotate(
                        names[name], (place, sign * height), (0, sign * 1.5), textcoords="offset points", ha="center",
                        va="bottom" if sign > 0 else "top", size=style.TICK - 1, color=style.INK,
                    )  # fmt: skip
            if basis == "own":
                irrep_axis(ax, here)
                ax.margins(y=0.12)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        ax.grid(False, axis="x")
        style.title(ax, panel_title(final, panel))
        if index % 2 == 0:
            ax.set_ylabel("power", size=style.LABEL)
    keys = {"own": (OWN, "own basis (above)"), "wrong": (WRONG, "wrong basis (below)")}
    handles = [Line2D([], [], color=keys[b][0], linewidth=5, label=keys[b][1]) for b in bases_of(final)]
    handles.append(Line2D([], [], color=style.INK, linestyle=":", linewidth=0.9, label="null of the largest"))
    style.legend(figure, handles)
    return figure


def _edges(steps: Float[np.ndarray, " checkpoint"]) -> Float[np.ndarray, " edge"]:
    """Edges of the cells of checkpoints: half way between neighbours. A single checkpoint gets a cell around it."""
    if len(steps) == 1:
        return np.array([max(0.0, steps[0] * 0.9), steps[0] * 1.1 + 1])
    middle = (steps[1:] + steps[:-1]) / 2
    return np.concatenate([[steps[0]], middle, [steps[-1] + (steps[-1] - middle[-1])]])
