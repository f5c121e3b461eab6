"""One row for every run that has ended: from its directory here, or from the rows that are published.

So an experiment that was begun on another machine goes on from what that machine committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grokscope.analysis.timing import timing_table
from grokscope.config import RunConfig, override, settings_of
from grokscope.disk.errors import DiskError, disk_errors
from grokscope.experiments.published_tables.trained import Arm
from grokscope.runs import open_run
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

    def has_ended(self, runs: Path) -> bool:
        """Whether its directory, in the folder of all runs, has nothing left to train."""
        return self.job.ended(runs / self.job.name) is not None


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


def published_rows(folder: Path) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows that are published in a folder, each by the key of its run; none where there are none.

    Raises `DiskError` for a damaged file.
    """
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        with disk_errors(f"read {file}"):
            table = pd.read_csv(file, dtype={"config": str})
        rows = table.astype(dict.fromkeys(WHOLE, "Int64")).astype({"run": str, "part": str})
        keys = zip(rows["run"], rows["config"], strict=True)
        return {key: rows.iloc[[place]] for place, key in enumerate(keys)}
    except (KeyError, ValueError) as error:
        raise DiskError(f"{file} does not hold rows of this experiment: {error}; restore it, or remove it") from None


def rows_of(plan: Iterable[PlannedRun], runs: Path, published: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """A row for every planned run that has ended, here or elsewhere, in the order of the plan."""
    parts = []
    for one in plan:
        if one.has_ended(runs):
            row = timing_table(open_run(runs / one.job.name))
        elif one.key in published:
            row = published[one.key]
        else:
            continue
        # A task is called by its preset's name here: s5, not permutation.
        parts.append(
            row.assign(part=one.table, task=one.arm.task, arm=one.arm.name, bound=one.arm.bound, config=one.key[1])
        )
    if not parts:
        return pd.DataFrame({name: [] for name in (*_FIRST, "config")})
    rows = pd.concat(parts, ignore_index=True)
    return rows.reindex(columns=[*_FIRST, *(name for name in rows if name not in _FIRST)])


_FIRST = ("part", "run", "task", "arm", "bound")
