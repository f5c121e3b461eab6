"""How much sooner or later each arm is than the method itself: Lion with projection and clip at its best bound."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from math import isnan
from typing import Any

import pandas as pd

from grokscope.analysis import names, where
from grokscope.analysis.timing import speed_up
from grokscope.experiments.published_tables.summary import best_bounds
from grokscope.experiments.wording import TITLES, interval, joined, markdown, steps

PARTS = ("adamw", "unclipped", "residual")
"""Tables of networks that are trained as the method's are, but for what the table is about."""
CLIP = "Lion with projection and clip"
NOT_COMPARED = pd.DataFrame(columns=["part", "task"])
"""Where no arm shares a seed with the method."""


def against_clip(rows: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """The method's median time over that of every arm of `PARTS`, on the seeds that both have.

    Arguments:
        rows: of every run that has ended.
        bounds: the summary of the table of bounds, by whose least medians the method's bound is chosen; on x * y it is
            that of the table of reliability. The choice favours the method, as it is made by the runs compared.

    Returns part, task and the columns of `speed_up`, whose baseline is the method.
    """
    best = best_bounds(bounds)
    tables = []
    for part in PARTS:
        of_part = where(rows, part=part)
        for task in names(of_part, "task"):
            clip = where(rows, part="reliability", task=task, arm="lion")
            if task in best:
                clip = where(rows, part="bounds", task=task, bound=best[task])
            arms = where(of_part, task=task)
            arms = arms.loc[arms["arm"].isin(arms.loc[arms["seed"].isin(clip["seed"]), "arm"])]
            if len(arms):
                both = pd.concat([clip.assign(arm=CLIP), arms], ignore_index=True)
                tables.append(speed_up(both, CLIP).assign(part=part, task=task))
    if not tables:
        return NOT_COMPARED
    table = pd.concat(tables, ignore_index=True)
    return table.reindex(columns=["part", "task", *(name for name in table if name not in ("part", "task"))])


def sentences_against(compared: pd.DataFrame) -> Iterator[str]:
    """One sentence an arm, of all its tasks; arms whose names differ by their bound alone are one."""
    if not len(compared):
        return
    kinds = compared.assign(kind=_kinds(compared))
    for kind in names(kinds, "kind"):
        told = []
        for row in where(kinds, kind=kind).to_dict("records"):
            at = str(row["arm"]).removeprefix(kind).removeprefix("-max_norm-")
            told.append(f"{TITLES[row['task']]}{at and f' at the bound {at}:'} {_ratio(row)}")
        yield f"{kind}, times as soon as {CLIP} at its best bound, on the same seeds: {joined(told)}."


def against_lines(compared: pd.DataFrame) -> list[str]:
    """A table in Markdown: a row for each task, with medians in steps and how many times as soon as the clip.

    Of arms that differ by their bound alone it has the first, which is at the best bound.
    """
    lines = []
    kinds = compared.assign(kind=_kinds(compared))
    for task in names(compared, "task"):
        cells = []
        for part, kind in IN_MARKDOWN:
            rows = where(kinds, part=part, kind=kind, task=task).head(1).to_dict("records")
            cells += [f"{_median(row)}; {_ratio(row)}" for row in rows] or ["–"]
        lines.append((TITLES[task], *cells))
    return markdown(("task", *IN_MARKDOWN.values()), lines)


IN_MARKDOWN = {
    ("unclipped", "lion"): "Lion without projection and clip",
    ("adamw", "tuned"): "AdamW, tuned",
    ("residual", "pre-ln"): "Lion with both, standard residual",
}
"""What the results' table compares, by table and arm, with the head of its column."""


def _kinds(compared: pd.DataFrame) -> pd.Series:
    """What arms are called without the bound that they are at."""
    return compared["arm"].str.replace(r"-max_norm-.*", "", regex=True)


def _median(row: Mapping[Hashable, Any]) -> str:
    return "never in the budget" if isnan(row["arm_median"]) else steps(row["arm_median"])


def _ratio(row: Mapping[Hashable, Any]) -> str:
    """`1.35 (1.21 to 2.67; n = 5)`."""
    n = row["seeds"]
    if isnan(row["speed_up"]):
        return f"unknown, as neither has a median (n = {n})"
    bound = "at least " if row["is_lower_bound"] else "at most " if row["is_upper_bound"] else ""
    ends = "" if isnan(row["low"]) else f"{interval(row['low'], row['high'], '{:.2f}'.format)}; "
    return f"{bound}{row['speed_up']:.2f} ({ends}n = {n})"
