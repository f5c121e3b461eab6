"""Effective rank of weight matrices and of their products over training."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import arm_handles, curve, label_steps, panels
from grokscope.figures.plates import plate

LAYER_DASH = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
TITLE = {"QK": "QK circuits, by head", "OV": "OV circuits, by head", "out_U": "W_out W_U"}


@plate(
    section="dynamics",
    table="ranks",
    caption="Effective rank (exponential of the entropy of normalised singular values) of each weight matrix, of QK "
    "and OV of each head, and of W_out W_U.",
    place=4,
)
def effective_ranks(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Effective rank by step: each kind of matrix has a panel, each matrix a line in the colour of its arm.

    Each layer has its own dashes. The grey line is the largest rank that a matrix of the panel could have.

    Args:
        table: of `grokscope.analysis.ranks`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    kinds = names(table, "kind")
    colours = style.arm_colours(milestones)
    figure, axes = panels(len(kinds), height=1.35)
    for index, (ax, kind) in enumerate(zip(axes, kinds, strict=False)):
        here = where(table, kind=kind)
        for run in milestones.to_dict("records"):
            of_run = where(here, run=run["run"])
            for matrix in names(of_run, "matrix"):
                line = where(of_run, matrix=matrix)
                layer, head = line[["layer", "head"]].iloc[0]
                look = {
                    "linestyle": "-" if pd.isna(layer) else LAYER_DASH[int(layer) % len(LAYER_DASH)],
                    "linewidth": style.WIDTH["line" if pd.isna(head) and len(milestones) < 3 else "thin"],
                }
                curve(ax, line, "effective_rank", colours[run["arm"]], f"{run['run']} {matrix}", **look)
        top = float(numbers(here, "largest").max())
        ax.axhline(top, color=style.FAINT, linewidth=0.9, zorder=1, label="_largest")
        ax.set_ylim(0, top * 1.06)
        style.title(ax, TITLE.get(kind, kind))
        if index % style.columns_for(len(kinds)) == 0:
            ax.set_ylabel("effective rank", size=style.LABEL)
    label_steps(axes, numbers(table, "step"))
    layers = sorted(table["layer"].dropna().unique())
    handles = arm_handles(milestones, colours, dot=False)
    if len(layers) > 1:
        handles += [
            Line2D([], [], color=style.INK, linestyle=LAYER_DASH[int(n) % len(LAYER_DASH)], label=f"layer {n}")
            for n in layers
        ]
    handles.append(Line2D([], [], color=style.FAINT, linewidth=0.9, label="largest possible"))
    style.legend(figure, handles, columns=min(5, len(handles)))
    return figure
