"""What a network loses without its key irreps, beside the controls."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    OWN,
    WRONG,
    bases_of,
    caption_of_controls,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
)
from grokscope.figures.plates import plate

SITES = ("embedding", "neurons", "logits")
QUANTITIES = {"loss": "validation loss (nats)", "accuracy": "validation accuracy"}
MARKS = {
    "key": {"marker": "o", "color": OWN, "markersize": 5},
    "control": {"marker": "o", "markerfacecolor": "white", "markeredgecolor": OWN, "markersize": 5},
    "wrong": {"marker": "s", "color": WRONG, "markersize": 4.5},
}
NAMES = {
    "key": "without its key irreps",
    "control": "without others, equal power",
    "wrong": "without the strongest of the wrong basis",
}
FLOOR = 1e-4
"""Smaller losses are drawn at this value, for the axis is logarithmic."""
SHIFT = {"key": 0.0, "control": 0.22, "wrong": -0.22}
"""How far above or below its site each kind of mark is drawn, so that marks of equal value do not hide one another."""


@plate(
    section="circuit",
    table="ablation",
    of=last_checkpoint,
    caption=caption_of_controls(
        "Validation loss and accuracy of the final network without its key irreps: removed from the embedding, from "
        "the last MLP's neurons or from the logits. Controls: instead of them others of the same basis, scaled to "
        "equal power; and as many irreps of the wrong basis, those of largest power in the embedding."
    ),
    place=5,
)
def ablation(table: pd.DataFrame) -> Figure:
    """Validation loss and accuracy of the last checkpoint without its key irreps, site by site, beside the controls.

    Each run and operation has a row of panels: loss on the left, accuracy on the right. One control removes other
    irreps of the same basis, scaled to equal power. The other removes as many irreps of the wrong basis as there are
    keys, those of largest power.

    Args:
        table: of `grokscope.analysis.ablation`.
    """
    final = last_checkpoint(table)
    panels, sites = runs_and_operations(final), [site for site in SITES if site in select.names(final, "site")]
    figure, grid = style.blank(len(panels), len(QUANTITIES), panel=(style.PAGE / 2, 1.15))
    for row, panel in zip(grid, panels, strict=True):
        here = of_operation(final, panel)
        count = int(select.where(here, set="hindsight")["n_irreps"].iloc[0])
        own, wrong = (select.where(here, split="val", set=name) for name in ("hindsight", "matched"))
        for ax, quantity in zip(row, QUANTITIES, strict=True):
            floor = FLOOR if quantity == "loss" else 0.0
            _dress(ax, quantity, sites)
            for value in select.numbers(own, f"full_{quantity}")[:1]:
                ax.axvline(max(value, floor), color=style.INK, linewidth=0.9, label="full")
            for kind, part, column in (
                ("wrong", wrong, quantity),
                ("control", own, f"control_{quantity}"),
                ("key", own, quantity),
            ):
                places = [sites.index(str(site)) - SHIFT[kind] for site in part["site"]]
                values = select.numbers(part, column).clip(floor)
                ax.plot(values, places, linestyle="none", label=kind, **MARKS[kind])
            if quantity == "loss":
                style.log_ticks(ax.xaxis, *ax.get_xlim(), wide=1000.0)
        style.title(row[0], panel_title(final, panel))
        removed = f"{count or 'no'} key irrep{'' if count == 1 else 's'}"
        row[1].set_title(removed, loc="right", size=style.TICK, color=style.INK)
    for ax, label in zip(grid[-1], QUANTITIES.values(), strict=True):
        ax.set_xlabel(label, size=style.LABEL)
    figure.align_xlabels()
    whole = Line2D([], [], color=style.INK, linewidth=0.9, label="whole network")
    kinds = [kind for kind in MARKS if kind != "wrong" or "wrong" in bases_of(final)]
    marks = [Line2D([], [], linestyle="none", label=NAMES[kind], **MARKS[kind]) for kind in kinds]
    style.legend(figure, [whole, *marks], 2)
    return figure


def _dress(ax: Axes, quantity: str, sites: Sequence[str]) -> None:
    ax.set_ylim(len(sites) - 0.5, -0.5)
    ax.set_yticks(range(len(sites)), sites)
    ax.tick_params(axis="y", length=0)
    if quantity == "loss":
        ax.set_xscale("log")
    else:
        ax.set_xlim(-0.03, 1.03)
        ax.tick_params(axis="y", labelleft=False)
