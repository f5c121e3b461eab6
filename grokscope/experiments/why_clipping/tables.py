"""The tables of the page: every arm's numbers, every hypothesis, every task."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from grokscope.analysis import where
from grokscope.experiments.why_clipping.declared import CLIP, FREE, NORMS_FREE
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES, QUESTIONS, seen
from grokscope.experiments.why_clipping.summary import MEDIATORS
from grokscope.experiments.why_clipping.tasks import MAIN
from grokscope.experiments.why_clipping.wording import FEW, ratio_in_words
from grokscope.experiments.wording import TITLES, steps
from grokscope.report import Table

LADDER = {
    "norms-clip-step-free-scale-free": "clip, step and scale of a free run",
    "sphere-rows": "sphere, by rows",
    "sphere-rows-zeros": "the same, zeros held",
    "sphere-1": "sphere, by tensors",
    "growing-sphere-rows-step": "growing sphere, by rows, step held",
    "growing-sphere-step": "growing sphere, by tensors, step held",
    "growing-sphere-tensors": "growing sphere, by tensors",
    "decay-as-clip": "decay at the clip’s rates",
    "replay-tensor": "the clip’s shrinking, by tensor",
    "replay-all-mean": "one constant shrinking",
    NORMS_FREE: "step of the start, clip’s logit scale",
    "relative-step": "relative step alone",
    FREE: "projection alone",
}
"""The arms of the ladder and what they are called there, those that take over most of what the clip does first."""


def as_text(table: pd.DataFrame) -> Table:
    """The numbers of a family as they stand on the page."""
    columns = ("task", "arm", "runs", "reached", "median", "first grok", "ratio to the clip", "share", "verdict")
    columns += ("signal", "memory", "noise", "norm", "spread")
    written = []
    for row in table.to_dict("records"):
        cells = (
            TITLES[str(row["task"])], row["arm"], row["n"], row["reached"], steps(row["median"]),
            steps(row["first_median"]), "–" if pd.isna(row["ratio"]) else ratio_in_words(row), _share(row),
            row["verdict"],
            *("–" if pd.isna(row[name]) else f"{row[name]:.2g}" for name in MEDIATORS),
        )  # fmt: skip
        written.append(tuple(map(str, cells)))
    caption = (
        "Runs that reached the sustained grok (of random labels: memorisation), median steps to it and to the first "
        "grok; the ratio of geometric means over shared seeds with two one-sided 95% ends; the share of the clip’s "
        "speed-up, in logarithms, over the seeds that arm, clip and projection alone share, which may be fewer; "
        "signal, memory and noise at the grok, in nats; the joint norm of the decoder at the end over that at the "
        "start, and the spread of row norms at the end: the standard deviation over the mean, in the weight matrix of "
        "the decoder where that is largest."
    )
    return Table(columns, tuple(written), frozenset(columns[2:6] + columns[7:8] + columns[9:]), caption)


def _share(row: Mapping[str, object]) -> str:
    """A share of the clip's speed-up with its own n: `96% (n = 2)`."""
    if pd.isna(row["share"]):  # type: ignore[call-overload]
        return "–"
    share = f"{float(str(row['share'])):.0%}".replace("-", "−")
    return f"{'0%' if share == '−0%' else share} (n = {row['share_seeds']})"


def hypotheses_as_text(found: pd.DataFrame) -> Table:
    """Every hypothesis with what it predicts for each of its arms, and what was seen."""
    columns = ("because", "arm", "predicted", TITLES[MAIN], "seen")
    written = []
    for one in HYPOTHESES:
        says = one.says
        for question in QUESTIONS:
            for arm, words in one.arms(question).items():
                rows = where(found, hypothesis=one.name, question=question, arm=arm)
                if len(rows):
                    main = where(rows, task=MAIN).to_dict("records")
                    cells = (words, rows["predicted"].iloc[0], main[0]["seen"] if main else "–")
                    written.append((says, *map(str, cells), seen(found, one.name, question, arm)))
                    says = ""
    caption = (
        "What each hypothesis predicts for the arms that have its one thing alone, without a clip (as soon), or all "
        "but it (later); the ratio to the clip on the main task; and what was seen, task by task: of the first kind, "
        "all or not all of the clip’s effect; of the second, whether something is lost. All of it means as soon as the "
        "clip, whether or not these runs can tell that the clip is sooner than none there."
    )
    return Table(columns, tuple(written), frozenset(), caption)


def tasks_as_text(table: pd.DataFrame) -> Table:
    """The arms of the ladder on every task, with the steps of the clip above them."""
    tasks = [task for task in TITLES if task in set(table["task"])]
    columns = ("arm", *(TITLES[task] for task in tasks))
    written = [(("projection and clip, steps"), *(_median(table, task) for task in tasks))]
    for arm, label in LADDER.items():
        cells = []
        for task in tasks:
            rows = where(table, task=task, arm=arm).to_dict("records")
            cells.append(f"{ratio_in_words(rows[0])}: {rows[0]['verdict']}" if rows else "–")
        written.append((label, *cells))
    caption = (
        "Median steps of the clip to the sustained grok; below, the ratio of each arm to it, and whether it is as "
        f"soon, later, or cannot be told. Of fewer than {FEW} seeds a verdict is an indication."
    )
    return Table(columns, tuple(written), frozenset(), caption)


def _median(table: pd.DataFrame, task: str) -> str:
    rows = where(table, task=task, arm=CLIP).to_dict("records")
    return f"{steps(rows[0]['median'])} (n = {rows[0]['n']})" if rows else "–"
