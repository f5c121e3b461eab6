"""How tasks, ratios and their intervals are written on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf, isnan

import pandas as pd

from grokscope.experiments.wording import TITLES, joined

FEW = 5
"""Shared seeds below which a verdict is called an indication."""


def listed(tasks: Sequence[str]) -> str:
    """Some tasks in a sentence; all six by their number."""
    return "all six tasks" if set(tasks) == set(TITLES) else joined([TITLES[task] for task in tasks])


def ratio_in_words(row: Mapping[str, object], *, brackets: bool = True) -> str:
    """A ratio of `summary` with its interval and n: `1.02× (0.94 to 1.10, n = 5)`; where there is none, why not.

    The interval has two one-sided ends of 95% each. An end that a censored run leaves open is ∞.
    """
    ratio, low, high = (_float(row[name]) for name in ("ratio", "low", "high"))
    if isnan(ratio):
        return str(row["statement"])
    bound = "≥ " if row["is_lower_bound"] is True else ""
    ends = "" if isnan(low) else f"{low:.2f} to {'∞' if isinf(high) else f'{high:.2f}'}, "
    beside = f"{ends}n = {row['shared']}"
    return f"{bound}{ratio:.2f}×{f' ({beside})' if brackets else f', {beside}'}"


def _float(value: object) -> float:
    return float("nan") if pd.isna(value) else float(str(value))  # type: ignore[call-overload]
