"""From sweep to page, in rounds: after each the rows of all runs that have ended are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from grokscope.analysis import where
from grokscope.config import ConfigError, override
from grokscope.disk.errors import disk_errors
from grokscope.disk.files import write_atomic
from grokscope.experiments.experiment import Experiment, Outcome, Request, check_scale, declare_experiment, nearest
from grokscope.experiments.published_tables.page import write_tables
from grokscope.experiments.published_tables.rows import (
    FILE,
    PlannedRun,
    planned,
    published_rows,
    rows_of,
)
from grokscope.experiments.published_tables.summary import best_bounds, summary
from grokscope.experiments.published_tables.trained import (
    BEST_ON_MUL,
    TABLES,
    Arm,
    residual_arms,
    sizes,
    table_names,
)
from grokscope.experiments.table import TINY, TINY_TASKS
from grokscope.sweeps import Sweep, run_sweep

NAME = "published-tables"
ROUND = 24
"""Runs that are trained before the rows are written."""


def published_tables(request: Request) -> Outcome:
    """Train what has not ended here or elsewhere, and write the page; started again, it goes on where it was."""
    check_scale(request.scale)
    for name in request.only:
        if name not in table_names():
            raise ConfigError(f"{NAME} has no table {name!r}: {nearest(name, table_names())}")
    chosen = request.only or table_names()
    suffix = "-small" if request.scale == "small" else ""
    runs = Path("checkpoints", NAME + suffix) if request.runs is None else request.runs
    out = Path("reports", NAME + suffix) if request.out is None else request.out
    failed: list[str] = []
    for needs_bounds in (False, True) if request.training else ():  # the last table is of bounds that the first finds
        plan = [one for one in _plan(request, runs, out) if one.table in chosen]
        failed += _train([one for one in plan if (one.table == "residual") == needs_bounds], runs, out, request)
    plan = _plan(request, runs, out)
    rows = rows_of(plan, runs, published_rows(out))
    if not len(rows):
        raise ValueError(f"no run of {NAME} in {runs} has ended: train some (without --report-only)")
    request.say("writing the page")
    arms = {name: list(dict.fromkeys(one.arm for one in plan if one.table == name)) for name in table_names()}
    summaries = {name: summary(where(rows, part=name), arms[name]) for name in table_names()}
    summaries = {name: table for name, table in summaries.items() if len(table)}
    ended = set(rows["run"])
    missing = {
        name: [one.job.name for one in plan if one.table == name and one.job.name not in ended] for name in summaries
    }
    page = write_tables(out, rows, summaries, missing, request.scale)
    shown = pd.concat(summaries.values(), ignore_index=True)[["part", "task", "arm", "n", "failures", "median"]]
    return Outcome(
        tuple(shown),
        [tuple(None if pd.isna(cell) else cell for cell in row) for row in shown.itertuples(index=False)],
        (f"{len(rows)} of {len(plan)} runs have ended", f"wrote {page}"),
        tuple(failed),
    )


def _plan(request: Request, runs: Path, out: Path) -> list[PlannedRun]:
    """Every run of every table, as far as it is known: the last table needs the first."""
    plan = [run for table in TABLES for run in _of_table(table.name, table.arms, request)]
    of_bounds = [one for one in plan if one.table == "bounds"]
    bounds = summary(rows_of(of_bounds, runs, published_rows(out)), list(dict.fromkeys(one.arm for one in of_bounds)))
    best = {task: bound for task, bound in best_bounds(bounds).items() if task in ("sub", "s5")}
    return plan + list(_of_table("residual", residual_arms({"mul": BEST_ON_MUL, **best}), request))


def _of_table(name: str, arms: Sequence[Arm], request: Request) -> Iterator[PlannedRun]:
    if request.scale == "small":
        # Two arms of each task are enough to show that everything works.
        by_task: dict[str, list[Arm]] = {}
        for arm in arms:
            by_task.setdefault(arm.task, []).append(replace(arm, n_seeds=min(arm.n_seeds, 2)))
        arms = [arm for of_task in by_task.values() for arm in of_task[:2]]
    for arm, seed in sizes(arms, request.seeds):
        config = arm.config(seed)
        if request.scale == "small":
            config = override(override(config, _TINY), _TINY_TASKS.get(arm.task, {}))
        yield planned(name, arm, seed, config)


_TINY: Mapping[str, Any] = {**TINY, "training.stop_evaluations": 1}
_TINY_TASKS: Mapping[str, Mapping[str, Any]] = {
    **TINY_TASKS,
    "div": {"task.modulus": 13},
    "mixed": {"task.modulus": 7},
    "s5": TINY_TASKS["permutation"],
}


def _train(plan: Sequence[PlannedRun], runs: Path, out: Path, request: Request) -> list[str]:
    """Train what has not ended, some runs at a time; returns the names of those that failed."""
    published = published_rows(out)
    left = iter([one for one in plan if one.key not in published and not one.has_ended(runs)])
    failed = []
    while of_round := list(islice(left, ROUND)):
        request.say(f"{of_round[0].table}: {len(of_round)} runs")
        jobs = tuple(one.job for one in of_round)
        ended = run_sweep(Sweep(NAME, jobs), runs, request.workers, watch=request.watch)
        failed += [outcome.name for outcome in ended if outcome.standing == "failed"]
        rows = rows_of(_plan(request, runs, out), runs, published_rows(out))
        with disk_errors(f"write {out / FILE}"):
            out.mkdir(parents=True, exist_ok=True)
            write_atomic(out / FILE, rows.to_csv(index=False).encode())
    return failed


declare_experiment(
    Experiment(NAME, "Do the tables of the method's authors reproduce?", table_names, published_tables),
)
