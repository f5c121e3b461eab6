"""Embedding circles: the embedding on the plane of each key irrep, coloured by group element."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import WRONG
from grokscope.figures.plates import plate

ACROSS, MOST = 5, 10
"""Panels beside one another, and at most for each group; those of largest power are shown."""


class _Plane(NamedTuple):
    """A panel: the points of one irrep."""

    points: pd.DataFrame
    power: float
    title: str
    control: bool


def _with_key_irreps(circles: pd.DataFrame) -> pd.DataFrame:
    """The circles of a run, or nothing of a run that has no key irreps in its own basis."""
    return circles if len(select.rows(circles, basis="own")) else circles.iloc[:0]


def _caption(circles: pd.DataFrame) -> str:
    return (
        f"{circles['run'].iloc[0]}: the final embedding on the plane of each key irrep, in brackets its power; "
        "coloured by the element times the frequency, once around. Under them in grey, where the task has a wrong "
        "basis, the irreps of largest power in that, on whose planes numbers lie on no circle."
    )


@plate(
    name="circles",
    section="circuit",
    table="circles",
    of=_with_key_irreps,
    by_run=True,
    caption=_caption,
    place=10,
)
def embedding_circles(table: pd.DataFrame) -> Figure:
    """A run's final embedding on the plane of each of its key irreps, those of largest power first.

    Colour is the element times the frequency, once around the circle; for a group without frequencies, the element.
    The last row, titled in grey, is the control: the irreps of largest power in the wrong basis. Operations of one
    group share their circles, and the groups of a mixed task follow one another, each in rows of its own; the wrong
    basis of one is the own basis of another there, which is no control and not shown.

    Args:
        table: of `grokscope.analysis.circuit.circles`, for one run.

    Raises ValueError for a table of several runs, or without key irreps.
    """
    runs, own = select.names(table, "run"), select.rows(table, basis="own")
    if len(runs) != 1 or own.empty:
        raise ValueError(
            f"embedding_circles draws one run that has key irreps; the table has {len(runs) if len(own) else 0}"
        )
    rows_of_planes = _rows_of_planes(table, own)
    figure, grid = style.blank(len(rows_of_planes), ACROSS, panel=(style.PAGE / ACROSS, style.PAGE / ACROSS - 0.1))
    for axes, planes in zip(grid, rows_of_planes, strict=True):
        for ax, plane in zip(axes, planes, strict=False):
            _draw(ax, plane)
        for ax in axes[len(planes) :]:
            ax.remove()
    return figure


def _rows_of_planes(table: pd.DataFrame, own: pd.DataFrame) -> list[list[_Plane]]:
    groups = select.names(own, "group")
    found = []
    for group in groups:
        operation = select.names(select.rows(own, group=group), "operation")[0]
        planes = _planes(select.rows(own, operation=operation), f"{operation}: " if len(groups) > 1 else "")[:MOST]
        found += [planes[start : start + ACROSS] for start in range(0, len(planes), ACROSS)]
        wrong = select.rows(table, operation=operation, basis="wrong")
        if len(wrong) and wrong["group"].iloc[0] not in groups:
            found.append(_planes(wrong, "wrong: ", control=True)[:ACROSS])
    return found


def _planes(of_basis: pd.DataFrame, prefix: str, *, control: bool = False) -> list[_Plane]:
    """Of one operation in one basis, by falling power."""
    found = []
    for name in select.names(of_basis, "irrep"):
        points = select.rows(of_basis, irrep=name)
        frequency, power = points["frequency"].iloc[0], float(select.numbers(points, "power")[0])
        label = name if pd.isna(frequency) else f"k = {int(frequency)}"
        found.append(_Plane(points, power, f"{prefix}{label}  ({100 * power:.0f}%)", control))
    return sorted(found, key=lambda plane: -plane.power)


def _draw(ax: Axes, plane: _Plane) -> None:
    hues = sns.color_palette("husl", 256)
    elements, frequency = plane.points["element"].to_numpy(), plane.points["frequency"].iloc[0]
    turn = elements * (1 if pd.isna(frequency) else int(frequency)) / len(elements) % 1
    x, y = select.numbers(plane.points, "x"), select.numbers(plane.points, "y")
    ax.scatter(x, y, s=7, c=[hues[int(256 * t)] for t in turn], linewidths=0)
    reach = 1.12 * max(np.abs(x).max(), np.abs(y).max(), 1e-12)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    ax.grid(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    style.title(ax, plane.title, pad=2, colour=WRONG if plane.control else style.INK)
