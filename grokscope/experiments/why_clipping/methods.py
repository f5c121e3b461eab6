"""The methods of the page: how runs were made and compared, with the numbers of those that there are."""

from __future__ import annotations

from math import isnan

import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.experiments.why_clipping.declared import HELD, NORMS_FREE, TESTED
from grokscope.experiments.why_clipping.summary import steps_by_seed
from grokscope.experiments.why_clipping.tasks import MAIN, TaskSize, base
from grokscope.experiments.wording import TITLES, in_words, joined, span

LOOKS = (
    " sphere-rows joined them after the first seeds of the others had been seen, and each was to have as many seeds as "
    f"it needs until verdicts on all tasks had been seen. Those on S5 and x − y were looked at before {TESTED} had all "
    f"of its seeds there, and {NORMS_FREE} was given five a task after its first ones had been seen. On mixed, whose "
    "runs take a quarter of an hour, no arm is run but these and what they are compared with."
)
"""What was looked at on the way of the published experiment and so chose its runs, and what was left out."""


def methods(rows: pd.DataFrame, table: pd.DataFrame, *, published: bool) -> tuple[str, ...]:
    """How runs were made and compared, as far as there are any.

    Arguments:
        rows: of every run that has ended.
        table: of `summary`.
        published: whether they are of the published experiment.
    """
    hours = float(numbers(rows, "observed_seconds").sum()) / 3600
    standard = " The family “residual” has the standard one." if len(where(table, family="residual")) else ""
    return (
        f"Two-layer transformers of width 128, trained with Lion at learning rate 1e-3 on half of all pairs of modular "
        f"arithmetic mod 97 or of S5, {_batches(table)}, as the authors of the method publish them. Every row is "
        "projected to the published bound before training, in every arm unless it says otherwise; the clip brings the "
        "rows of the decoder back to it after every step. All networks have the published residual: the first norm of "
        f"a block overwrites the stream.{standard}",
        "Arms of one seed share initial weights, split and batch order. Networks are evaluated once an epoch; a grok "
        "is sustained if validation accuracy is at least 0.95 there and at the next five evaluations. A run ends 200 "
        "steps later, or at its budget, where it is censored and counts with that. Runs that follow another run follow "
        "one of seed 200, which no arm has; what is tuned is tuned on seeds 100 and 101.",
        "An arm is as soon as the clip if the upper end of a one-sided 95% interval of the geometric mean, over "
        f"shared seeds, of its time over the clip’s is at most {MARGIN:g}; later, if the lower end is above that. The "
        "ends are those of a t test of logarithms. Where some runs are censored they are those of the signed-rank "
        "test, which hold whenever those runs would have grokked: the lower one needs five seeds, and the upper one "
        f"ten if one run of the arm is censored.{_decisive(table, published)} A share of the speed-up is in "
        "logarithms, 0% at the projection alone and 100% at the clip.",
        f"{len(rows)} runs, {hours:.1f} hours of training on one core. Rows of all of them are in runs.csv, and what "
        "is missing is trained by the command above, here or from these rows on another machine.",
    )


def _batches(table: pd.DataFrame) -> str:
    """The batch sizes of the tasks that have runs: `batch 512 (mixed 2,048, S5 960)`."""
    of_task = {task: base(task, TaskSize(0, {})).training.batch_size for task in TITLES if task in names(table, "task")}
    sizes = list(of_task.values())
    most = max(sizes, key=sizes.count)
    others = [f"{TITLES[task]} {size:,}" for task, size in of_task.items() if size is not None and size != most]
    varied = ", but where an arm names another" if len(where(table, family="noise")) else ""
    return f"batch {most:,}{f' ({joined(others)})' if others else ''}{varied}"


def _decisive(table: pd.DataFrame, published: bool) -> str:
    """How many seeds the decisive arms have, and how many they will."""
    seeds = _seeds(table, *HELD)
    if not seeds:
        return ""
    free = _seeds(table, NORMS_FREE)
    needed = f" Whether held norms are needed, {NORMS_FREE} decides ({span(free[0], free[-1])} seeds)." if free else ""
    return (
        f" Of the {in_words(len(HELD))} arms that decide ({joined(list(HELD))}; {span(seeds[0], seeds[-1])} seeds a "
        f"task so far) the plan gives {TESTED} as many seeds as 80% power needs at the spread of its first ones, at "
        f"most 40, and the others five.{needed} Each is tested on its own, at 95%, and no correction is made for their "
        f"number.{LOOKS if published else ''}"
    )


def _seeds(table: pd.DataFrame, *arms: str) -> list[int]:
    """How many seeds some arms have on each task, in order."""
    return sorted(int(n) for arm in arms for n in where(table, arm=arm)["n"])


def twins(rows: pd.DataFrame) -> tuple[str, ...]:
    """The built-in check: two arms that are one function, by their steps; nothing where they share no seed."""
    of_task = where(rows, task=MAIN)
    scaled, faster = (steps_by_seed(of_task, arm) for arm in ("scale-embeddings", "rate-embeddings"))
    both = [(scaled[seed], faster[seed]) for seed in scaled if seed in faster]
    known = [pair for pair in both if not any(map(isnan, pair))]
    if not known:
        return ()
    pairs = "; ".join(f"{one:,.0f} and {other:,.0f}" for one, other in known)
    return (
        "A check that is built in: embeddings scaled down before the first step, and embeddings that learn faster by "
        "as much, are one function where a norm follows and steps do not see a gradient’s size, but for LayerNorm’s "
        f"epsilon and rounding. Steps to the sustained grok on {TITLES[MAIN]}, seed by seed: {pairs} (n = "
        f"{len(known)}).",
    )
