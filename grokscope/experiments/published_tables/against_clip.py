"""How much sooner or later each arm is than the method itself: Lion with projection and clip at its best bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isinf, isnan

import pandas as pd

from grokscope.analysis import names, where
from grokscope.analysis.timing import speed_up
from grokscope.experiments.published_tables.summary import best_bounds
from grokscope.experiments.wording import TITLES, joined

PARTS = ("adamw", "unclipped", "residual")
"""Tables of networks that are trained as the method's are, but for what the table is about."""
CLIP = "Lion with projection and clip"


def against_clip(rows: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """The method's median time over that of every arm of `PARTS`, on the seeds that both have.

    Arguments:
        rows: of every run that has ended.
        bounds: the summary of the table of bounds, by whose least medians the method's bound is chosen; on x * y it is
            that of the table of reliability. The choice favours the method, as it is made by the runs compared.

    Returns part, task and the columns of `speed_up`, whose baseline is the method.
    """
    best = best_bounds(bounds)
    found = []
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
                found.append(speed_up(both, CLIP).assign(part=part, task=task))
    if not found:
        return pd.DataFrame(columns=["part", "task"])
    table = pd.concat(found, ignore_index=True)
    return table.reindex(columns=["part", "task", *(name for name in table if name not in ("part", "task"))])


def sentences_against(compared: pd.DataFrame) -> Iterator[str]:
    """One sentence an arm, of all its tasks; arms whose names differ by their bound alone are one."""
    if not len(compared):
        return
    kinds = compared.assign(kind=compared["arm"].str.replace(r"-max_norm-.*", "", regex=True))
    for kind in names(kinds, "kind"):
        told = [_ratio(row) for row in where(kinds, kind=kind).to_dict("records")]
        yield f"{kind}, times as soon as {CLIP} at its best bound, on the same seeds: {joined(told)}."


def _ratio(row: Mapping[str, object]) -> str:
    """`x - y 1.35 (1.21 to 2.67; n = 5)`, with the bound on row norms behind the task where the arm's name has one."""
    task = TITLES[str(row["task"])]
    if at := str(row["arm"]).removeprefix(str(row["kind"])).removeprefix("-max_norm-"):
        task += f" at {at}"
    value, low, high, n = (float(str(row[name])) for name in ("speed_up", "low", "high", "seeds"))
    if isnan(value):
        return f"{task} unknown, as neither has a median (n = {n:.0f})"
    bound = "at least " if row["is_lower_bound"] else "at most " if row["is_upper_bound"] else ""
    interval = "" if isnan(low) else f"{low:.2f} to {'∞' if isinf(high) else f'{high:.2f}'}; "
    return f"{task} {bound}{value:.2f} ({interval}n = {n:.0f})"
