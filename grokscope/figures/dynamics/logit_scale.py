"""How large the logits are, and on how many examples they are so large that no gradient is left."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import (
    arm_handles,
    curve,
    dot_at_grok,
    label_steps,
    log_values,
    panels,
    width,
)
from grokscope.figures.plates import plate

SCALES = {
    "logit_std": "std of centred logits",
    "margin": "mean margin (nats)",
    "entropy": "predicted entropy (nats)",
    "hidden_norm": "norm of the last hidden state",
    "final_gain_norm": "norm of the final gain",
}
SHARES = {"collapse": "softmax collapse"}


@plate(
    section="dynamics",
    table="collapse",
    caption="Scale of the logits that the loss sees, on the train set, and the share of examples with softmax collapse "
    "(sum of exp(z - max z) is 1 in that precision, so that no gradient is left) in the run's dtype and in float64 of "
    "the same weights, and with a loss of exactly 0.",
    place=2,
)
def logit_scale(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure:
    """Size of the logits, margin, entropy, hidden norm, final gain and the share of collapsed examples, by step.

    Solid lines are in the dtype of the run. In the panel of collapsed examples, dashed lines are in float64, of the
    same weights, and dotted lines are the share of examples with a loss of exactly 0 in the dtype of the run.

    Args:
        table: of `grokscope.analysis.collapse`, or of `grokscope.analysis.probes` (which has no float64).
        milestones: of `grokscope.analysis.milestones`, for the same runs.
    """
    whole = where(table, group="all", parameter="") if "parameter" in table else table
    whole = whole.loc[whole["logit_std"].notna()]
    own = whole.drop_duplicates(["run", "step"])  # the run's dtype comes first
    exact = where(whole, dtype="float64") if "dtype" in whole else whole.iloc[:0]
    colours = style.arm_colours(milestones)
    # Without LayerNorm there is no final gain.
    shown = {column: name for column, name in (SCALES | SHARES).items() if own[column].notna().any()}
    figure, axes = panels(len(shown), height=1.6)
    for ax, (column, name) in zip(axes, shown.items(), strict=True):
        for run in milestones.to_dict("records"):
            line, colour = where(own, run=run["run"]), colours[run["arm"]]
            thickness = width(milestones, run["arm"])
            curve(ax, line, column, colour, run["run"], linewidth=thickness)
            if column in SHARES:
                twin = where(exact, run=run["run"])
                curve(ax, twin, column, colour, "_float64", linestyle=style.SPLIT_STYLE["train"], linewidth=thickness)
                curve(ax, line, "zero_loss", colour, "_zero_loss", linestyle=(0, (1, 1.2)), linewidth=thickness)
            dot_at_grok(ax, line, column, run["grok_step"], colour)
        if column in SHARES:
            ax.set_ylim(-0.03, 1.03)
            style.title(ax, "share of train examples")
        else:
            style.title(ax, name)
        if column not in SHARES and column not in ("margin", "entropy"):
            log_values(ax, numbers(own, column))
    label_steps(axes, numbers(whole, "step"))
    handles = arm_handles(milestones, colours)
    looks = {"collapsed": "-", "collapsed in float64": style.SPLIT_STYLE["train"], "loss exactly 0": (0, (1, 1.2))}
    if not len(names(exact, "run")):
        looks.pop("collapsed in float64")
    handles += [
        Line2D([], [], color=style.INK, linestyle=dash, linewidth=style.WIDTH["line"], label=label)
        for label, dash in looks.items()
    ]
    style.legend(figure, handles, columns=min(4, len(handles)))
    return figure
