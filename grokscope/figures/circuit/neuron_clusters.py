"""Neuron clusters: how much of each neuron one irrep explains, sorted by irrep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.circuit.neurons import CLUSTER_SHARE
from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    WRONG,
    bases_of,
    caption_of_controls,
    last_checkpoint,
    of_operation,
    panel_title,
    panels_by_layer,
    short_irreps,
)
from grokscope.figures.plates import plate


@plate(
    section="circuit",
    table="neurons",
    of=last_checkpoint,
    caption=caption_of_controls(
        "Share of each neuron's variance over all pairs of operands that its irrep explains, at the end."
    ),
    place=6,
)
def neuron_clusters(table: pd.DataFrame) -> Figure:
    """Share of every neuron's variance that its irrep explains at the last checkpoint, a panel per layer.

    Neurons are sorted by irrep, and those of one irrep by their share. Each irrep has a colour, and a label if at
    least 3.5% of the neurons have it. The grey line shows the shares in the wrong basis, in increasing order.

    Args:
        table: of `grokscope.analysis.neurons`.
    """
    final = last_checkpoint(table)
    places = panels_by_layer(final)
    figure, grid = style.blank(len(places), 1, panel=(style.PAGE, 1.45))
    for ax, (panel, layer) in zip((row[0] for row in grid), places, strict=True):
        here = select.where(of_operation(final, panel), layer=layer)
        own = select.where(here, basis="own").dropna(subset=["irrep"])
        order = {name: i for i, name in enumerate(sorted(short_irreps(own), key=lambda n: _rank(own, n)))}
        own = own.assign(rank=[order[str(name)] for name in own["irrep"]]).sort_values(["rank", "share"], kind="stable")
        share = select.numbers(own, "share")
        palette = sns.color_palette("husl", max(len(order), 1))
        ax.bar(np.arange(len(own)), share, width=1.0, color=[palette[int(r)] for r in own["rank"]], linewidth=0)
        _label_irreps(ax, own)
        wrong = select.where(here, basis="wrong")
        if len(wrong):
            ax.plot(np.arange(len(wrong)), np.sort(select.numbers(wrong, "share")), color=WRONG, linewidth=1.3)
        ax.axhline(CLUSTER_SHARE, color=style.INK, linestyle=":", linewidth=0.9)
        ax.set(xlim=(-0.5, max(len(own), 1) - 0.5), ylim=(0, 1.12))
        ax.grid(False, axis="x")
        ax.set_ylabel("share explained", size=style.LABEL)
        style.title(ax, f"{panel_title(final, panel)}, layer {layer}")
        ax.set_title(
            f"{(share >= CLUSTER_SHARE).sum()} of {len(own)} in clusters", loc="right", size=style.TICK, color=style.INK
        )
    grid[-1][0].set_xlabel("neuron, sorted by irrep", size=style.LABEL)
    handles = [
        Line2D([], [], color=style.INK, linestyle=":", linewidth=0.9, label=f"a cluster: {CLUSTER_SHARE:g} or more"),
    ]
    if "wrong" in bases_of(final):
        handles.append(Line2D([], [], color=WRONG, linewidth=1.3, label="wrong basis, sorted by share"))
    style.legend(figure, handles)
    return figure


def _rank(here: pd.DataFrame, irrep: str) -> tuple[float, str]:
    """A key to sort irreps by: frequencies by their number, other irreps by their name."""
    frequency = select.where(here, irrep=irrep)["frequency"].iloc[0]
    return (0.0 if pd.isna(frequency) else float(frequency), irrep)


def _label_irreps(ax: Axes, here: pd.DataFrame) -> None:
    names = short_irreps(here)
    start = 0
    ticks, labels = [], []
    for name, group in here.groupby("irrep", sort=False):
        if len(group) >= 0.035 * len(here):
            ticks.append(start + len(group) / 2)
            labels.append(names[str(name)])
        start += len(group)
    ax.set_xticks(ticks, labels)
    ax.tick_params(axis="x", length=0)
