"""From sweep to page, in rounds: after each the rows of all runs that have ended are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from grokscope.analysis import where
from grokscope.config import ConfigError, override
from grokscope.config.nearest import did_you_mean
from grokscope.experiments.experiment import Experiment, Outcome, Request, check_scale, declare_experiment
from grokscope.experiments.ledger import FILE, PlannedRun, planned, published_rows, rows_of, train_in_rounds
from grokscope.experiments.published_tables.page import write_tables
from grokscope.experiments.published_tables.summary import best_bounds, summary
from grokscope.experiments.published_tables.trained import (
    BEST_ON_MUL,
    TABLES,
    Arm,
    residual_arms,
    sizes,
    table_names,
)
from grokscope.experiments.side_by_side import train_side_by_side
from grokscope.experiments.table import TINY, TINY_TASKS
from grokscope.report.page import check_page_folder

NAME = "published-tables"
(_BOUNDS,) = (table for table in TABLES if table.name == "bounds")


def published_tables(request: Request) -> Outcome:
    """Train what has not ended here or elsewhere, and write the page; started again, it goes on where it was."""
    check_scale(request.scale)
    for name in request.only:
        if name not in table_names():
            raise ConfigError(f"{NAME} has no table {name!r}: {did_you_mean(name, table_names())}")
    chosen = request.only or table_names()
    runs, out = request.folders(NAME)
    check_page_folder(out)
    failed: list[str] = []

    def rows_now() -> pd.DataFrame:
        return rows_of(_whole_plan(request, runs, out), runs, published_rows(out / FILE), others=True)

    for needs_bounds in (False, True) if request.training else ():  # the last table is of bounds that the first finds
        plan = [one for one in _plan(request, runs, out) if one.part in chosen]
        of_step = [one for one in plan if (one.part == "residual") == needs_bounds]
        if request.side_by_side is None:
            failed += train_in_rounds(NAME, of_step, runs, out / FILE, request, rows_now)
        else:
            train_side_by_side(of_step, runs, out / FILE, request, rows_now)
    plan = _whole_plan(request, runs, out)
    rows = rows_now()
    if not len(rows):
        raise ValueError(f"no run of {NAME} in {runs} has ended: train some (without --report-only)")
    request.say("writing the page")
    arms = {table.name: table.arms for table in TABLES} | {"residual": _residual_arms(rows)}
    summaries = {name: summary(where(rows, part=name), arms[name]) for name in table_names()}
    summaries = {name: table for name, table in summaries.items() if len(table)}
    ended = set(rows["run"])
    n_planned = sum(one.job.name in ended for one in plan)
    told = f"{n_planned} of {len(plan)} runs have ended"
    if beyond := len(rows) - n_planned:
        told += f", and {beyond} beyond the plan"
    missing = {
        name: [one.job.name for one in plan if one.part == name and one.job.name not in ended] for name in summaries
    }
    page = write_tables(out, rows, summaries, missing, request.scale)
    columns = ["part", "task", "arm", "n", "failures", "median"]
    shown = pd.concat(summaries.values(), ignore_index=True).reindex(columns=columns)
    return Outcome.of_table(shown, (told, f"wrote {page}"), failed)


def _whole_plan(request: Request, runs: Path, out: Path) -> list[PlannedRun]:
    """Every run that is known to be needed, and those of other seeds that are asked for beside them."""
    asked = (replace(request, seeds=()), request) if request.seeds else (request,)
    plans = [_plan(one, runs, out) for one in asked]
    return list({one.job.name: one for plan in plans for one in plan}.values())


def _plan(request: Request, runs: Path, out: Path) -> list[PlannedRun]:
    """Every run of every table, as far as it is known: the last table needs the first."""
    plan = [run for table in TABLES for run in _of_table(table.name, table.arms, request)]
    return plan + list(_of_table("residual", residual_arms(_best_bounds(request, runs, out).items()), request))


def _best_bounds(request: Request, runs: Path, out: Path) -> dict[str, float]:
    """`_best_of` what has ended."""
    plan = list(_of_table(_BOUNDS.name, _BOUNDS.arms, request))
    return _best_of(rows_of(plan, runs, published_rows(out / FILE), others=True))


def _best_of(rows: pd.DataFrame) -> dict[str, float]:
    """The best bound on mul, and on the other tasks of the last table as far as it is known, of all seeds."""
    best = best_bounds(summary(where(rows, part=_BOUNDS.name), _BOUNDS.arms))
    return {"mul": BEST_ON_MUL} | {task: bound for task, bound in best.items() if task in ("sub", "s5")}


def _residual_arms(rows: pd.DataFrame) -> tuple[Arm, ...]:
    """The arms of the last table: at the best bounds, and at those that were best when fewer seeds were known."""
    arms = residual_arms(_best_of(rows).items())
    of_table = where(rows, part="residual").dropna(subset=["bound"])
    known = zip(of_table["task"], of_table["bound"].astype(float), strict=True)
    return tuple({arm.task + arm.name: arm for arm in (*arms, *residual_arms(known))}.values())


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
        yield planned(name, arm.task, arm.name, seed, config, {"bound": arm.bound})


_TINY: Mapping[str, Any] = {**TINY, "training.stop_evaluations": 1}
_TINY_TASKS: Mapping[str, Mapping[str, Any]] = {
    **TINY_TASKS,
    "div": {"task.modulus": 13},
    "mixed": {"task.modulus": 7},
    "s5": TINY_TASKS["permutation"],
}


declare_experiment(
    Experiment(
        NAME,
        "Do the tables of the method's authors reproduce?",
        table_names,
        published_tables,
        trains_side_by_side=True,
    ),
)
