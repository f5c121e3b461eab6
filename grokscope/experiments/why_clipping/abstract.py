"""The answer in some 150 words, put together from the tables, so that it says what they say."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from grokscope.analysis import names, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.experiments.why_clipping.declared import CLIP, FREE
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES
from grokscope.experiments.why_clipping.tasks import BUDGETS, MAIN
from grokscope.experiments.why_clipping.wording import FEW, listed, ratio_in_words
from grokscope.experiments.wording import TITLES, in_words, steps

HELD = {
    "sphere-1": "every tensor held at its norm after the projection",
    "growing-sphere-step": "weight normalisation of fixed gain, relative step held, which forgets nothing",
}
"""What stands in for the clip, by arm: the norms of the function alone."""
INSTEAD = {
    **HELD,
    "step-start-scale-clip": "the clip’s relative step and logit scale, norms free",
    "decay-as-clip": "decay at the clip’s rates",
}
"""What runs without a clip were given, by arm."""
REMOVED = {"norms-clip-step-free-scale-free": "relative step and logit scale undone"}
"""What was taken from clipped runs, by arm."""
SAID = {"as soon": "as soon on {}", "later": "later on {}", "cannot tell": "open on {}"}
"""A verdict and its tasks."""


def abstract(table: pd.DataFrame) -> tuple[str, ...]:
    """The opening of the page: what was asked, what came out, over which tasks and how many seeds.

    Arguments:
        table: of `summary`.
    """
    tasks = in_words(len(names(table, "task")))
    given = [told for arm, words in INSTEAD.items() if (told := _over_tasks(table, arm, words))]
    taken = [told for arm, words in REMOVED.items() if (told := _over_tasks(table, arm, words))]
    return (
        f"Clipping every weight row after each step makes small transformers grok sooner{_gain(table)}. Each thing "
        f"that it does was given alone to runs without a clip, and taken from clipped ones, on {tasks} "
        f"task{'s' if tasks != 'one' else ''}. As soon means at most {MARGIN:g} times the clip’s steps, with 95% "
        "confidence.",
        because(table),
        f"Without a clip: {'; '.join(given)}. With the clip: {'; '.join(taken)}." if given and taken else "",
    )


def because(table: pd.DataFrame) -> str:
    """The sentence that answers the question, as strong as the verdicts allow.

    Clipping speeds up grokking because it keeps the norms of the function: where an arm that holds them is as soon on
    every task. Otherwise it says on which one is (`shown`, or `indicated` by fewer than five seeds), on which all are
    later, and where it is open.
    """
    reason = HYPOTHESES[0].says
    found = {task: _found(table, task) for task in names(table, "task")}
    if set(found) == set(BUDGETS) and set(found.values()) == {"shown"}:
        return f"Clipping speeds up grokking because {reason}: on all six tasks runs given only that are as soon."
    parts = [
        f"{word} on {listed([task for task, of_task in found.items() if of_task == word])}"
        for word in ("shown", "indicated", "not the whole", "open")
        if word in found.values()
    ]
    return f"Clipping speeds up grokking, as far as these runs say, because {reason}: {'; '.join(parts)}."


def _found(table: pd.DataFrame, task: str) -> str:
    """Whether some arm that holds the norms is as soon, all are later, or neither can be told."""
    rows = [row for arm in HELD for row in where(table, task=task, arm=arm).to_dict("records")]
    seeds = [int(str(row["shared"])) for row in rows if row["verdict"] == "as soon"]
    if seeds:
        return "shown" if max(seeds) >= FEW else "indicated"
    return "not the whole" if rows and {row["verdict"] for row in rows} == {"later"} else "open"


def _gain(table: pd.DataFrame) -> str:
    """On the main task, in brackets; nothing where it has not run."""
    ends = {arm: where(table, task=MAIN, arm=arm).to_dict("records") for arm in (CLIP, FREE)}
    if not all(ends.values()):
        return ""
    clip, free = (ends[arm][0] for arm in (CLIP, FREE))
    without = steps(free["median"]) if pd.notna(free["median"]) else f"more than {BUDGETS[MAIN]:,}"
    return f" ({TITLES[MAIN]}: {steps(clip['median'])} steps, {without} without, medians, n = {clip['n']})"


def _over_tasks(table: pd.DataFrame, arm: str, words: str) -> str:
    """Where an arm is as soon, later, and not told, with its ratio on the main task."""
    rows = where(table, arm=arm)
    if not len(rows):
        return ""
    tasks: Mapping[str, list[str]] = {verdict: names(where(rows, verdict=verdict), "task") for verdict in SAID}
    parts = [SAID[verdict].format(listed(of)) for verdict, of in tasks.items() if of]
    main = where(rows, task=MAIN).to_dict("records")
    beside = f" ({TITLES[MAIN]} {ratio_in_words(main[0], brackets=False)})" if main else ""
    return f"{words}, {', '.join(parts)}{beside}"
