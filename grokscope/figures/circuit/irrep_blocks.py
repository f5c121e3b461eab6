"""The power of each pair of irreps in a layer's neurons, as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    POWER_MAP,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
)
from grokscope.figures.plates import plate

MOST_LABELS = 12
"""Irreps are named on the axes up to this number; more names would overlap."""


@plate(
    section="circuit",
    table="irrep_blocks",
    caption="Through which irrep of a and of b the neurons of each layer depend on both, at the end. On the diagonal "
    "it is the same, as in functions of a*b; in the first row and column the other operand does not matter.",
    place=7,
)
def irrep_blocks(table: pd.DataFrame) -> Figure:
    """Share of each layer's variance by the irrep of a (down) and of b (across), at the last checkpoint.

    Each run and operation has a row of panels, each layer a column. Darker cells mean more variance; colours go with
    its square root. The first row and column are of the trivial irrep: functions of one operand alone. On the diagonal
    are functions that depend on both operands through the same irrep.

    Args:
        table: of `grokscope.analysis.irrep_blocks`.
    """
    final = select.where(last_checkpoint(table), basis="own")
    panels, layers = runs_and_operations(final), sorted(final["layer"].unique())
    size = min(style.PAGE / max(len(layers), 2), 3.0)
    figure, grid = style.blank(len(panels), len(layers), panel=(size, size * 0.86))
    colour_of = PowerNorm(0.5, 0.0, max(float(select.numbers(final, "power").max(initial=0.0)), 1e-9))
    drawn = None
    for row, panel in zip(grid, panels, strict=True):
        of_run = of_operation(final, panel)
        names = select.names(of_run, "right")
        order = {name: i for i, name in enumerate(["trivial", *(n for n in names if n != "trivial")])}
        for ax, layer in zip(row, layers, strict=True):
            matrix = np.zeros((len(order), len(order)))
            here = select.where(of_run, layer=layer)
            places = [[order[str(name)] for name in here[operand]] for operand in ("left", "right")]
            matrix[places[0], places[1]] = select.numbers(here, "power")
            drawn = ax.imshow(matrix, cmap=sns.color_palette(POWER_MAP, as_cmap=True), norm=colour_of)
            ax.grid(False)
            labels = list(order) if len(order) <= MOST_LABELS else ["trivial"]
            ax.set_xticks(range(len(labels)), labels, rotation=90)
            ax.set_yticks(range(len(labels)), labels)
            ax.set_xlabel("irrep of b", size=style.LABEL)
            if ax is row[0]:
                ax.set_ylabel("irrep of a", size=style.LABEL)
            else:
                ax.tick_params(labelleft=False)
            style.title(ax, f"layer {layer}" if ax is not row[0] else f"{panel_title(final, panel)}, layer {layer}")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=[ax for row in grid for ax in row], shrink=0.7, pad=0.02)
        bar.set_label("share of the neurons' variance", size=style.LABEL, color=style.INK)
        bar.ax.tick_params(labelsize=style.TICK, color=style.INK, labelcolor=style.INK)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure
