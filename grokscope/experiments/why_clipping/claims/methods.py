"""How does the clip stand against other methods, in steps, gradient evaluations and seconds?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from grokscope import figures
from grokscope.analysis import names, numbers
from grokscope.analysis.timing import medians
from grokscope.config import RunConfig
from grokscope.experiments.accelerators import ARMS, accelerator, settled, step_cost
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.configs import sized
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import effects, in_words, speed_ups
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import WholeRuns
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate, Table

STAGE = "accelerators"
CLIP = "lion-clip"
"""Lion with projection and clip, by its name in that stage; see `grokscope.experiments.accelerators`."""


def compared(study: Study, seed: int) -> Iterator[RunConfig]:
    """Every method on a seed, without and with the clip. A setting that is settled is not run again."""
    scale = study.scale
    for task in scale.method_tasks:
        for clip in (False, True):
            for arm in scale.methods or ARMS:
                config = sized(scale, task, accelerator(task, arm, clip, seed))
                same = study.runs(STAGE, config.task.name, config.arm)
                if not settled([run for run in same if run.config.seed != seed], len(scale.few_seeds)):
                    yield config


@declare_claim(
    number=10,
    name="methods",
    question="Is Lion with the clip faster than every other method?",
    prediction="If it is, its interval is above 1 against each of them, in steps and in gradient evaluations.",
    arms={"...-clip": "the method with rows projected at the start and clipped at the published bound"},
    trains=(WholeRuns(STAGE, lambda scale: scale.few_seeds, compared),),
    limits=(
        "Three seeds: an interval of a ratio then holds the truth in three samples of four. Methods have their "
        "sources' settings; Scion's radii were set by a handful of runs. Seconds are steps times the cost of a "
        "step, measured side by side on a quiet machine (`python -m benchmarks.accelerators`).",
    ),
)
def claim(study: Study) -> Answer:
    """Every other method, without and with the clip, from the same weights on the same batches."""
    measured, drawn, written = [], [], []
    cost = step_cost()
    for task in study.scale.method_tasks:
        table = study.timing(task, stages=(STAGE,))
        unclipped = [arm for arm in _order(table) if not arm.endswith("-clip")]
        for arm in unclipped:
            measured += speed_ups(table, task, arm, [CLIP])
            measured += (
                speed_ups(table, task, arm, [CLIP], "gradient_evaluations") if arm.startswith("neuralgrok") else []
            )
        clip = table["arm"].str.endswith("-clip")
        drawn.append(table.assign(task=task, clip=clip, arm=table["arm"].str.removesuffix("-clip")))
        written += _rows(table, task, cost)
    table = effects(measured)
    columns = ("task", "method", "runs", "grokked", "steps", "gradient evaluations", "ms per step", "seconds")
    caption = (
        "Medians over seeds; –: more than half of the runs had not grokked within the budget, or no cost measured."
    )
    tables = (Table(columns, tuple(written), frozenset(columns[2:]), caption),) if written else ()
    return Answer(
        _verdict(table),
        tuple(_sentences(table)),
        table,
        _plates(drawn),
        tables,
    )


def _order(table: pd.DataFrame) -> list[str]:
    known = names(table, "arm")
    return [arm for name in ARMS for arm in (name, f"{name}-clip") if arm in known]


def _rows(table: pd.DataFrame, task: str, cost: dict[str, float]) -> list[tuple[str, ...]]:
    steps = medians(table).set_index("arm")
    evaluations = medians(table, unit="gradient_evaluations").set_index("arm")
    lines = []
    for arm in _order(table):
        at, ms = float(steps.loc[arm, "median"]), cost.get(arm, float("nan"))
        cells = (at, float(evaluations.loc[arm, "median"]), ms, at * ms / 1000)
        counted = (str(int(steps.loc[arm, name])) for name in ("n", "events"))
        shown = ("–" if x != x else f"{x:,.{digits}f}" for x, digits in zip(cells, (0, 0, 1, 1), strict=True))
        lines.append((task, arm, *counted, *shown))
    return lines


def _verdict(table: pd.DataFrame) -> Verdict:
    """By steps and gradient evaluations alone: both are counted, and seconds are this machine's."""
    low, high = numbers(table, "low"), numbers(table, "high")
    if not len(low) or np.isnan(low).any():
        return "cannot tell"
    return "yes" if (low > 1).all() else "no" if (high < 1).any() else "cannot tell"


def _sentences(table: pd.DataFrame) -> list[str]:
    told = []
    for task in names(table, "task"):
        of_task = table.loc[(table["task"] == task) & (table["quantity"] == "speed-up in steps")]
        slower = of_task.loc[of_task["low"].astype(float) > 1]
        faster = of_task.loc[of_task["high"].astype(float) < 1].to_dict("records")
        near = of_task.loc[(of_task["low"].astype(float) <= 1) & (of_task["high"].astype(float) >= 1)].to_dict(
            "records"
        )
        told.append(
            f"{task}: sooner than {len(slower)} of {len(of_task)} methods without a clip, all of the interval above 1."
        )
        for word, rows in (("slower than", faster), ("not told apart from", near)):
            told += (
                [f"{task}: {word} {', '.join(f'''{row['against']} {in_words(row)}''' for row in rows)}."]
                if rows
                else []
            )
    return told


def _plates(drawn: list[pd.DataFrame]) -> tuple[Plate, ...]:
    runs = pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame()
    if runs.empty:
        return ()
    order = {name: place for place, name in enumerate(ARMS)}
    runs = runs.sort_values("arm", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    caption = "Steps to the grok of every method, without and with the clip. Open triangles: not within the budget."
    return (Plate("methods_runs", figures.methods(runs), runs, caption),)
