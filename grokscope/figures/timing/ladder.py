"""A ladder of arms: how much later than a reference each is, beside the margin up to which it counts as soon."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from grokscope.analysis import names, numbers, where
from grokscope.figures import style
from grokscope.figures.timing.times import EVENTS, logarithmic

VERDICTS = {"as soon": style.CLIPPED[0], "later": style.UNCLIPPED[0], "cannot tell": "#7a7a7a"}
"""The colour of each verdict."""
BAND = "#dcebf5"
RELATIVE = "relative to the clip"


def ladder(table: pd.DataFrame, labels: Mapping[str, str] | None = None) -> Figure:
    """The ratio of an arm's time to that of its reference, arm by arm, with its interval, on a logarithmic axis.

    The band ends at the margin of the test. A dot is a geometric mean over seeds, the line goes from the lower to the
    upper end, each one-sided; an arrow is an end that is not known. A dot is hollow where the ratio is a bound, because
    some run is censored. Colours are verdicts. On the right: the ratio, and how many seeds there are. The axis names
    the event whose time is compared; where arms have several, those of another than most say so beside their name. An
    arm without a ratio has its statement in place of a dot.

    Args:
        table: of `grokscope.analysis.timing.non_inferiority`, in the order in which it is drawn. With a column `panel`,
            each of its values has a panel of its own; all have the same arms, and the same axis. Without a column
            `event`, times are of the sustained grok.
        labels: what stands for an arm. Those that it names come first, in its order: an arm that is not in the first
            panel has its place too.
    """
    panels = names(table, "panel") if "panel" in table else [""]
    drawn = names(table, "arm")
    arms = [*filter(drawn.__contains__, labels or {}), *(arm for arm in drawn if arm not in (labels or {}))]
    columns = min(len(panels), 2)
    down = -(-len(panels) // columns)
    width = 5.0 if len(panels) == 1 else style.PAGE / 2
    figure, axes = style.blank(down, columns, panel=(width, 0.6 + 0.2 * max(len(arms), 1)))
    ends = np.concatenate([numbers(table, name) for name in ("ratio", "low", "high")])
    known = ends[np.isfinite(ends) & (ends > 0)]
    margin = float(table["margin"].iloc[0]) if len(table) else 1.15
    event, beside = _events(table)
    for place, ax in enumerate([ax for row in axes for ax in row]):
        if place >= len(panels):
            ax.set_visible(False)
            continue
        left, right = min(float(known.min(initial=1.0)), 0.9), max(float(known.max(initial=1.0)), margin)
        logarithmic(ax.xaxis, left, right, wide=300.0 if columns == 1 else 50.0)
        shown = where(table, panel=panels[place]) if "panel" in table else table
        _panel(ax, shown, arms, margin)
        first = place % columns == 0
        ax.set_yticks(
            range(len(arms)), [(labels or {}).get(arm, arm) + beside.get(arm, "") if first else "" for arm in arms]
        )
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
        if place + columns >= len(panels):
            label = f"steps {EVENTS[event]}, {RELATIVE}" if len(panels) == 1 else f"steps {RELATIVE}"
            ax.set_xlabel(label, size=style.LABEL)
        if panels[place]:
            style.title(ax, panels[place], weight="bold")
    seen = [verdict for verdict in VERDICTS if verdict in set(table["verdict"])]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=VERDICTS[verdict], marker="o", markersize=4.5, label=verdict) for verdict in seen
    ]
    handles.append(Patch(color=BAND, label=f"up to {margin:g} times"))
    style.legend(figure, handles, columns=4)  # type: ignore[arg-type]
    return figure


def _events(table: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The event that most arms have, and what stands beside the names of the others."""
    if "event" not in table or not len(table):
        return "sustained_grok", {}
    most = str(table["event"].mode().iloc[0])
    others = table.loc[table["event"] != most]
    return most, {str(arm): f" ({EVENTS[event]})" for arm, event in zip(others["arm"], others["event"], strict=True)}


def _panel(ax: Axes, table: pd.DataFrame, arms: list[str], margin: float) -> None:
    left, right = ax.get_xlim()
    ax.axvspan(left, margin, color=BAND, linewidth=0, zorder=0)
    ax.axvline(1.0, color=style.INK, linewidth=style.WIDTH["thin"], zorder=1)
    for row in table.to_dict("records"):
        _rung(ax, arms.index(str(row["arm"])), row, (left, right))
    ax.set_xlim(left, right)
    ax.set_ylim(len(arms) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def _rung(ax: Axes, place: int, row: Mapping[str, object], edges: tuple[float, float]) -> None:
    ratio, low, high = (float(str(row[name])) for name in ("ratio", "low", "high"))
    if np.isnan(ratio):
        ax.text(
            *(0.02, place, str(row["statement"])),
            transform=ax.get_yaxis_transform(),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            size=style.TICK,
            va="center",
            color=style.INK,
        )
        return
    shade = VERDICTS.get(str(row["verdict"]), style.INK)
    if not np.isnan(low):
        ends = [max(low, edges[0]), min(high, edges[1]) if not np.isnan(high) else ratio]
        ax.plot(ends, [place, place], color=shade, linewidth=style.WIDTH["line"], zorder=2, label="_interval")
    sign = "≥ " if row["is_lower_bound"] else "≤ " if row["is_upper_bound"] else ""
    without_ends = sign if np.isnan(high) else ""  # one seed, and a censored run
    for unknown, edge, arrow in (
        (low == 0 or without_ends == "≤ ", edges[0], "<"),
        (np.isinf(high) or without_ends == "≥ ", edges[1], ">"),
    ):
        if unknown:
            ax.plot(edge, place, arrow, color=shade, markersize=4.5, clip_on=False, label="_no end")
    face = "white" if sign else shade
    ax.plot(ratio, place, "o", color=face, markeredgecolor=shade, markersize=5, zorder=3, label="_ratio")
    text = f"{sign}{ratio:.2f}×, n = {row['seeds']}"
    ax.text(1.06, place, text, transform=ax.get_yaxis_transform(), size=style.TICK, va="center", color=style.INK)
