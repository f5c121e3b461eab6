"""How tasks, ratios and their intervals are written on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

import pandas as pd

from grokscope.analysis import where
from grokscope.experiments.wording import TITLES, interval, joined

FEW = 5
"""Shared seeds below which a verdict is called an indication."""


def listed(tasks: Sequence[str]) -> str:
    """Some tasks in a sentence; all six by their number."""
    return "all six tasks" if set(tasks) == set(TITLES) else joined([TITLES[task] for task in tasks])


def ratio_in_words(row: Mapping[str, object], *, brackets: bool = True) -> str:
    """A ratio of `summary` with its interval and n: `1.02× (0.94 to 1.10, n = 5)`; where there is none, why not.

    The interval has two one-sided ends of 95% each. An end that a censored run leaves open is ∞. The arm that others
    are compared with has `1 (reference)`.
    """
    if row["verdict"] == "reference":
        return "1 (reference)"
    ratio, low, high = (_float(row[name]) for name in ("ratio", "low", "high"))
    if isnan(ratio):
        return str(row["statement"])
    bound = "≥ " if row["is_lower_bound"] is True else "≤ " if row["is_upper_bound"] is True else ""
    ends = "" if isnan(low) else f"{interval(low, high, '{:.2f}'.format)}, "
    beside = f"{ends}n = {row['shared']}"
    return f"{bound}{ratio:.2f}×{f' ({beside})' if brackets else f', {beside}'}"


def _float(value: object) -> float:
    return float("nan") if pd.isna(value) else float(str(value))  # type: ignore[call-overload]


def standing(table: pd.DataFrame, arm: str) -> str:
    """Where an arm is as soon as the clip, later, or cannot be told, with how many seeds; empty without a row.

    `as soon on x · y and x + y (n = 3 each); cannot tell on S5 (n = 1)`

    Arguments:
        table: of `summary`.
    """
    rows = where(table, arm=arm)
    parts = []
    for verdict in VERDICTS:
        tasks_of: dict[str, list[str]] = {}
        for row in where(rows, verdict=verdict).to_dict("records"):
            tasks_of.setdefault(_evidence(row), []).append(str(row["task"]))
        if tasks_of:
            said = [f"{listed(tasks)} ({of}{' each' if len(tasks) > 1 else ''})" for of, tasks in tasks_of.items()]
            parts.append(f"{verdict} on {joined(said)}")
    return "; ".join(parts)


VERDICTS = ("as soon", "later", "cannot tell")


def _evidence(row: Mapping[str, object]) -> str:
    """How many seeds a verdict is of; where there are none, why."""
    return str(row["statement"]) if pd.isna(row["shared"]) else f"n = {row['shared']}"  # type: ignore[call-overload]
