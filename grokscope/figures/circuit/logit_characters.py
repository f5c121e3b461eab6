"""The logits' character spectrum: how much of the logits each character of a * b * c^-1 explains."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    OWN,
    WRONG,
    bases_of,
    grid_of_panels,
    irrep_axis,
    last_checkpoint,
    of_operation,
    panel_title,
    runs_and_operations,
    short_irreps,
)
from grokscope.figures.plates import plate

LABELLED = 0.02
"""Characters that explain at least this share of the logits are labelled."""
COLOURS = {"own": OWN, "wrong": WRONG}


@plate(
    section="circuit",
    table="logit_characters",
    of=last_checkpoint,
    caption="Share of the centred logits that each character of a*b*c^-1 explains, at the end.",
    place=9,
)
def logit_characters(table: pd.DataFrame) -> Figure:
    """Share of the centred logits that each character explains at the last checkpoint, in the own and the wrong basis.

    Args:
        table: of `grokscope.analysis.logit_characters`.
    """
    final = last_checkpoint(table)
    panels = runs_and_operations(final)
    figure, axes = grid_of_panels(len(panels), 1.8)
    for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        totals = []
        here = of_operation(final, panel)
        bases = bases_of(here)
        for number, basis in enumerate(bases):
            part = select.where(here, basis=basis)
            share = select.numbers(part, "share")
            at = np.arange(1, len(part) + 1)
            shift = 0.4 * (number - (len(bases) - 1) / 2)
            ax.bar(at + shift, share, width=0.84 / len(bases), color=COLOURS[basis], linewidth=0)
            totals.append(f"{basis} {100 * share.sum():.1f}%")
            if basis == "own":
                names = list(short_irreps(part).values())
                for irrep in np.flatnonzero(share >= LABELLED):
                    ax.annotate(
                        names[irrep], (at[irrep] + shift, share[irrep]), (0, 1.5), textcoords="offset points",
                        ha="center", va="bottom", size=style.TICK - 1, color=style.INK,
                    )  # fmt: skip
                irrep_axis(ax, part)
        ax.margins(y=0.12)
        ax.set_ylim(bottom=0)
        ax.grid(False, axis="x")
        style.title(ax, panel_title(final, panel))
        ax.set_title(", ".join(totals), loc="right", size=style.TICK, color=style.INK)
        if index % 2 == 0:
            ax.set_ylabel("share of the logits", size=style.LABEL)
    handles = [Line2D([], [], color=COLOURS[b], linewidth=5, label=f"{b} basis") for b in bases_of(final)]
    style.legend(figure, handles)
    return figure
