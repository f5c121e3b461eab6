"""The answer in 150 words, put together from the tables, so that it says what they say."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.experiments.why_clipping.declared import CLIP, FREE, HELD, NORMS_FREE, families
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES
from grokscope.experiments.why_clipping.tasks import BUDGETS, MAIN
from grokscope.experiments.why_clipping.wording import FEW, listed, ratio_in_words
from grokscope.experiments.wording import TITLES, in_words, joined, span, steps

BESIDE = {
    "sphere-1": HELD["sphere-1"],
    "sphere-rows": HELD["sphere-rows"],
    "growing-sphere-tensors": "fixed-gain weight normalisation that forgets nothing",
    "norms-clip-step-free-scale-clip": "the clip with its relative step undone",
    "norms-clip-step-clip-scale-free": "the clip with its logit scale undone",
    "norms-clip-step-free-scale-free": "the clip with both undone",
    "relative-step": "the starting relative step alone",
    "norms-free-step-free-scale-clip": "the clip’s logit scale alone",
    "decay-as-clip": "weight decay at the clip’s rates",
}
"""What is told beside the abstract, by arm: other ways of holding norms, and what might replace them."""
CONSEQUENCES = "relative step held at that of the start, the clip’s logit scale"
"""What `NORMS_FREE` has: what follows from norms that are held."""
OPEN, NEVER = "open", "not within the budget on {}"
PHRASES = ("as soon on {}", "indicated as soon on {}", "later on {}", "indicated later on {}", NEVER)
"""What is said of an arm on its tasks, in the order in which it is said; `OPEN` of all others."""


def abstract(table: pd.DataFrame) -> tuple[str, ...]:
    """The opening of the page: what was asked, what came out, over which tasks and how many seeds.

    Arguments:
        table: of `summary`.
    """
    return (
        f"{_speed_up(table)} Each thing that it does is given alone to unclipped runs, or taken from clipped "
        f"ones; {_arms(table)}. As soon means at most {MARGIN:g} times the clip’s steps, with 95% confidence.",
        f"{because(table)}{_needed(table)}",
    )


def beside(table: pd.DataFrame) -> str:
    """The main task beside the abstract: `BESIDE` with ratios, those of one verdict together; empty without runs.

    The arm that answers is left out: it is in the abstract.

    Arguments:
        table: of `summary`.
    """
    answer = _everywhere(table) if _is_shown(_found_by_task(table)) else None
    of_main = where(table, task=MAIN)
    told_of = {arm: words for arm, words in BESIDE.items() if arm != answer}
    rows = [(words, row) for arm, words in told_of.items() for row in where(of_main, arm=arm).to_dict("records")]
    told = []
    for phrase in (*PHRASES, OPEN):
        of = [f"{words} ({ratio_in_words(row, brackets=False)})" for words, row in rows if _phrase(row) == phrase]
        told += [f"{phrase.removesuffix(' on {}')}: {joined(of)}"] if of else []
    return f"On {TITLES[MAIN]}, {'; '.join(told)}." if told else ""


def because(table: pd.DataFrame) -> str:
    """The sentence that answers the question, as strong as the verdicts allow.

    Clipping speeds up grokking because it keeps the norms of the function: where it is found to speed it up, and an arm
    that holds them is as soon, on every task; it has the numbers of the first arm that is so everywhere, or says that
    there is none. Otherwise it says on which tasks that is so (`shown`, or `indicated` by fewer than five seeds), on
    which all are later, and where it is open. A task on which such an arm is as soon, and the clip is not found to be
    sooner than none, explains nothing: it is named as such.
    """
    reason = HYPOTHESES[0].says
    found = _found_by_task(table)
    if _is_shown(found):
        arm = _everywhere(table)
        ways = f"the {in_words(len(HELD))} ways of holding them"
        how = (
            f", though no one of {ways} is shown to be so on all six"
            if arm is None
            else _in_numbers(where(table, arm=arm))
        )
        told = f"on each of the six tasks runs given only that are as soon{how}"
        return f"Clipping speeds up grokking because {reason}: {told}."
    parts = [
        f"{word} on {listed([task for task, of_task in found.items() if of_task == word])}"
        for word in ("shown", "indicated", "not the whole", "open")
        if word in found.values()
    ]
    if unmeasured := [task for task, of_task in found.items() if of_task == NO_SPEED_UP]:
        parts.append(
            f"on {listed(unmeasured)} such runs are as soon as the clip, but these runs cannot tell that it is sooner "
            "than none there"
        )
    if not {"shown", "indicated"} & set(found.values()):
        return f"Whether clipping speeds up grokking because {reason} is open: {'; '.join(parts)}."
    return f"Clipping speeds up grokking, as far as these runs say, because {reason}: {'; '.join(parts)}."


def _everywhere(table: pd.DataFrame) -> str | None:
    """The first arm that holds the norms and is as soon on all six tasks."""
    tasks_of = {arm: set(names(where(table, arm=arm, verdict="as soon"), "task")) for arm in HELD}
    return next((arm for arm, tasks in tasks_of.items() if tasks == set(BUDGETS)), None)


def _needed(table: pd.DataFrame) -> str:
    """Whether held norms are needed, beside what follows from them; empty before there are runs without."""
    told = _over_tasks(table, NORMS_FREE)
    return f" What follows from it, given to runs with free norms ({CONSEQUENCES}): {told}." if told else ""


def _in_numbers(rows: pd.DataFrame) -> str:
    """An arm that is as soon on all tasks: what it is, its ratios and the highest end, and runs that do not grok."""
    ratios, ends, seeds = (numbers(rows, name) for name in ("ratio", "high", "shared"))
    n = span(int(seeds.min()), int(seeds.max()))
    partly = _partly(rows)
    return (
        f" ({HELD[names(rows, 'arm')[0]]}: {ratios.min():.2f} to {ratios.max():.2f} times the clip’s steps, at most "
        f"{ends.max():.2f}, n = {n} a task{f'; {partly}' if partly else ''})"
    )


NO_SPEED_UP = "no speed-up"
"""Of a task on which the norms held are as soon as the clip, which is not found to be sooner than none."""


def _found_by_task(table: pd.DataFrame) -> dict[str, str]:
    return {task: _found(table, task) for task in names(table, "task")}


def _is_shown(found: Mapping[str, str]) -> bool:
    """Whether the answer is given without reserve."""
    return set(found) == set(BUDGETS) and set(found.values()) == {"shown"}


def _found(table: pd.DataFrame, task: str) -> str:
    """Whether some arm that holds the norms is as soon, all are later, or neither can be told."""
    rows = [row for arm in HELD for row in where(table, task=task, arm=arm).to_dict("records")]
    seeds = [int(str(row["shared"])) for row in rows if row["verdict"] == "as soon"]
    if seeds:
        sooner = "later" in names(where(table, task=task, arm=FREE), "verdict")
        return ("shown" if max(seeds) >= FEW else "indicated") if sooner else NO_SPEED_UP
    return "not the whole" if rows and {row["verdict"] for row in rows} == {"later"} else "open"


def _speed_up(table: pd.DataFrame) -> str:
    """Whether the clip is sooner than none on the main task, in the words that its verdict allows."""
    does = "Clipping every weight row after each step"
    rows = where(table, task=MAIN, arm=FREE).to_dict("records")
    if not rows or pd.isna(rows[0]["ratio"]):
        return f"{does} is said to make small transformers grok sooner."
    free = rows[0]
    without = f"{steps(free['shared_median'])}" if pd.notna(free["shared_median"]) else f"more than {BUDGETS[MAIN]:,}"
    seen = (
        f"({TITLES[MAIN]}: {steps(free['against_median'])} steps, {without} without, medians over shared seeds; "
        f"{ratio_in_words(free, brackets=False)})"
    )
    if free["verdict"] == "later":
        return f"{does} makes small transformers grok sooner {seen}."
    if free["verdict"] == "as soon":
        return f"{does} does not make small transformers grok sooner {seen}."
    word = "sooner" if float(free["ratio"]) > 1 else "no sooner"
    return (
        f"In these runs small transformers grok {word} if every weight row is clipped after each step {seen}; so few "
        "seeds cannot tell whether others do."
    )


def _arms(table: pd.DataFrame) -> str:
    """How many of the arms have runs, and on how many tasks."""
    declared = {arm for family in families().values() for arm in family.arms()} - {CLIP, FREE}
    tasks_of = [len(names(where(table, arm=arm), "task")) for arm in declared]
    ran = [count for count in tasks_of if count]
    some = f"of {len(declared)} arms that are planned {len(ran)} have runs so far"
    told = f"all {len(declared)} arms have runs" if len(ran) == len(declared) else some
    if max(ran, default=0) < 2:
        return f"{told}, on one task" if ran else told
    several = sum(count > 1 for count in ran)
    return f"{told}, {several} on several tasks"


def _over_tasks(table: pd.DataFrame, arm: str) -> str:
    """Where an arm is as soon and later, and where no run of it groks, with its ratio on the main task.

    What fewer than five seeds say is an indication.
    """
    rows = where(table, arm=arm)
    if not len(rows):
        return ""
    said = rows.assign(phrase=[_phrase(row) for row in rows.to_dict("records")])
    parts = []
    for phrase in PHRASES:
        if len(of := where(said, phrase=phrase)):
            n = f" (n = {numbers(of, 'n').min():.0f})" if phrase == NEVER else ""
            parts.append(phrase.format(_tasks(of)) + n)
    if len(where(said, phrase=OPEN)):
        parts.append(f"{OPEN} elsewhere" if parts else OPEN)
    main = where(rows, task=MAIN).to_dict("records")
    of_main = [f"{TITLES[MAIN]} {ratio_in_words(main[0], brackets=False)}"] if main else []
    return "; ".join([", ".join(parts), *of_main])


def _tasks(rows: pd.DataFrame) -> str:
    """The tasks of some rows in a sentence, and where not all runs grok."""
    partly = _partly(rows)
    return listed(names(rows, "task")) + (f" ({partly})" if partly else "")


def _partly(rows: pd.DataFrame) -> str:
    """How many runs grok where not all do: `3 of 5 runs grok on S5 and 4 of 5 on x / y in the budget`.

    Where none does, and nothing can be told, `NEVER` says so.
    """
    some = [row for row in rows.to_dict("records") if row["reached"] < row["n"] and _phrase(row) != NEVER]
    told = [
        f"{row['reached']} of {row['n']}{'' if place else ' runs grok'} on {TITLES[row['task']]}"
        for place, row in enumerate(some)
    ]
    return f"{joined(told)} in the budget" if told else ""


def _phrase(row: Mapping[Hashable, Any]) -> str:
    """Which of `PHRASES` a verdict is said with."""
    if row["verdict"] == "cannot tell":
        return OPEN if row["reached"] else NEVER
    return f"{'indicated ' if row['shared'] < FEW else ''}{row['verdict']} on {{}}"
