"""How much of the headline is the clip, and how much the optimizer, the initialisation and the baseline's tuning?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, where
from grokscope.analysis.timing import best_settings, decomposition, grid_medians
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import undone
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import (
    ENDINGS,
    SHARE,
    SPEED_UP,
    effects,
    in_words,
    shares_of,
    speed_ups,
)
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.tuning import ADAMW, grids, tuned_settings
from grokscope.experiments.why_clipping.verdicts import Verdict, over_tasks
from grokscope.report import Plate

PUBLISHED, BEGINNING = "adamw-published", "adamw"
"""The baseline that the source compares with, and the one that is tuned."""
AVERAGED = "average over orders"
TUNED = ("lion-tuned", "clip-tuned")
TUNING = "share of the speed-up"
SHOWN = {
    (BEGINNING, PUBLISHED): "AdamW, tuned",
    (arms.HEADLINE, BEGINNING): "Lion clipped, from tuned AdamW",
    ("init", f"{AVERAGED} from {arms.BASELINE}"): "projection, in Lion",
    ("clip", f"{AVERAGED} from {arms.BASELINE}"): "clip, in Lion",
    (arms.HEADLINE, arms.BASELINE): "both, in Lion",
}
"""Effects that are drawn, by arm and what it is against, and what they are called."""


def tuned(study: Study, task: str) -> dict[str, Settings]:
    """AdamW as published; Lion, and Lion with projection and clip, at the best settings of their grids."""
    best = tuned_settings(study)
    return {
        PUBLISHED: ADAMW | {"optimizer.weight_decay": 0.01},
        "lion-tuned": best["lion"],
        "clip-tuned": arms.init(bound(study.scale, task)) | best["clip"],
    }


@declare_claim(
    number=1,
    name="headline",
    question="Does the headline need the clip, or does tuning the baseline do as much?",
    prediction="If it needs the clip, AdamW whose learning rate and weight decay are tuned comes nowhere near the "
    "clipped network. If it does not, tuned AdamW has most of the speed-up over AdamW as published. What the clip "
    "gives beside the optimizer and the projection of rows at the start is told by switching each on, in every order.",
    arms={
        PUBLISHED: "AdamW as published: learning rate 1e-3, weight decay 0.01",
        "adamw": "AdamW, at the best of nine settings of learning rate and weight decay, found on other seeds",
        "lion": "Lion, learning rate 1e-3, no weight decay",
        "-init": "every row projected to the published bound before training",
        "-clip": "decoder rows clipped to that bound after every step",
        "lion-tuned, clip-tuned": "the best of nine settings of learning rate by weight decay, or by bound",
    },
    trains=(Arms(tuned),),
    on_main_alone="the comparison with the published baseline in claim {number}",
    limits=(
        "The switches interact: what each gives is an average over the orders in which they can be switched on. "
        "From AdamW it is mostly a bound, for clipped AdamW at its tuned learning rate often does not grok. "
        "Learning rate, weight decay and bound were tuned on multiplication alone, over nine settings each; the "
        "other tasks have AdamW at the setting found there, and the published bound.",
        "At its tuned learning rate AdamW often loses validation accuracy again after its grok; by the first grok "
        "that holds for five more evaluations it is later.",
    ),
)
def claim(study: Study) -> Answer:
    """A tuned baseline against the published one; three switches in every order; Lion tuned as hard."""
    measured, drawn = [], []
    for task in study.scale.seeds:
        table = study.timing(task, (PUBLISHED, *arms.FACTORS))
        drawn.append(_runs(table, task))
        for event in ENDINGS:
            measured += speed_ups(table, task, PUBLISHED, [BEGINNING, arms.HEADLINE], event=event)
            measured += shares_of(table, task, [BEGINNING], PUBLISHED, arms.HEADLINE, event)
            measured += speed_ups(table, task, BEGINNING, [arms.HEADLINE], event=event)
        measured += speed_ups(table, task, arms.BASELINE, [arm for arm in arms.IN_LION if arm != arms.BASELINE])
        for factors in (arms.IN_LION, arms.FACTORS):
            if set(factors) <= set(names(table, "arm")):
                parts = where(decomposition(table, factors), order="average")
                measured += [_contribution(task, next(iter(factors)), row) for row in parts.to_dict("records")]
    main = study.timing(MAIN)
    measured += speed_ups(main, MAIN, BEGINNING, TUNED)
    if {"lion-tuned", "clip-tuned"} <= set(names(main, "arm")):
        measured += speed_ups(main, MAIN, "lion-tuned", ["clip-tuned"])
    table = effects(measured)
    return Answer(
        _verdict(table),
        tuple(_sentences(table)),
        table,
        tuple(_plates(study, table, drawn)),
    )


def _verdict(table: pd.DataFrame) -> Verdict:
    """By the share of the published speed-up that is missing without the clip."""
    of_tuning = where(table, kind=SHARE, quantity=TUNING)
    return over_tasks([undone(of_tuning, task, BEGINNING) for task in names(of_tuning, "task")])


def _sentences(table: pd.DataFrame) -> list[str]:
    sentences, in_lion = [], []
    for task in names(table, "task"):
        said = {
            (row["quantity"], row["arm"], row["against"]): in_words(row)
            for row in where(table, task=task).to_dict("records")
        }
        steps = {(arm, against): words for (what, arm, against), words in said.items() if what == "speed-up in steps"}
        if (BEGINNING, PUBLISHED) in steps:
            sentences.append(
                f"{task}: over AdamW as published, tuned AdamW without a clip is faster by "
                f"{steps[BEGINNING, PUBLISHED]}, Lion with projection and clip by {steps[arms.HEADLINE, PUBLISHED]}."
            )
        if (arms.HEADLINE, BEGINNING) in steps:
            lasting = said["speed-up in steps to a sustained grok", arms.HEADLINE, BEGINNING]
            sentences.append(
                f"{task}: Lion with projection and clip against tuned AdamW {steps[arms.HEADLINE, BEGINNING]}; by the "
                f"first grok that holds for five more evaluations {lasting}."
            )
        if (arms.HEADLINE, arms.BASELINE) in steps:
            average = f"{AVERAGED} from {arms.BASELINE}"
            in_lion.append(
                f"{task}: Lion gains {steps[arms.HEADLINE, arms.BASELINE]} from projection and clip; on average over "
                f"both orders {steps['init', average]} by the projection and {steps['clip', average]} by the clip."
            )
    for row in where(table, arm="clip-tuned", against="lion-tuned").to_dict("records"):
        in_lion.append(f"With equal tuning, the clip against Lion without it on {row['task']}: {in_words(row)}.")
    return [*sentences, *in_lion]


def _contribution(task: str, beginning: str, row: dict[str, Any]) -> dict[str, object]:
    """Of one switch, on average over the orders."""
    notes = (row["bound"] if row["bound"] != "exact" else "", row["statement"])
    return {
        "task": task,
        "arm": row["factor"],
        "against": f"{AVERAGED} from {beginning}",
        "kind": SPEED_UP,
        "quantity": "speed-up in steps",
        "value": row["speed_up"],
        "low": row["speed_up_low"],
        "high": row["speed_up_high"],
        "seeds": row["seeds"],
        "statement": "; ".join(filter(None, notes)),
    }


def _runs(table: pd.DataFrame, task: str) -> pd.DataFrame:
    if table.empty:
        return table
    return table.assign(task=task, clip=table["arm"].str.endswith("-clip"), arm=table["arm"].str.removesuffix("-clip"))


def _plates(study: Study, table: pd.DataFrame, drawn: list[pd.DataFrame]) -> list[Plate]:
    plates = []
    runs = pd.concat(drawn, ignore_index=True)
    if len(runs):
        plates.append(
            Plate(
                "headline_runs",
                figures.methods(runs),
                runs,
                "Steps to the grok of every run, with each combination of optimizer, projection of rows at the start "
                "and clip. Open triangles: not within the budget.",
            )
        )
        labels = pd.Series([SHOWN.get(pair) for pair in zip(table["arm"], table["against"], strict=True)])
        shown = table.assign(step=labels).loc[(table["quantity"] == "speed-up in steps") & labels.notna()]
        places = {label: place for place, label in enumerate(SHOWN.values())}
        tasks = {task: place for place, task in enumerate(names(shown, "task"))}
        shown = shown.sort_values("step", key=lambda column: column.map(places), kind="stable")
        shown = shown.sort_values("task", key=lambda column: column.map(tasks), kind="stable")
        plates.append(
            Plate(
                "headline_contributions",
                figures.forest(_as_speed_ups(shown)),
                shown,
                "How many times sooner each step makes networks grok: tuning AdamW, against AdamW as published; from "
                "tuned AdamW to the clipped network; and within Lion the projection of rows and the clip, averaged "
                "over both orders of switching them on, and both. 95% bootstrap intervals over seeds.",
            )
        )
    for arm, (_, grid) in grids(bound(study.scale, MAIN)).items():
        tried = study.grid(arm, tuple(grid))
        best = best_settings(tried, list(grid), study.scale.tuning_seeds)
        middles = grid_medians(tried, list(grid))
        axes = tuple(map(_short, grid))
        plates.append(
            Plate(
                f"headline_grid_{arm}",
                figures.grid_map(middles.rename(columns=_short), *axes, chosen=best.rename(columns=_short)),
                middles,
                f"Median steps to the grok on {MAIN}, seeds {', '.join(map(str, study.scale.tuning_seeds))}, at every "
                "setting that was tried; framed: the one that is used.",
            )
        )
    return plates


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _as_speed_ups(table: pd.DataFrame) -> pd.DataFrame:
    """Effects as the forest plot takes them."""
    return pd.DataFrame(
        {
            "baseline": "before",
            "arm": table["task"] + ": " + table["step"],
            "event": "grok",
            "unit": "steps",
            "speed_up": table["value"].astype(float),
            "low": table["low"].astype(float),
            "high": table["high"].astype(float),
            "is_lower_bound": table["statement"].str.contains("at least"),
            "is_upper_bound": table["statement"].str.contains("at most"),
        }
    )
