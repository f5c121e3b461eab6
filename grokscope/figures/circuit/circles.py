"""Embedding circles: the embedding on the plane of each key irrep, coloured by group element."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import WRONG, labels_of
from grokscope.figures.plates import plate

ACROSS, MOST = 5, 10
"""How many panels stand in a row, and how many a group has at most: those of largest power."""


class _Plane(NamedTuple):
    """What one panel shows: the embedding on the plane of one irrep."""

    points: pd.DataFrame
    power: float
    title: str
    control: bool


def _with_key_irreps(circles: pd.DataFrame) -> pd.DataFrame:
    """The circles of a run, or nothing of a run that has no key irreps in its own basis."""
    return circles if len(select.where(circles, basis="own")) else circles.iloc[:0]


def _caption(circles: pd.DataFrame) -> str:
    return (
        f"{circles['run'].iloc[0]}: the final embedding on the plane of each key irrep, in brackets its power; "
        "coloured by how far the irrep turns for the element, once around. Under them in grey, where the task has a "
        "wrong basis, the irreps of largest power in that, on whose planes numbers lie on no circle."
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
    """The final embedding of a run on the plane of each of its key irreps, those of largest power first.

    The colour goes once around with the angle by which the irrep turns for an element; where it has no frequency it
    goes with the element. The last row, titled in grey, is the control: the irreps of largest power in the wrong basis.
    Operations in one group share their circles. In a mixed task each group has rows of its own. There the wrong basis
    of one group is the own basis of another; that is no control, and it is not shown.

    Args:
        table: of `grokscope.analysis.circles`, for one run.

    Raises ValueError for a table of several runs, or without key irreps.
    """
    runs, own = select.names(table, "run"), select.where(table, basis="own")
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
    rows_of_planes = []
    for group in groups:
        operation = select.names(select.where(own, group=group), "operation")[0]
        planes = _planes(select.where(own, operation=operation), f"{operation}: " if len(groups) > 1 else "")[:MOST]
        rows_of_planes += [planes[start : start + ACROSS] for start in range(0, len(planes), ACROSS)]
        wrong = select.where(table, operation=operation, basis="wrong")
        if len(wrong) and wrong["group"].iloc[0] not in groups:
            rows_of_planes.append(_planes(wrong, "wrong: ", control=True)[:ACROSS])
    return rows_of_planes


def _planes(of_basis: pd.DataFrame, prefix: str, *, control: bool = False) -> list[_Plane]:
    """The planes of one operation in one basis, by falling power."""
    planes = []
    for name in select.names(of_basis, "irrep"):
        points = select.where(of_basis, irrep=name)
        label, power = labels_of(points)[0], float(select.numbers(points, "power")[0])
        label = f"k = {label}" if label.isdecimal() else label
        planes.append(_Plane(points, power, f"{prefix}{label}  ({100 * power:.0f}%)", control))
    return sorted(planes, key=lambda plane: -plane.power)


def _draw(ax: Axes, plane: _Plane) -> None:
    x, y = select.numbers(plane.points, "x"), select.numbers(plane.points, "y")
    ax.scatter(x, y, s=7, c=style.around(select.numbers(plane.points, "turn")), linewidths=0)
    reach = 1.12 * max(np.abs(x).max(), np.abs(y).max(), 1e-12)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    ax.grid(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    style.title(ax, plane.title, pad=2, colour=WRONG if plane.control else style.INK)
