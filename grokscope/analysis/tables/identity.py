"""Which run a row of a table is about: an analysis takes one run or several, and says so in its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.runs.layout import task_label

if TYPE_CHECKING:
    from grokscope.runs import Run

IDENTITY = ("run", "task", "arm", "seed")
"""The first columns of every table over runs."""


def of_runs(runs: Run | Sequence[Run], table_of: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
    """One table of the tables of each run, with the columns `IDENTITY` before their own.

    The columns are added here and not by the analysis, so that a table kept in a run's folder stays true when that
    folder is renamed. Raises ValueError for no runs at all, and for two runs of one name.
    """
    return joined(identified(run, table_of(run)) for run in as_list(runs))


def as_list(runs: Run | Sequence[Run]) -> list[Run]:
    """One run or several as a list. Raises ValueError for no runs at all, and for two runs of one name."""
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    check_names(several)
    return several


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables one after the other. One without rows has no types worth keeping, and would spoil those of the others."""
    parts = list(tables)
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def check_names(runs: Sequence[Run]) -> None:
    """Raise ValueError unless there are runs, each with a name of its own: tables tell them apart by it."""
    if not runs:
        raise ValueError("runs = [] is not accepted: give at least one run")
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        paths = ", ".join(str(run.path) for run in runs if run.name in twice)
        raise ValueError(f"runs have the same name {', '.join(twice)} ({paths}): rename the folder of one")


def identified(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """A table of one run with the columns `IDENTITY` first. Raises ValueError where it has one of them already."""
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
