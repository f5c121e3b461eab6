"""Effects as the earlier experiment measured them, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf, isnan

import pandas as pd

SPEED_UP, SHARE = "speed-up", "share"
"""Kinds of quantities, by how they are written: `5.2×`, `43%`, and others as plain numbers."""


def in_words(row: Mapping[str, object]) -> str:
    """An effect with its 95% interval and n in one piece: `5.2× (4.1× to 6.6×, n = 10)`."""
    value, low, high = (float("nan") if pd.isna(row[name]) else float(str(row[name])) for name in _NUMBERS)  # type: ignore[call-overload]
    form = {SPEED_UP: _ratio, SHARE: _percent}.get(str(row["kind"]), _plain)
    said = str(row["statement"])
    interval = "" if isnan(low) or isnan(high) else f"{form(low)} to {form(high)}, "
    if isnan(value):
        shown = said.split(";")[0].replace("-", "−")
    else:
        bound = "≥ " if "at least" in said else "≤ " if "at most" in said else ""
        shown = f"{bound}{form(value)}"
    return f"{shown} ({interval}n = {row['seeds']})"


_NUMBERS = ("value", "low", "high")


def _ratio(value: float) -> str:
    return "∞" if isinf(value) else f"{value:.3g}×"


def _percent(value: float) -> str:
    return ("∞" if value > 0 else "−∞") if isinf(value) else f"{100 * value:.0f}%".replace("-", "−")


def _plain(value: float) -> str:
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")
