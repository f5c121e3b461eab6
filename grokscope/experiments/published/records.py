"""How soon can one grok? The soonest method that we know for each task, tuned on seeds of its own.

Candidates are Muon with every tensor held at its norm after the projection, at some learning rates (its own, and that
of Adam, which trains embeddings, unembedding, biases and gains) and bounds. Each is tried on two tuning seeds of a task
and the best of them on three more; one that groks in fewer runs comes after one that does in more. The best of those is
reported on other seeds, beside Scion in its ball, which is the soonest method without a norm control of ours, and the
published medians of Lion with projection and clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import Unit, medians
from grokscope.config import RunConfig, override, preset, presets
from grokscope.experiments.experiment import Experiment, Outcome, Request, declare_experiment
from grokscope.experiments.ledger import PlannedRun, planned, published_rows, rows_of, train_in_rounds
from grokscope.experiments.table import (
    TINY,
    TINY_TASKS,
    Plan,
    Publication,
    Size,
    planned_size,
    published_outcome,
    tables_folder,
)
from grokscope.experiments.why_clipping.families.methods import CONSTRAINED_SCION, MUON
from grokscope.experiments.why_clipping.tasks import bound

TASKS = ("mul", "add", "sub", "div", "mixed", "s5")
NAME = "records"
TUNING, REPORTED = "tuning", "reported"
"""Parts of the ledger."""
TRIED, TRIED_AGAIN = (100, 101), (102, 103, 104)
"""Tuning seeds: of every candidate, and of those that are kept."""
KEPT = 2
ADAM = 3e-3
"""The learning rate of Adam that goes without saying in the name of a candidate."""


class Candidate(NamedTuple):
    """One setting of Muon on the sphere."""

    rate: float
    scale: float
    """The bound of the projection over the published bound on row norms."""
    of_adam: float
    """The learning rate of Adam."""
    drop: float | None = None
    """Both rates fall to a fifth each time that this share of the published median has passed; None: constant."""

    @property
    def name(self) -> str:
        """What its runs are called: `muon-0.1-x1-adam-0.01-drop-0.25`; that of Adam is left out where it is `ADAM`."""
        adam = "" if self.of_adam == ADAM else f"-adam-{self.of_adam:g}"
        return f"muon-{self.rate:g}-x{self.scale:g}{adam}{'' if self.drop is None else f'-drop-{self.drop:g}'}"


CONSTANT = (
    *(Candidate(rate, scale, ADAM) for rate, scale in product((0.05, 0.1), (0.8, 1.0))),
    *(Candidate(rate, 1.0, 1e-2) for rate in (0.05, 0.07, 0.1)),
)
DROPPED = tuple(Candidate(0.1, 1.0, 1e-2, drop) for drop in (0.25, 0.4))
"""Large steps find the rule soon, and then keep accuracy below 0.95 by their noise, on mixed for longest."""
SCION = "scion"
HELD: Mapping[str, Any] = {
    **MUON,
    "norms.sphere": "tensors",
    "norms.max_norm": None,
    "norms.init_rows": "all",
}
"""What all candidates have."""
FREE: Mapping[str, Any] = {"norms.init_rows": "none", "norms.init_norm": None, "norms.max_norm": None}
"""No norm control of ours."""
UNITS: tuple[Unit, ...] = ("gradient_evaluations", "seconds")
PUBLISHED = Size(seeds=tuple(range(10)), parts=TASKS)
SMALL = Size(seeds=(0, 1), parts=("mul", "s5"), settings={**TINY, "training.steps": 40}, tasks=TINY_TASKS)


def candidates(task: str) -> dict[str, dict[str, Any]]:
    """What each candidate sets, by its name.

    Mixed has those whose rates drop alone: at constant rates a run takes most of its budget there (on seed 100 at a
    rate of 0.05 and 0.07, 2,260 and 2,450 steps; at 0.1, down after 800 steps, 820).
    """
    chosen = DROPPED if task == "mixed" else (*CONSTANT, *DROPPED)
    return {one.name: {**HELD, **_settings(one, task)} for one in chosen}


def _settings(one: Candidate, task: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "optimizer.lr": one.rate,
        "optimizer.adam_lr": one.of_adam,
        "norms.init_norm": one.scale * bound(task),
    }
    if one.drop is not None:
        after = {"optimizer.step_every": round(one.drop * published_step(task)), "optimizer.step_factor": 0.2}
        settings |= {"optimizer.schedule": "step", **after}
    return settings


def published_step(task: str) -> int:
    """The published median of Lion with projection and clip."""
    published = presets()[f"{task}-lion-clip"].published
    assert published is not None
    assert published.grok_step is not None, f"{task}-lion-clip has a published grok step"
    return published.grok_step


def budget(task: str) -> int:
    """Steps of a run: the published median, and 200 more."""
    return published_step(task) + 200


def config(task: str, arm: str, seed: int, settings: Mapping[str, Any]) -> RunConfig:
    """One run; it ends when its grok has been sustained, or at its budget."""
    common = {
        "arm": arm,
        "seed": seed,
        "training.steps": budget(task),
        "training.eval_every": None,
        "training.stop_evaluations": 0,
        "checkpoints.schedule": "ends",
        "probes.record_every": None,
    }
    return override(preset(f"{task}-lion-clip"), common | dict(settings))


def stages(plan: Plan, rows: Callable[[Sequence[PlannedRun]], pd.DataFrame]) -> Iterator[list[PlannedRun]]:
    """What is trained, task by task: two rounds of tuning, and what is reported.

    Every candidate on two tuning seeds; the best of them on three more; the best of those, and Scion, on the others.
    One that was among the best of fewer candidates before, and so has all five seeds, counts with them. A stage is
    asked for when the one before it has been trained. Where a run of that has not ended, the best is not known, and
    the task stops there.

    Arguments:
        rows: the rows of some planned runs, of those that have ended.
    """
    for task in plan.parts:
        tuning = [_planned(plan, TUNING, task, arm, seed) for arm in candidates(task) for seed in TRIED]
        yield tuning
        found = rows(tuning)
        if len(found) < len(tuning):
            continue
        again = [_planned(plan, TUNING, task, arm, seed) for arm in ranked(found)[:KEPT] for seed in TRIED_AGAIN]
        yield again
        if len(rows(again)) < len(again):
            continue
        on_all = [_planned(plan, TUNING, task, arm, seed) for arm in candidates(task) for seed in TRIED_AGAIN]
        (best, *_) = ranked(rows([*tuning, *on_all]), of=len(TRIED) + len(TRIED_AGAIN))
        yield [_planned(plan, REPORTED, task, arm, seed) for arm in (best, SCION) for seed in plan.seeds]


def _planned(plan: Plan, part: str, task: str, arm: str, seed: int) -> PlannedRun:
    settings = {**CONSTRAINED_SCION, **FREE} if arm == SCION else candidates(task)[arm]
    return planned(part, task, arm, seed, plan.sized(config(task, arm, seed, settings)))


def ranked(rows: pd.DataFrame, of: int | None = None) -> list[str]:
    """Candidates from the best on: by how many runs do not grok, then by the geometric mean of sustained grok steps.

    A run that did not grok counts with its budget.

    Arguments:
        rows: of one task, on tuning seeds.
        of: count those alone that have so many runs.
    """
    standings = {}
    for arm in names(rows, "arm"):
        of_arm = where(rows, arm=arm)
        steps = numbers(of_arm, "sustained_grok_step")
        if of in (None, len(steps)):
            censored = np.isnan(steps)
            mean = float(np.log(np.where(censored, numbers(of_arm, "budget"), steps)).mean())
            standings[arm] = (int(censored.sum()), mean, arm)
    return sorted(standings, key=standings.__getitem__)


def records(request: Request) -> Outcome:
    """Tune and train what has not ended here or elsewhere, and write a row for each task and every run."""
    plan = planned_size(NAME, PUBLISHED, SMALL, request)
    file = tables_folder(request) / f"{NAME}-runs.csv"
    known: list[PlannedRun] = []
    failed: list[str] = []

    def rows_of_stages(some: Sequence[PlannedRun]) -> pd.DataFrame:
        return rows_of(some, plan.runs, published_rows(file))

    def rows_now() -> pd.DataFrame:
        return rows_of(known, plan.runs, published_rows(file), others=True)

    for stage in stages(plan, rows_of_stages):
        known.extend(stage)
        if request.training:
            failed += train_in_rounds(NAME, stage, plan.runs, file, request, rows_now)
    rows = rows_now()
    table = summary(reported(rows, known))
    if not len(table):
        raise ValueError(f"no run of {NAME} in {plan.runs} that is reported has ended: train some")
    request.say("writing the tables")
    publication = Publication({NAME: table, f"{NAME}-runs": rows}, shown=table)
    return published_outcome(publication, request, [one.job.name for one in known], set(rows["run"]), failed)


def reported(rows: pd.DataFrame, known: Sequence[PlannedRun]) -> pd.DataFrame:
    """The rows that are reported: where the best of a task is known, without those of what was the best of fewer.

    Arguments:
        known: the runs that have been asked for, of all parts.
    """
    found = where(rows, part=REPORTED)
    best: dict[str, set[str]] = {}
    for one in known:
        if one.part == REPORTED:
            best.setdefault(one.task, set()).add(one.arm)
    runs = zip(found["task"], found["arm"], strict=True)
    return found.loc[[task not in best or arm in best[task] for task, arm in runs]]


def summary(times: pd.DataFrame) -> pd.DataFrame:
    """A row for each task and method: medians of the first grok, and how many times sooner than published.

    Returns task, method, seeds, grokked, grok_step with low and high (95%), sustained_grok_step, gradient_evaluations,
    seconds (of training on this machine), published_step (the median of Lion with projection and clip), times_sooner
    (published_step / grok_step).
    """
    lines = []
    for task in sorted(names(times, "task"), key=TASKS.index):
        known = published_step(task)
        for method in names(where(times, task=task), "arm"):
            of_method = where(times, task=task, arm=method)
            (grok,) = medians(of_method).to_dict("records")
            (sustained,) = medians(of_method, "sustained_grok").to_dict("records")
            in_units = {unit: float(medians(of_method, unit=unit)["median"].iloc[0]) for unit in UNITS}
            lines.append(
                {
                    "task": task, "method": method, "seeds": grok["n"], "grokked": grok["events"],
                    "grok_step": grok["median"], "low": grok["low"], "high": grok["high"],
                    "sustained_grok_step": sustained["median"], **in_units, "published_step": known,
                    "times_sooner": known / float(grok["median"]),
                }
            )  # fmt: skip
    return pd.DataFrame(lines).round({"seconds": 1, "times_sooner": 2})


declare_experiment(Experiment(NAME, "How soon can one grok?", lambda: TASKS, records))
