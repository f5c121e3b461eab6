"""Coset concentration of every neuron for every class of subgroups, as a heat map."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import last_checkpoint, of_operation, panel_title, panels_by_layer
from grokscope.figures.plates import plate

OPERANDS = ("left", "right")
CONCENTRATION_MAP = "mako"
"""Darker cells mean a smaller concentration: a neuron that is nearer to being constant on cosets."""
BEST = "#E69F00"
FRAMED = 0.01
"""A class is framed if it is the best one of at least this share of the neurons."""


@plate(
    section="cosets",
    table="coset_matrix",
    caption="How far each neuron is from being constant on the cosets of a subgroup (0: constant), at the last "
    "checkpoint: the smallest over conjugates and sides, by class of subgroups. Small subgroups have small values "
    "whatever a neuron does; framed are classes that are the best of some neurons, allowing for that.",
    place=1,
)
def coset_concentration(table: pd.DataFrame) -> Figure:
    """The smallest concentration of every neuron (across) in each class of subgroups (down), at the last checkpoint.

    Each layer has a row of panels: the left operand's beside the right one's. Classes are sorted by the number of
    cosets. The neurons of a panel are sorted by the class in which they have their best score, and those of one class
    by their concentration in it; the frame marks them. Neurons that do not vary with the operand are left out.

    Args:
        table: of `grokscope.analysis.coset_matrix`.
    """
    final = last_checkpoint(table)
    places = panels_by_layer(final)
    most = max(len(select.names(of_operation(final, panel), "subgroup")) for panel, _ in places)
    figure, grid = style.blank(len(places), 2, panel=(style.PAGE / 2, 0.5 + 0.115 * max(most, 6)))
    mesh: QuadMesh | None = None
    for row, (panel, layer) in zip(grid, places, strict=True):
        for ax, operand in zip(row, OPERANDS, strict=True):
            here = select.where(of_operation(final, panel), layer=layer, operand=operand)
            mesh = _draw(ax, here, labelled=operand == "left")
            ax.set_title(f"{operand} operand", loc="right", size=style.TICK, color=style.INK, pad=5)
        style.title(row[0], f"{panel_title(final, panel)}, layer {layer}")
    for ax in grid[-1]:
        ax.set_xlabel("neuron, sorted by best subgroup", size=style.LABEL)
    if mesh is not None:
        bar = figure.colorbar(mesh, ax=[ax for row in grid for ax in row], pad=0.012, aspect=40, shrink=0.9)
        bar.set_label("coset concentration", size=style.LABEL, color=style.INK)
        bar.ax.tick_params(labelsize=style.TICK, color=style.INK, labelcolor=style.INK)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _draw(ax: Axes, here: pd.DataFrame, labelled: bool) -> QuadMesh:
    classes = here.drop_duplicates("subgroup")
    names = list(map(str, classes["subgroup"]))
    concentration = _wide(here, "concentration", names)
    score = _wide(here, "score", names)
    varies = ~np.isnan(score).any(axis=0)
    concentration, score = concentration[:, varies], score[:, varies]
    best = score.round(4).argmax(axis=0)  # the first of those that differ by rounding
    order = np.lexsort((concentration[best, np.arange(len(best))], best))
    ax.grid(False)
    mesh = ax.pcolormesh(
        np.arange(len(best) + 1), np.arange(len(names) + 1), concentration[:, order],
        cmap=sns.color_palette(CONCENTRATION_MAP, as_cmap=True), vmin=0, vmax=1, rasterized=True,
    )  # fmt: skip
    start = 0
    for c, count in enumerate(np.bincount(best, minlength=len(names))):
        if count >= FRAMED * len(best):
            ax.add_patch(Rectangle((start, c), count, 1, fill=False, edgecolor=BEST, linewidth=1.1, clip_on=False))
        start += count
    ax.set(xlim=(0, max(len(best), 1)), ylim=(len(names), 0))
    ax.set_yticks(np.arange(len(names)) + 0.5, [])
    ax.tick_params(axis="y", length=0)
    if labelled:
        index = select.numbers(classes, "index").astype(int)
        labels = [f"{name}  {k}" for name, k in zip(names, index, strict=True)]
        ax.set_yticklabels(labels, size=style.TICK - 1, parse_math=False)
        ax.set_ylabel("subgroup, cosets", size=style.LABEL)
    return mesh


def _wide(here: pd.DataFrame, column: str, names: list[str]) -> np.ndarray:
    wide = cast("pd.DataFrame", here.pivot(index="subgroup", columns="neuron", values=column).loc[names])
    return wide.to_numpy(dtype=float)
