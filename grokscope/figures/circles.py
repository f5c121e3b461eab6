"""Embedding circles: the embedding on the plane of each key irrep, coloured by group element."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from grokscope.analysis import select
from grokscope.figures import style

ACROSS, MOST = 5, 10
"""Panels beside one another, and at most; those of largest power are shown."""


def embedding_circles(table: pd.DataFrame) -> Figure:
    """A run's final embedding on the plane of each of its key irreps, those of largest power first.

    Colour is the element times the frequency, once around the circle; for a group without frequencies, the element.

    Args:
        table: of `grokscope.analysis.circles`, for one run; the first operation is shown.

    Raises ValueError for a table of several runs, or without any rows.
    """
    runs = select.names(table, "run")
    if len(runs) != 1:
        raise ValueError(f"embedding_circles draws one run that has key irreps; the table has {len(runs)}")
    rows = select.rows(table, operation=select.names(table, "operation")[0])
    power = dict(zip(map(str, rows["irrep"]), select.numbers(rows, "power"), strict=True))
    irreps = sorted(power, key=lambda name: -power[name])[:MOST]
    columns = min(ACROSS, len(irreps))
    figure, grid = style.blank(
        -(-len(irreps) // columns), columns, panel=(style.PAGE / ACROSS, style.PAGE / ACROSS - 0.1)
    )
    axes = [ax for row in grid for ax in row]
    for ax in axes[len(irreps) :]:
        ax.remove()
    hues = sns.color_palette("husl", 256)
    for ax, name in zip(axes, irreps, strict=False):
        points = select.rows(rows, irrep=name)
        elements = points["element"].to_numpy()
        frequency = points["frequency"].iloc[0]
        turn = elements * (1 if pd.isna(frequency) else int(frequency)) / len(elements) % 1
        x, y = select.numbers(points, "x"), select.numbers(points, "y")
        ax.scatter(x, y, s=7, c=[hues[int(256 * t)] for t in turn], linewidths=0)
        reach = 1.12 * max(np.abs(x).max(), np.abs(y).max(), 1e-12)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        ax.grid(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        label = name if pd.isna(frequency) else f"k = {int(frequency)}"
        style.title(ax, f"{label}  ({100 * power[name]:.0f}%)", pad=2)
    return figure
