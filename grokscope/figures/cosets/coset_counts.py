"""How many neurons each class of subgroups explains, over training."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis.tables import select
from grokscope.figures import style
from grokscope.figures.circuit.circuit_panels import (
    grok_step,
    of_operation,
    panel_title,
    panels_by_layer,
    steps_of_task,
)
from grokscope.figures.plates import plate

SHOWN = 7
"""How many classes have a curve of their own."""


@plate(
    section="cosets",
    table="coset_summary",
    caption="Neurons that each class of subgroups explains: at least 0.85 of their variance with an operand is between "
    "cosets, and more than between random partitions of the same sizes (1% level).",
    place=2,
)
def coset_counts(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """How many neurons each class of subgroups explains in either operand, by step; each layer has a panel.

    The classes that explain the most neurons at any step have a curve each. The broad curve is of all classes together.

    Args:
        table: of `grokscope.analysis.coset_summary`.
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    either = select.where(table, operand="either")
    single = either.loc[either["subgroup"] != "any"]
    most = single.groupby("subgroup", sort=False)["n_explained"].max().sort_values(ascending=False, kind="stable")
    shown = [str(name) for name, count in most.items() if count > 0][:SHOWN]
    colours = sns.color_palette("colorblind", max(len(shown), 1)).as_hex()
    curves = {"any": (style.FAINT, 2 * style.WIDTH["line"])}
    curves |= {name: (colour, style.WIDTH["line"]) for name, colour in zip(shown, colours, strict=False)}
    places = panels_by_layer(either)
    columns = style.columns_for(len(places)) if len(places) < 3 else 2
    figure, grid = style.blank(-(-len(places) // columns), columns, panel=(style.PAGE / columns, 1.9))
    axes = [ax for row in grid for ax in row]
    for ax in axes[len(places) :]:
        ax.remove()
    for number, (ax, (panel, layer)) in enumerate(zip(axes, places, strict=False)):
        here = select.where(of_operation(either, panel), layer=layer)
        grok = grok_step(milestones, panel[0])
        if grok is not None:
            style.mark_step(ax, grok, "grok_step", style.INK)
        for name, (colour, width) in curves.items():
            curve = select.where(here, subgroup=name)
            ax.plot(
                curve["step"], curve["n_explained"], color=colour, marker=style.marker_of(curve),
                linewidth=width, label=name,
            )  # fmt: skip
        style.linear_steps(ax, steps_of_task(either, here))
        ax.set_ylim(0, max(1.0, ax.get_ylim()[1]))
        style.title(ax, f"{panel_title(either, panel)}, layer {layer}")
        ax.set_title(f"{here['n_neurons'].iloc[0]:,} neurons", loc="right", size=style.TICK, color=style.INK)
        if number % columns == 0:
            ax.set_ylabel("neurons explained", size=style.LABEL)
    handles = [
        Line2D([], [], color=colour, linewidth=width, label="any subgroup" if name == "any" else name)
        for name, (colour, width) in curves.items()
    ]
    handles.append(
        Line2D([], [], color=style.INK, linestyle=style.MILESTONE_STYLE["grok_step"], linewidth=0.9, label="grokked")
    )
    style.legend(figure, handles, min(len(handles), 5 if columns > 1 else 3))
    return figure
