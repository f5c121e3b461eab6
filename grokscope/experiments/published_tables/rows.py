"""One row for every run that has ended: from its directory here, or from the rows that are published.

So an experiment that was begun on another machine goes on from what that machine committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grokscope.analysis.timing import timing_table
from grokscope.config import RunConfig, override, settings_of
from grokscope.disk.errors import DiskError, disk_errors
from grokscope.experiments.published_tables.trained import Arm
from grokscope.runs import ENDED, open_run
from grokscope.runs.layout import is_run
from grokscope.sweeps import Job

FILE = "runs.csv"
WHOLE = ("memorisation_step", "grok_step", "sustained_grok_step", "delay", "budget", "observed", "sustained_observed",
         "cadence")  # fmt: skip
"""Columns of whole numbers, which may be missing."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a table."""

    table: str
    arm: Arm
    job: Job

    @property
    def key(self) -> tuple[str, str]:
        """What its row goes by: the name of its directory, and a digest of its config."""
        return self.job.name, digest(self.job.config)


def planned(table: str, arm: Arm, seed: int, config: RunConfig) -> PlannedRun:
    return PlannedRun(table, arm, Job(config, f"{table}-{arm.task}-{arm.name}-seed{seed}"))


def digest(config: RunConfig) -> str:
    """The first 12 digits of the sha256 of what a config sets otherwise than the methods that it names do by default.

    So a setting that is new to grokscope does not make rows stale, as long as it is left at its default.
    """
    settings = settings_of(config)
    methods = {name: value for name, value in settings.items() if name.endswith(".name")}
    defaults = settings_of(override(RunConfig(), methods))
    changed = {name: value for name, value in settings.items() if name in methods or defaults.get(name) != value}
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:12]


def published_rows(folder: Path) -> pd.DataFrame:
    """The rows that are published in a folder; none where there are none. Raises `DiskError` for a damaged file."""
    file = folder / FILE
    if not file.exists():
        return pd.DataFrame({"run": [], "config": []})
    try:
        with disk_errors(f"read {file}"):
            rows = pd.read_csv(file, dtype={"config": str})
        return rows.astype(dict.fromkeys(WHOLE, "Int64")).astype({"run": str, "part": str})
    except (KeyError, ValueError) as error:
        raise DiskError(
            f"{file} has no rows of this experiment: {error}; remove it, or restore what was committed"
        ) from None


def rows_of(plan: Iterable[PlannedRun], runs: Path, published: pd.DataFrame) -> pd.DataFrame:
    """A row for every planned run that has ended, here or elsewhere, in the order of the plan."""
    elsewhere = {
        (str(row["run"]), str(row["config"])): published.iloc[[place]]
        for place, (_, row) in enumerate(published.iterrows())
    }
    parts = []
    for one in plan:
        here = runs / one.job.name
        if has_ended(here):
            row = timing_table(open_run(here))
        elif one.key in elsewhere:
            row = elsewhere[one.key]
        else:
            continue
        # A task is called by its preset's name here: s5, not permutation.
        parts.append(
            row.assign(part=one.table, task=one.arm.task, arm=one.arm.name, bound=one.arm.bound, config=one.key[1])
        )
    if not parts:
        return pd.DataFrame({"part": [], "run": [], "config": []})
    rows = pd.concat(parts, ignore_index=True)
    return rows.reindex(columns=[*_FIRST, *(name for name in rows if name not in _FIRST)])


_FIRST = ("part", "run", "task", "arm", "bound")


def has_ended(path: Path) -> bool:
    """Whether a directory holds a run with nothing left to train."""
    return is_run(path) and open_run(path).status in ENDED
