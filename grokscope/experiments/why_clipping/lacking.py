"""What is missing where norms are held and runs do not grok: on which seeds, and how far rows have moved apart."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import Event, medians
from grokscope.experiments.why_clipping.declared import CLIP, HELD
from grokscope.experiments.why_clipping.summary import of_arms, steps_by_seed
from grokscope.experiments.why_clipping.tables import LADDER
from grokscope.experiments.wording import TITLES, joined, steps

EVENT: Event = "sustained_grok"
SPREAD = "row_spread_at_end"


def lacking(rows: pd.DataFrame) -> tuple[str, ...]:
    """Sentences of every task on which some run that holds the norms does not grok; none if all do.

    Arguments:
        rows: of every run that has ended.
    """
    arms = of_arms(rows)
    sentences: list[str] = []
    for task in TITLES:
        of_task = where(arms, task=task)
        if missed := [said for arm in HELD if (said := _without(of_task, arm))]:
            sentences += [*missed, *filter(None, [_spread(of_task)])]
    return tuple(sentences)


def _without(of_task: pd.DataFrame, arm: str) -> str:
    """Which runs of an arm do not grok though the clip does with their seeds, and what other arms do there."""
    own, clip = steps_by_seed(of_task, arm), steps_by_seed(of_task, CLIP)
    missed = [seed for seed, step in own.items() if isnan(step) and not isnan(clip.get(seed, nan))]
    if not missed:
        return ""
    grok = sum(not isnan(step) for step in own.values())
    budget = int(numbers(where(of_task, arm=arm), "budget").max())
    (median,) = medians(where(of_task, arm=CLIP), EVENT)["median"]
    others = {other: steps_by_seed(of_task, other) for other in HELD if other != arm}
    beside = [f"{LADDER[other]}: {told}" for other, steps_of in others.items() if (told := _on(steps_of, missed))]
    there = f" Other ways there: {'; '.join(beside)}." if beside else ""
    return (
        f"{TITLES[names(of_task, 'task')[0]]}, {LADDER[arm]}: {grok} of {len(own)} runs grok within {budget:,} steps. "
        f"On the seeds of the others the clip takes {_on(clip, missed)}; its median is {steps(median)} (n = "
        f"{len(clip)}).{there}"
    )


def _on(steps_of: dict[int, float], seeds: list[int]) -> str:
    """`3,616 (seed 6) and never (seed 11)`, of those seeds that there are."""
    known = {seed: steps_of[seed] for seed in seeds if seed in steps_of}
    return joined([f"{'never' if isnan(step) else steps(step)} (seed {seed})" for seed, step in known.items()])


def _spread(of_task: pd.DataFrame) -> str:
    """How uneven the rows of the clip and of every arm that holds norms are at the end, where that is known."""
    known = {LADDER.get(arm, arm): where(of_task, arm=arm).dropna(subset=[SPREAD]) for arm in (CLIP, *HELD)}
    told = [f"{label}: {_means(runs)}" for label, runs in known.items() if len(runs)]
    if len(told) < 2:
        return ""
    return (
        f"{TITLES[names(of_task, 'task')[0]]}: how far rows have moved apart at the end, as the standard deviation of "
        f"their norms over the mean, in the weight matrix where that is largest, means over runs. {'; '.join(told)}."
    )


def _means(runs: pd.DataFrame) -> str:
    """`0.45 where runs grok (n = 14) and 0.77 where they do not (n = 2)`."""
    spread, never = numbers(runs, SPREAD), np.isnan(numbers(runs, f"{EVENT}_step"))
    kinds = ((spread[~never], "where runs grok"), (spread[never], "where they do not"))
    return joined([f"{of.mean():.2f} {words} (n = {len(of)})" for of, words in kinds if len(of)])
