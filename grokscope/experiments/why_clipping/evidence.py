"""Effects that several claims measure (speed-ups, and shares of a speed-up), and how their numbers are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isinf, isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from grokscope.analysis import names
from grokscope.analysis.timing import Event, Unit, shares, speed_up
from grokscope.experiments.why_clipping.arms import BASELINE, HEADLINE

SPEED_UP, SHARE, PLAIN = "speed-up", "share", "plain"
"""Kinds of quantities, by how they are written: `5.2×`, `43%`, and others as plain numbers."""
ENDINGS: dict[Event, str] = {"grok": "", "sustained_grok": " to a sustained grok"}
"""Events, and how the quantities end that are about them."""
COLUMNS = ("task", "arm", "against", "kind", "quantity", "value", "low", "high", "seeds", "statement")


def effects(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """A table of measured effects, with all its columns."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def speed_ups(
    table: pd.DataFrame, task: str, baseline: str, arms: Sequence[str], unit: Unit = "steps", event: Event = "grok"
) -> list[dict[str, object]]:
    """How many times sooner each arm groks than a baseline; arms without runs or shared seeds are left out."""
    known = names(table, "arm")
    measured = []
    for arm in arms if baseline in known else ():
        if arm in known and _share_seeds(table, baseline, arm):
            row = speed_up(table, baseline, arm, event, unit).iloc[0]
            measured.append(
                {
                    "task": task,
                    "arm": arm,
                    "against": baseline,
                    "kind": SPEED_UP,
                    "quantity": f"speed-up in {unit.replace('_', ' ')}{ENDINGS[event]}",
                    "value": row["speed_up"],
                    "low": row["low"],
                    "high": row["high"],
                    "seeds": int(row["seeds"]),
                    "statement": row["statement"],
                }
            )
    return measured


def shares_of(
    table: pd.DataFrame,
    task: str,
    arms: Sequence[str],
    baseline: str = BASELINE,
    whole: str = HEADLINE,
    event: Event = "grok",
) -> list[dict[str, object]]:
    """The share of a speed-up that each arm has; arms without runs are left out."""
    known = names(table, "arm")
    there = [arm for arm in arms if arm in known and _share_seeds(table, baseline, whole, arm)]
    if not there or not {baseline, whole} <= set(known):
        return []
    return [
        {
            "task": task,
            "arm": row["arm"],
            "against": f"{baseline} to {whole}",
            "kind": SHARE,
            "quantity": f"share of the speed-up{ENDINGS[event]}",
            "value": row["share"],
            "low": row["low"],
            "high": row["high"],
            "seeds": int(row["seeds"]),
            "statement": row["statement"],
        }
        for row in shares(table, baseline, whole, there, event).to_dict("records")
    ]


def difference(task: str, arm: str, against: str, quantity: str, apart: Sequence[float]) -> dict[str, object]:
    """A measure of an arm less that of another, seed by seed (NaN: not known of both), with Student's t interval."""
    known = np.array([value for value in apart if not isnan(value)])
    low = high = nan
    if len(known) > 1:
        steady = not np.ptp(known)
        low, high = (
            (known[0],) * 2 if steady else stats.t.interval(0.95, len(known) - 1, known.mean(), stats.sem(known))
        )
    return {
        "task": task,
        "arm": arm,
        "against": against,
        "kind": PLAIN,
        "quantity": f"difference in {quantity}",
        "value": float(known.mean()) if len(known) else nan,
        "low": float(low),
        "high": float(high),
        "seeds": len(known),
        "statement": "",
    }


def _share_seeds(table: pd.DataFrame, *arms: str) -> bool:
    seeds = [set(table.loc[table["arm"] == arm, "seed"]) for arm in arms]
    return bool(set.intersection(*seeds))


def written(row: dict[str, object] | pd.Series) -> tuple[str, str]:
    """An effect's value and its interval, as they are read."""
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))  # type: ignore[arg-type]
    form = {SPEED_UP: _ratio, SHARE: _percent}.get(str(row["kind"]), _plain)
    interval = "–" if isnan(low) or isnan(high) else f"{form(low)} to {form(high)}"
    if isnan(value):
        statement = re.sub(r"-(?=\d)", "−", str(row["statement"]).split(";")[0])
        return (statement if statement else "–"), interval
    bound = "≥ " if "at least" in str(row["statement"]) else "≤ " if "at most" in str(row["statement"]) else ""
    return f"{bound}{form(value)}", interval


def in_words(row: dict[str, object] | pd.Series) -> str:
    """The same in one piece: `5.2× (4.1× to 6.6×, n = 10)`."""
    value, interval = written(row)
    return f"{value} ({'' if interval == '–' else interval + ', '}n = {row['seeds']})"


def on_tasks(table: pd.DataFrame, quantity: str, what: str) -> str:
    """A sentence: `what`, and the quantity on each task in words."""
    return f"{what}: {by_tasks(table.loc[table['quantity'] == quantity]) or 'not measured'}."


def by_tasks(table: pd.DataFrame) -> str:
    """Effects in words, each with its task; empty where there is none."""
    return ", ".join(f"{in_words(row)} on {row['task']}" for row in table.to_dict("records"))


def _ratio(value: float) -> str:
    return "∞" if isinf(value) else f"{value:.3g}×"


def _percent(value: float) -> str:
    return ("∞" if value > 0 else "−∞") if isinf(value) else f"{100 * value:.0f}%".replace("-", "−")


def _plain(value: float) -> str:
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")
