"""What figures of times to an event share: labels of their axes, colours of arms, ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axis import Axis

from grokscope.analysis import names
from grokscope.analysis.timing import Event, Unit
from grokscope.figures import style

PALETTE = (style.CLIPPED[0], style.UNCLIPPED[0], style.CLIPPED[2], style.UNCLIPPED[2], style.UNCLIPPED[1],
           style.CLIPPED[1], style.CLIPPED[3], style.UNCLIPPED[3])  # fmt: skip
"""The first few of these colours are far apart from each other."""
EVENTS = {
    "memorisation": "to memorisation",
    "grok": "to the grok",
    "sustained_grok": "to the sustained grok",
    "delay": "from memorisation to the grok",
}
NOT_YET = {"memorisation": "memorised", "grok": "grokked", "sustained_grok": "grokked for good", "delay": "grokked"}
UNITS = {"steps": "steps", "gradient_evaluations": "gradient evaluations", "seconds": "seconds of training"}


def event_and_unit(table: pd.DataFrame) -> tuple[Event, Unit]:
    """The event and the unit of a table. Raises ValueError unless it has one of each."""
    for column in ("event", "unit"):
        if len(names(table, column)) != 1:
            listed = ", ".join(names(table, column)) or "nothing"
            raise ValueError(f"the table has {column} = {listed}: draw one at a time")
    return table["event"].to_numpy()[0], table["unit"].to_numpy()[0]


def time_label(table: pd.DataFrame) -> str:
    """The label of an axis of times, such as `steps to the grok`. Raises as `event_and_unit` does."""
    event, unit = event_and_unit(table)
    return f"{UNITS[unit]} {EVENTS[event]}"


def colours(arms: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The colour of every arm: the given one, or else one of a palette."""
    shades = PALETTE if len(arms) <= len(PALETTE) else sns.color_palette("husl", len(arms)).as_hex()
    return dict(zip(arms, shades, strict=False)) | dict(given or {})


def logarithmic(axis: Axis, low: float, high: float, wide: float = 300.0) -> None:
    """Make an axis of times logarithmic, from somewhat below `low` to somewhat above `high`, in plain numbers.

    If high / low is more than `wide`, only powers of ten are labelled.
    """
    ax = axis.axes
    if axis is ax.xaxis:
        ax.set(xscale="log", xlim=(low / 1.15, high * 1.15))
    else:
        ax.set(yscale="log", ylim=(low / 1.15, high * 1.15))
    style.log_ticks(axis, low, high, wide)
