"""What the figures of a circuit share: a panel for each run and operation, irreps on an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.groups import short_label

RunOperation = tuple[str, str]
"""Name of a run and of an operation of its task: what one panel is about."""
OWN, WRONG = "#0072B2", "#999999"
"""Colours of the task's own basis and of the wrong one."""
POWER_MAP = "mako_r"
"""Colours of power: darker is more."""
SHARED = (
    " In a mixed task the wrong basis of one operation may be the own basis of another: what shows there in the "
    "embedding, and in layers that do not yet tell operations apart, is there for that one."
)


def runs_and_operations(table: pd.DataFrame) -> list[RunOperation]:
    """Every (run, operation) of a table, in order of appearance."""
    return list(dict.fromkeys(zip(map(str, table["run"]), map(str, table["operation"]), strict=True)))


def of_operation(table: pd.DataFrame, panel: RunOperation) -> pd.DataFrame:
    """The rows of one run and operation."""
    return select.where(table, run=panel[0], operation=panel[1])


def steps_of_task(table: pd.DataFrame, here: pd.DataFrame) -> Float[np.ndarray, " row"]:
    """The steps of all runs of the task that some rows are of, which are compared on one axis."""
    return select.numbers(select.where(table, task=str(here["task"].iloc[0])), "step")


def panels_by_layer(table: pd.DataFrame) -> list[tuple[RunOperation, int]]:
    """Every (run, operation) of a table with each of its layers."""
    panels = runs_and_operations(table)
    return [(panel, layer) for panel in panels for layer in sorted(of_operation(table, panel)["layer"].unique())]


def last_checkpoint(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that is about the last step of each run."""
    return table.loc[table["step"] == table.groupby("run")["step"].transform("max")]


def panel_title(table: pd.DataFrame, panel: RunOperation) -> str:
    """The name of the run; if its task has several operations, with that of the operation."""
    several = len(select.names(select.where(table, run=panel[0]), "operation")) > 1
    return f"{panel[0]}: {panel[1]}" if several else panel[0]


def grid_of_panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, at most two in a row."""
    columns = min(count, 2)
    figure, grid = style.blank(-(-count // columns), columns, panel=(style.PAGE / max(columns, 1), height))
    axes = [ax for row in grid for ax in row]
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def short_irreps(irreps: pd.DataFrame) -> dict[str, str]:
    """A short label of each irrep, in order: see `labels_of`."""
    return dict(zip(map(str, irreps["irrep"]), labels_of(irreps), strict=True))


def labels_of(irreps: pd.DataFrame) -> list[str]:
    """The label of each row's irrep: the number of a frequency, or the name of another irrep (`short_label`)."""
    pairs = zip(irreps["irrep"], irreps["frequency"], strict=True)
    return [short_label(str(irrep), None if pd.isna(k) else int(k)) for irrep, k in pairs]


def irrep_word(irreps: pd.DataFrame) -> str:
    """The label of an axis of irreps."""
    return "frequency" if all(map(str.isdecimal, labels_of(irreps))) else "irrep"


def caption_of_controls(text: str) -> Callable[[pd.DataFrame], str]:
    """The caption of a plate with the wrong basis as control; in a mixed task it says what that basis shares."""

    def caption(table: pd.DataFrame) -> str:
        own = select.where(table, basis="own")
        groups = [select.names(select.where(own, run=run), "group") for run in select.names(own, "run")]
        return text + SHARED if any(len(of_run) > 1 for of_run in groups) else text

    return caption


def bases_of(table: pd.DataFrame) -> list[str]:
    """The bases that a table has: `own`, and for most tasks `wrong`."""
    return [basis for basis in ("own", "wrong") if basis in select.names(table, "basis")]


def irrep_axis(ax: Axes, irreps: pd.DataFrame) -> None:
    """Label a horizontal axis with irreps at 1, 2, ...: frequencies by their number, other irreps by their name."""
    word = irrep_word(irreps)
    ax.set_xlabel(word, size=style.LABEL)
    if word == "irrep":
        names = list(short_irreps(irreps).values())
        ax.set_xticks(range(1, len(names) + 1), names)
        room = ax.bbox.width / ax.figure.dpi / len(names)  # inches, before the layout
        if max(map(len, names)) * style.TICK / 130 > room:
            ax.tick_params(axis="x", labelrotation=30)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Increasing places, moved apart as little as is needed for a distance of at least `gap` between neighbours.

    Places that are too near each other are spread around their common middle. This is the least-squares solution: an
    isotonic regression of place - i * gap, made by pooling neighbours that are out of order.
    """
    pools: list[list[float]] = []
    for i, place in enumerate(places):
        pools.append([place - i * gap])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            late = pools.pop()
            pools[-1] += late
    middles = [_mean(pool) for pool in pools for _ in pool]
    return [middle + i * gap for i, middle in enumerate(middles)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def grok_step(milestones: pd.DataFrame, run: str) -> float | None:
    """The grok step of a run, or None if it did not grok."""
    steps = select.reached(select.where(milestones, run=run), "grok_step")
    return float(steps[0]) if len(steps) else None
