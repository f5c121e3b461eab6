"""One neuron's activation on all pairs, its rows and columns sorted by the cosets that fit it best."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import POWER_MAP
from grokscope.figures.plates import plate

SIZE = 2.9
"""Side of the square of all pairs, in inches."""
SIDES = {"left": "left cosets of", "right": "right cosets of", "both": "cosets of"}


def _caption(grid: pd.DataFrame) -> str:
    return (
        f"{grid['run'].iloc[0]}: the neuron of largest score for a subgroup of more than two cosets, among those with "
        "at least a tenth of the largest variance, at all pairs, sorted by its best cosets in each operand."
    )


@plate(
    section="cosets",
    table="neuron_grid",
    by_run=True,
    caption=_caption,
    place=5,
)
def neuron_on_grid(table: pd.DataFrame) -> Figure:
    """Activation of a neuron at every pair of group elements: the left operand down, the right operand across.

    Darker cells mean a larger activation. Lines separate cosets.

    Args:
        table: of `grokscope.analysis.neuron_grid`, for one neuron of one run.

    Raises ValueError for a table of several neurons.
    """
    which = table[["run", "operation", "step", "layer", "neuron"]].drop_duplicates()
    if len(which) != 1:
        raise ValueError(f"neuron_on_grid draws one neuron of one run; the table has {len(which)}")
    run, _, step, layer, neuron = which.iloc[0]
    n = int(np.sqrt(len(table)))
    activation = np.empty((n, n))
    activation[table["left_rank"].to_numpy(), table["right_rank"].to_numpy()] = select.numbers(table, "activation")
    figure, ((ax,),) = style.blank(1, 1, panel=(SIZE + 1.1, SIZE + 0.2))
    ax.grid(False)
    edges = np.arange(n + 1)
    mesh = ax.pcolormesh(edges, edges, activation, cmap=sns.color_palette(POWER_MAP, as_cmap=True), rasterized=True)
    ax.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
    for spine in ax.spines.values():
        spine.set_visible(False)
    _cosets(ax, table, "left", "a")
    _cosets(ax, table, "right", "b")
    style.title(ax, f"{run}\nlayer {layer}, neuron {neuron}, step {step:,}")
    bar = figure.colorbar(mesh, ax=ax, pad=0.02, aspect=30)
    bar.set_label("activation", size=style.LABEL, color=style.INK)
    bar.ax.tick_params(labelsize=style.TICK, color=style.INK, labelcolor=style.INK)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _cosets(ax: Axes, table: pd.DataFrame, operand: str, letter: str) -> None:
    """Draw lines between the cosets of one operand, and name the subgroup on its axis."""
    elements = table.drop_duplicates(f"{operand}_rank").sort_values(f"{operand}_rank")
    coset = elements[f"{operand}_coset"].to_numpy()
    boundaries = np.flatnonzero(np.diff(coset)) + 1
    width = 0.7 if len(boundaries) < 20 else 0.35
    draw = ax.axhline if operand == "left" else ax.axvline
    for boundary in boundaries.tolist():
        draw(boundary, color="#D55E00", linewidth=width)
    subgroup, side = elements[f"{operand}_subgroup"].iloc[0], elements[f"{operand}_side"].iloc[0]
    label = letter if pd.isna(subgroup) else f"{letter}, by {len(boundaries) + 1} {SIDES[str(side)]} {subgroup}"
    axis, named = (ax.yaxis, ax.set_ylabel) if operand == "left" else (ax.xaxis, ax.set_xlabel)
    axis.set_ticks([])
    named(label, size=style.LABEL, parse_math=False)
