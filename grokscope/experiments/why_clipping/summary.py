"""Every arm beside the clip: times, their ratio, which share of the clip's speed-up it has, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, nan

import numpy as np
import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import Event, medians, non_inferiority
from grokscope.experiments.why_clipping.declared import Arm, families
from grokscope.experiments.why_clipping.wording import FEW
from grokscope.experiments.wording import of_seeds

MEDIATORS = ("signal_at_grok", "memory_at_grok", "noise_val_at_grok", "norm_at_end", "row_spread_at_end")
"""What the clip might act through, as every run records it."""
COLUMNS = [
    "family", "task", "arm", "about", "against", "event", "n", "reached", "median", "first_median",
    "shared", "shared_median", "against_median", "ratio", "low", "high", "is_lower_bound", "is_upper_bound", "log_sd",
    "seeds_needed", "share", "share_seeds", "verdict", *MEDIATORS, "statement",
]  # fmt: skip


def of_arms(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of arms: without those of the tuning, and of the ends that are looked at closely."""
    return rows.loc[rows["part"].isin(list(families()))]


def steps_by_seed(of_task: pd.DataFrame, arm: str, event: Event = "sustained_grok") -> dict[int, float]:
    """Steps of an arm's runs to an event by seed, NaN where there is none.

    Arguments:
        of_task: rows of arms, of one task.
    """
    runs = where(of_task, arm=arm)
    of_seeds = zip(numbers(runs, "seed"), numbers(runs, f"{event}_step"), strict=True)
    return {int(seed): float(step) for seed, step in sorted(of_seeds)}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each arm and task that has runs.

    Returns `COLUMNS`: n runs, of which `reached` have the arm's event (the sustained grok; memorisation where there is
    no rule); median steps to it and to the first grok (Kaplan-Meier, NaN where not reached); shared (seeds), ratio,
    low, high, is_lower_bound, is_upper_bound, log_sd, seeds_needed and verdict of `non_inferiority` against the arm
    that it names, the clip under the same circumstances (`reference` for that arm); shared_median and against_median,
    of this arm and of that one over their shared seeds; share = ln(T_free / T_arm) / ln(T_free / T_clip) of geometric
    means over the share_seeds that the three have in common, which may be fewer than `shared` (NaN where a run of them
    is censored); medians of signal, memory and noise at the sustained grok, of the decoder's joint norm at the end over
    that at the start, and of the spread of its rows' norms at the end (see `milestones_of`), over the runs of which
    they are known; statement: why there is no ratio, or what of it is not known.
    """
    lines = []
    rows = of_arms(rows)
    events: set[Event] = {"grok", *(arm.event for family in families().values() for arm in family.arms().values())}
    for task in names(rows, "task"):
        of_task = where(rows, task=task)
        times: dict[Event, pd.DataFrame] = {event: medians(of_task, event).set_index("arm") for event in events}
        for family in families().values():
            about = family.arms()
            for arm in filter(about.__contains__, names(where(of_task, part=family.name), "arm")):
                runs = where(of_task, arm=arm)
                line = {"family": family.name, "task": task, "arm": arm}
                line |= {"about": about[arm].about, "against": about[arm].against, "event": about[arm].event}
                line |= _times(times, arm, about[arm].event)
                lines.append(line | _compared(of_task, arm, about[arm]) | _mediators(runs))
    return pd.DataFrame(lines, columns=COLUMNS).astype(dict.fromkeys(_WHOLE, "Int64"))


_WHOLE = ("shared", "seeds_needed", "share_seeds")
"""Columns of whole numbers, which may be missing."""


def _times(times: Mapping[Event, pd.DataFrame], name: str, event: Event) -> dict[str, object]:
    found = times[event].loc[name]
    return {
        "n": int(found["n"]),
        "reached": int(found["events"]),
        "median": found["median"],
        "first_median": times["grok"].loc[name, "median"],
    }


def _compared(of_task: pd.DataFrame, name: str, arm: Arm) -> dict[str, object]:
    if name == arm.against:
        return {"ratio": 1.0, "verdict": "reference", "statement": ""}
    of_both = {which: where(of_task, arm=which) for which in (arm.against, name)}
    seeds = sorted(set.intersection(*(set(runs["seed"].tolist()) for runs in of_both.values())))
    if missing := _no_reference(of_both[arm.against], seeds, arm):
        return {"verdict": "cannot tell", "statement": missing}
    shared = pd.concat([runs.loc[runs["seed"].isin(seeds)] for runs in of_both.values()], ignore_index=True)
    (row,) = non_inferiority(shared, arm.against, name, arm.event).to_dict("records")
    middles = medians(shared, arm.event).set_index("arm")["median"]
    kept = (
        "ratio", "low", "high", "is_lower_bound", "is_upper_bound", "log_sd", "seeds_needed", "verdict", "statement"
    )  # fmt: skip
    return {
        "shared": row["seeds"],
        "shared_median": middles[name],
        "against_median": middles[arm.against],
        **{column: row[column] for column in kept},
        **_share(of_task, name, arm),
    }


def _no_reference(runs: pd.DataFrame, seeds: Sequence[int], arm: Arm) -> str:
    """Why there is nothing to compare an arm with, in words; empty where there is.

    A run of the reference that is censored leaves nothing to say of fewer than five seeds.
    """
    if not len(runs):
        return f"no run of {arm.against} has ended"
    if not seeds:
        return f"no seed has ended in {arm.against} too"
    shared = runs.loc[runs["seed"].isin(seeds)]
    without = shared.loc[shared[f"{arm.event}_step"].isna(), "seed"].tolist()
    if not without or len(seeds) >= FEW:
        return ""
    did = "did not memorise" if arm.event == "memorisation" else "did not grok"
    return f"{arm.against} {did} within its budget on {of_seeds(without)}"


def _share(of_task: pd.DataFrame, name: str, arm: Arm) -> dict[str, object]:
    """ln(T_free / T_arm) / ln(T_free / T_clip) over the seeds that the three share, and their number.

    There is none where a run of the three is censored, or where the clip is hardly sooner.
    """
    times = {which: steps_by_seed(of_task, which, arm.event) for which in (arm.baseline, arm.against, name)}
    seeds = set.intersection(*(set(of_arm) for of_arm in times.values()))
    if not seeds:
        return {}
    free, clip, own = (np.log([times[w][seed] for seed in seeds]).mean() for w in (arm.baseline, arm.against, name))
    whole = float(free - clip)  # NaN where one of them is censored
    share = float(free - own) / whole if abs(whole) > LEAST else nan
    return {} if np.isnan(share) else {"share": share, "share_seeds": len(seeds)}


LEAST = log(1.01)
"""A speed-up of less than this, in logarithms, is none to have a share of."""


def _mediators(runs: pd.DataFrame) -> dict[str, float]:
    values = {name: numbers(runs, name) for name in MEDIATORS}
    return {name: float(np.nanmedian(found)) if not np.isnan(found).all() else nan for name, found in values.items()}
