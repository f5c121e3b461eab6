"""How soon can one grok? The soonest method that we know for each task, tuned on seeds of its own.

Candidates are Muon with every tensor held at its norm after the projection, at some learning rates and bounds. Each is
tried on two tuning seeds of a task and the best of them on three more. The best of those is reported on other seeds,
beside Scion in its ball, which is the soonest method without a norm control of ours, and the published medians of Lion
with projection and clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from grokscope.analysis import names, where
from grokscope.analysis.timing import Unit, medians, timing_table
from grokscope.config import RunConfig, override, preset, presets
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.experiments.why_clipping.families.methods import CONSTRAINED_SCION, MUON
from grokscope.experiments.why_clipping.tasks import bound
from grokscope.runs import Run
from grokscope.sweeps import Job

TASKS = ("mul", "add", "sub", "div", "mixed", "s5")
TRIED, TRIED_AGAIN = (100, 101), (102, 103, 104)
"""Tuning seeds: of every candidate, and of those that are kept."""
KEPT = 2
RATES, SCALES = (0.05, 0.1), (0.8, 1.0)
"""Learning rates of Muon, and bounds of the projection over the published bound on row norms."""
SCION = "scion"
HELD: Mapping[str, Any] = {
    **MUON,
    "optimizer.adam_lr": 3e-3,
    "norms.sphere": "tensors",
    "norms.max_norm": None,
    "norms.init_rows": "all",
}
"""What all candidates have."""
FREE: Mapping[str, Any] = {"norms.init_rows": "none", "norms.init_norm": None, "norms.max_norm": None}
"""No norm control of ours."""
UNITS: tuple[Unit, ...] = ("gradient_evaluations", "seconds")
COLUMNS = ("task", "method", "seed", "grok_step", "sustained_grok_step", "gradient_evaluations", "seconds", "budget")


def candidates(task: str) -> dict[str, dict[str, Any]]:
    """What each candidate sets, by its name."""
    return {
        f"muon-{rate:g}-x{scale:g}": {**HELD, "optimizer.lr": rate, "norms.init_norm": scale * bound(task)}
        for rate, scale in product(RATES, SCALES)
    }


def budget(task: str) -> int:
    """Steps of a run: the published median of Lion with projection and clip, and 200 more."""
    published = presets()[f"{task}-lion-clip"].published
    assert published is not None
    assert published.grok_step is not None, f"{task}-lion-clip has a published grok step"
    return published.grok_step + 200


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


def rounds(plan: Plan) -> Iterator[Sequence[Job]]:
    """Every candidate on two tuning seeds; the best on three more; the best of them, and Scion, on the others."""
    tuned = [_job(plan, task, arm, seed) for task in plan.parts for arm in candidates(task) for seed in TRIED]
    yield tuned
    again = [
        _job(plan, task, arm, seed)
        for task in plan.parts
        for arm in ranked(plan.ended(tuned), task)[:KEPT]
        for seed in TRIED_AGAIN
    ]
    yield again
    runs = plan.ended([*tuned, *again])
    best = {task: ranked(runs, task, of=len(TRIED) + len(TRIED_AGAIN))[:1] for task in plan.parts}
    yield [_job(plan, task, arm, seed) for task in plan.parts for arm in (*best[task], SCION) for seed in plan.seeds]


def _job(plan: Plan, task: str, arm: str, seed: int) -> Job:
    settings = {**CONSTRAINED_SCION, **FREE} if arm == SCION else candidates(task)[arm]
    return Job(plan.sized(config(task, arm, seed, settings)), f"{task}-{arm}-seed{seed}")


def ranked(runs: Sequence[Run], task: str, of: int | None = None) -> list[str]:
    """Candidates of a task from the soonest on: by the geometric mean of sustained grok steps over tuning seeds.

    A run that did not grok counts with its budget.

    Arguments:
        runs: those that have ended.
        of: count those alone that have so many runs.
    """
    times: dict[str, list[float]] = {}
    for run in runs:
        if task_of(run) == task and run.config.seed in (*TRIED, *TRIED_AGAIN):
            step = run.sustained_grok_step
            times.setdefault(run.config.arm, []).append(float(run.config.training.steps if step is None else step))
    means = {arm: float(np.log(steps).mean()) for arm, steps in times.items() if of in (None, len(steps))}
    return sorted(means, key=lambda arm: (means[arm], arm))


def task_of(run: Run) -> str:
    """The task of a run by its presets' name."""
    return "s5" if run.config.task.name == "permutation" else run.config.task.name


@table_experiment(
    name="records",
    asks="How soon can one grok?",
    published=Size(seeds=tuple(range(10)), parts=TASKS),
    small=Size(
        seeds=(0, 1),
        parts=("mul", "s5"),
        settings={**TINY, "training.steps": 40},
        tasks=TINY_TASKS,
    ),
    rounds=rounds,
)
def records(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each task with its best method, and every run that is reported."""
    reported = [run for run in runs if run.config.seed in plan.seeds]
    if not reported:
        raise ValueError(f"no run of records in {plan.runs} on the seeds {plan.seeds} has ended: train some")
    tasks = {run.name: task_of(run) for run in reported}
    times = timing_table(reported)
    times = times.assign(task=times["run"].map(tasks.__getitem__))
    table = summary(times)
    written = times.assign(
        method=times["arm"],
        gradient_evaluations=times["grok_gradient_evaluations"],
        seconds=times["grok_seconds"].round(1),
    ).reindex(columns=list(COLUMNS))
    return Publication({"records": table, "records-runs": written}, shown=table)


def summary(times: pd.DataFrame) -> pd.DataFrame:
    """A row for each task and method: medians of the first grok, and how many times sooner than published.

    Returns task, method, seeds, grokked, grok_step with low and high (95%), sustained_grok_step, gradient_evaluations,
    seconds (of training on this machine), published_step (the median of Lion with projection and clip), times_sooner
    (published_step / grok_step).
    """
    lines = []
    for task in names(times, "task"):
        published = presets()[f"{task}-lion-clip"].published
        known = published.grok_step if published is not None else None
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
                    "times_sooner": np.nan if known is None else known / float(grok["median"]),
                }
            )  # fmt: skip
    return pd.DataFrame(lines).round({"seconds": 1, "times_sooner": 2})
