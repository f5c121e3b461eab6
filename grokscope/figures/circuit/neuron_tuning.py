"""Few frequencies in, detectors of answers out: each neuron of the first layer by irrep, each of the last by answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import POWER_MAP
from grokscope.figures.plates import plate

ANSWER_MAP = "vlag"
STRONG = 3.0
"""Standard deviations at which the colours of the answers end."""
BARS = {"irrep": "share of variance", "answer": "mean, in standard deviations"}
LABELS = 12
"""At most so many labels stand on an axis."""
WIDE = 3
"""Characters of the longest label that stands level; longer ones are turned, as they would run into each other."""


@plate(
    section="circuit",
    table="neuron_tuning",
    by_run=True,
    caption="Every neuron at the last checkpoint. Left: those of the first layer by irrep (frequency); darker where "
    "the irrep explains more of the neuron's variance over pairs. Right: those of the last layer by answer; the mean "
    "over the pairs with that answer less that over all pairs, in the neuron's standard deviations (the colours end at "
    "3). Neurons are sorted by the irrep, or the answer, that each answers to most. A network that reads its operands "
    "through few frequencies has few columns on the left; one with a detector for each answer has a diagonal "
    "on the right.",
    place=6.5,
)
def neuron_tuning(table: pd.DataFrame) -> Figure:
    """Neurons of the first layer by irrep, beside those of the last by answer; each run and operation has a row.

    Args:
        table: of `grokscope.analysis.neuron_tuning`.
    """
    panels = list(dict.fromkeys(zip(map(str, table["run"]), map(str, table["operation"]), strict=True)))
    figure, grid = style.blank(max(len(panels), 1), 2, panel=(style.PAGE / 2, 2.5))
    several = len(panels) > len(select.names(table, "run"))
    for (run, operation), axes in zip(panels, grid, strict=False):
        here = select.where(table, run=run, operation=operation)
        for ax, by in zip(axes, ("irrep", "answer"), strict=True):
            part = select.where(here, by=by)
            image = _heat(ax, part, by)
            layer = int(part["layer"].iloc[0]) if len(part) else 0
            what = _word(part) if by == "irrep" else "answer"
            name = f"{run}: {operation}" if several else run
            style.title(ax, f"{name}, layer {layer} by {what}" if by == "irrep" else f"layer {layer} by {what}")
            ax.set_xlabel(what, size=style.LABEL)
            bar = figure.colorbar(image, ax=ax, pad=0.02, aspect=25)
            bar.set_label(BARS[by], size=style.TICK, color=style.INK)
            bar.ax.tick_params(labelsize=style.TICK, color=style.INK, labelcolor=style.INK, width=0.6, length=2)
            bar.outline.set_visible(False)  # type: ignore[operator]
        axes[0].set_ylabel("neuron, sorted", size=style.LABEL)
    return figure


def _heat(ax: Axes, part: pd.DataFrame, by: str) -> AxesImage:
    """One layer's neurons, from the top down, by irrep or answer, from left to right."""
    at, place = (select.numbers(part, name).astype(int) for name in ("at", "place"))
    shape = (int(place.max()) + 1, int(at.max()) + 1) if len(part) else (1, 1)
    values = np.zeros(shape)
    values[place, at] = select.numbers(part, "value")
    name, low, high = (POWER_MAP, 0.0, 1.0) if by == "irrep" else (ANSWER_MAP, -STRONG, STRONG)
    colours = sns.color_palette(name, as_cmap=True)
    image = ax.imshow(values, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
    labels = part.drop_duplicates("at").sort_values("at")["label"].tolist()
    every = max(1, -(-len(labels) // LABELS))
    turned = max(map(len, labels), default=0) > WIDE
    ax.set_xticks(range(0, len(labels), every), labels[::every], rotation=90 if turned else 0)
    ax.grid(False)
    return image


def _word(part: pd.DataFrame) -> str:
    """What the irreps of a group are called that have numbers for names."""
    return "frequency" if len(part) and part["label"].str.isdecimal().all() else "irrep"
