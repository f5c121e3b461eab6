"""The ledger of an experiment: one row for every run that has ended, from its directory or from the committed rows.

So an experiment that was begun on another machine goes on from what that machine committed. A run is known by its name
and by a digest of its config; rows are written after every few runs, and whatever has a row is not trained again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd

from grokscope.analysis.timing import timing_table
from grokscope.config import RunConfig, override, settings_of
from grokscope.config.references import path_and_digest
from grokscope.disk.errors import DiskError, disk_errors
from grokscope.disk.files import write_atomic
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.experiment import Request
from grokscope.runs import Run, open_run
from grokscope.sweeps import Job, Sweep, run_sweep

FILE = "runs.csv"
"""The file of the rows in the folder of a page."""
WHOLE = ("memorisation_step", "grok_step", "sustained_grok_step", "delay", "budget", "observed", "sustained_observed",
         "cadence")  # fmt: skip
"""Columns of whole numbers, which may be missing."""
ROUND = 24
"""Runs that are trained before the rows are written."""
TRACES = ("norms.replay", "norms.relative_step_trace", "loss.follow")
"""Settings that name a trace."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of an experiment."""

    part: str
    task: str
    """By its preset's name: s5, not permutation."""
    arm: str
    job: Job
    about: Mapping[str, object] = field(default_factory=dict)
    """What else its row says of it."""

    @property
    def key(self) -> tuple[str, str]:
        """What its row goes by: the name of its directory, and a digest of its config."""
        return self.job.name, digest(self.job.config)

    def has_ended(self, runs: Path) -> bool:
        """Whether its directory, in the folder of all runs, has nothing left to train."""
        return self.job.ended(runs / self.job.name) is not None


def planned(
    part: str, task: str, arm: str, seed: int, config: RunConfig, about: Mapping[str, object] | None = None
) -> PlannedRun:
    """A run with the name that all of an experiment have."""
    return PlannedRun(part, task, arm, Job(config, f"{part}-{task}-{arm}-seed{seed}"), about or {})


def digest(config: RunConfig) -> str:
    """The first 12 digits of the sha256 of what a config sets otherwise than the methods that it names do by default.

    So a setting that is new to grokscope does not make rows stale, as long as it is left at its default. A trace counts
    by the name of its file: another machine records it again, and it differs there by rounding.
    """
    settings = settings_of(config)
    settings |= {name: Path(path_and_digest(settings[name])[0]).name for name in TRACES if settings.get(name)}
    methods = {name: value for name, value in settings.items() if name.endswith(".name")}
    defaults = settings_of(override(RunConfig(), methods))
    changed = {name: value for name, value in settings.items() if name in methods or defaults.get(name) != value}
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class PublishedRows:
    """The rows that are published in a file."""

    table: pd.DataFrame
    places: Mapping[tuple[str, str], int]
    """Where in the table the row of a run is, by the key of the run."""

    def __contains__(self, key: object) -> bool:
        return key in self.places


def published_rows(file: Path) -> PublishedRows:
    """The rows that are published in a file; none where there is none.

    Raises `DiskError` for a damaged file.
    """
    if not file.exists():
        return PublishedRows(pd.DataFrame(), {})
    try:
        with disk_errors(f"read {file}"):
            table = pd.read_csv(file, dtype={"config": str})
        rows = table.astype(dict.fromkeys(WHOLE, "Int64")).astype({"run": str, "part": str})
        keys = zip(rows["run"], rows["config"], strict=True)
        return PublishedRows(rows, {key: place for place, key in enumerate(keys)})
    except (KeyError, ValueError) as error:
        raise DiskError(f"{file} does not hold rows of this experiment: {error}; restore it, or remove it") from None


def rows_of(
    plan: Sequence[PlannedRun],
    runs: Path,
    published: PublishedRows,
    measure: Callable[[Run], Mapping[str, object]] = lambda run: {},
    *,
    others: bool = False,
) -> pd.DataFrame:
    """A row for every planned run that has ended, here or elsewhere, in the order of the plan.

    Arguments:
        measure: more columns, of a run that is here.
        others: keep the published rows of runs that the plan does not name, after those that it names: they are of more
            seeds, or of arms that somebody declared elsewhere.
    """
    elsewhere: list[PlannedRun] = []
    here: list[PlannedRun] = []
    made: list[pd.DataFrame] = []
    for one in plan:
        if one.key in published:
            elsewhere.append(one)
        elif one.has_ended(runs):
            run = open_run(runs / one.job.name)
            made.append(timing_table(run).assign(**measure(run)))
            here.append(one)
    ended = [*elsewhere, *here]
    planned_names = [one.job.name for one in plan]
    kept = published.table.loc[~published.table["run"].isin(planned_names)] if others and published.places else None
    if not ended and (kept is None or not len(kept)):
        return pd.DataFrame({name: [] for name in (*_FIRST, "config")})
    known = [published.table.iloc[[published.places[one.key] for one in elsewhere]]] if elsewhere else []
    rows = pd.concat([*known, *made], ignore_index=True) if ended else published.table.iloc[:0]
    about = {name: [one.about[name] for one in ended] for name in (ended[0].about if ended else ())}
    said = {
        "part": [one.part for one in ended],
        "task": [one.task for one in ended],
        "arm": [one.arm for one in ended],
        "config": [one.key[1] for one in ended],
    }
    place = {one.job.name: at for at, one in enumerate(plan)}
    order = sorted(range(len(rows)), key=lambda at: place[ended[at].job.name])
    rows = rows.assign(**said, **about).iloc[order]
    rows = pd.concat([rows, *([kept] if kept is not None and len(kept) else [])], ignore_index=True)
    first = [*_FIRST, *about]
    return rows.reindex(columns=[*first, *(name for name in rows if name not in (*first, "config")), "config"])


def unfinished(plan: Sequence[PlannedRun], runs: Path, file: Path) -> list[PlannedRun]:
    """The planned runs that have ended neither here nor elsewhere, as the published rows of a file say."""
    published = published_rows(file)
    return [one for one in plan if one.key not in published and not one.has_ended(runs)]


def write_rows(file: Path, rows: pd.DataFrame) -> None:
    """Write the rows where they are published. Raises `DiskError` where that is impossible."""
    with disk_errors(f"write {file}"):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, csv_bytes(rows))


def train_in_rounds(
    name: str,
    plan: Sequence[PlannedRun],
    runs: Path,
    file: Path,
    request: Request,
    rows: Callable[[], pd.DataFrame],
) -> list[str]:
    """Train what has not ended, some runs at a time; returns the names of those that failed.

    Arguments:
        name: of the experiment.
        plan: the runs, in the order in which they are trained.
        file: where rows are published.
        rows: all rows that there are, which are written after every round.
    """
    left = iter(unfinished(plan, runs, file))
    failed = []
    while of_round := list(islice(left, ROUND)):
        request.say(f"{of_round[0].part}: {len(of_round)} runs")
        jobs = tuple(one.job for one in of_round)
        ended = run_sweep(Sweep(name, jobs), runs, request.workers, watch=request.watch)
        failed += [outcome.name for outcome in ended if outcome.standing == "failed"]
        write_rows(file, rows())
    return failed


_FIRST = ("part", "run", "task", "arm")
