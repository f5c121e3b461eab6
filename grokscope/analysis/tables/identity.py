"""Which run a row of a table is about: an analysis takes one run or several, and says so in its columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import pandas as pd

from grokscope.runs.layout import task_label

if TYPE_CHECKING:
    from grokscope.runs import Run

P = ParamSpec("P")

IDENTITY = ("run", "task", "arm", "seed")
"""The first columns of every table over runs."""


def each_run(
    analyse: Callable[Concatenate[Run, P], pd.DataFrame],
) -> Callable[Concatenate[Run | Sequence[Run], P], pd.DataFrame]:
    """Let an analysis of one run take several, and put the columns `IDENTITY` before its own.

    They are added here and not by the analysis, so that a table kept in a run's folder stays true when
    that folder is renamed. Raises ValueError for no runs at all, and for two runs of one name.
    """

    @wraps(analyse)
    def over_runs(runs: Run | Sequence[Run], /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        several = list(runs) if isinstance(runs, Sequence) else [runs]
        check_names(several)
        tables = [_identified(run, analyse(run, *args, **kwargs)) for run in several]
        # An empty table has no types worth keeping, and would spoil those of the others.
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    return over_runs


def check_names(runs: Sequence[Run]) -> None:
    """Raise ValueError unless there are runs, each with a name of its own: tables tell them apart by it."""
    if not runs:
        raise ValueError("runs = [] is not accepted: give at least one run")
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        paths = ", ".join(str(run.path) for run in runs if run.name in twice)
        raise ValueError(f"runs have the same name {', '.join(twice)} ({paths}): rename the folder of one")


def _identified(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    clash = [column for column in IDENTITY if column in table]
    if clash:
        raise ValueError(
            f"an analysis returned the column {clash[0]!r}: {', '.join(IDENTITY)} are added to every table"
        )
    known = {
        "run": run.name,
        "task": task_label(run.config.task),
        "arm": run.config.arm,
        "seed": run.config.seed,
    }
    # A list and not a scalar, so that an empty table gets the same types as a full one.
    columns = {column: pd.Series([value] * len(table), index=table.index) for column, value in known.items()}
    return pd.concat([pd.DataFrame(columns), table], axis=1)
