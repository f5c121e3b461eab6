"""Experiments that publish tables: runs as rounds of a sweep, tables and figures from those that have ended.

    @table_experiment(
        name="which-tensor",
        asks="Which tensors does the clip act through?",
        published=Size(seeds=(0, 1, 2, 3, 4), parts=("none", "decoder")),
        small=Size(seeds=(0,), parts=("none",), settings=TINY, tasks=TINY_TASKS),
        rounds=rounds,
    )
    def which_tensor(plan: Plan, runs: list[Run]) -> Publication: ...

`rounds` says what is trained and the function itself what is made of it. A new module in `published` with such a
function is a new experiment; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from grokscope.config import ConfigError, RunConfig, override
from grokscope.config.nearest import did_you_mean
from grokscope.disk.errors import disk_errors
from grokscope.disk.files import write_atomic
from grokscope.disk.places import check_folder
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.experiment import (
    Experiment,
    Outcome,
    Request,
    check_scale,
    declare_experiment,
)
from grokscope.experiments.wording import by_arm
from grokscope.figures.files import save
from grokscope.report import build_report
from grokscope.runs import ENDED, Run, open_run
from grokscope.runs.layout import is_run
from grokscope.sweeps import Job, Sweep, run_sweep

TINY: Mapping[str, Any] = {
    "model.n_layers": 1,
    "model.d_model": 32,
    "model.n_heads": 2,
    "model.d_mlp": 64,
    "training.batch_size": None,
    "training.steps": 60,
    "training.eval_every": 10,
}
"""Settings of a small scale: a network and a budget of a second."""
TINY_TASKS: Mapping[str, Mapping[str, Any]] = {
    "add": {"task.modulus": 13},
    "mul": {"task.modulus": 13},
    "sub": {"task.modulus": 13},
    "permutation": {"task.degree": 3},
}


@dataclass(frozen=True)
class Size:
    """One scale of an experiment that publishes tables."""

    seeds: tuple[int, ...]
    parts: tuple[str, ...]
    """Arms, tasks or presets that it is about, if `--only` names no others of those that are published."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of every run, by full name, over those that the experiment gives."""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The same for the runs of a task, by `task.name`."""


@dataclass(frozen=True)
class Plan:
    """What was asked of an experiment: which seeds and parts of it, at which size, with the runs in which folder."""

    size: Size
    scale: str
    seeds: tuple[int, ...]
    parts: tuple[str, ...]
    runs: Path

    def sized(self, config: RunConfig) -> RunConfig:
        """A config at this size."""
        return override(override(config, self.size.settings), self.size.tasks.get(config.task.name, {}))

    def ended(self, jobs: Iterable[Job]) -> list[Run]:
        """The runs of some jobs, of those that have ended."""
        paths = [self.runs / job.name for job in jobs]
        runs = [open_run(path) for path in paths if is_run(path)]
        return [run for run in runs if run.status in ENDED]


@dataclass(frozen=True)
class Publication:
    """What is published."""

    tables: Mapping[str, pd.DataFrame]
    """By file name without its ending; written as CSV."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Those that are drawn of a table, by its name; written beside it as PNG and PDF."""
    shown: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What is printed at the end."""
    lines: tuple[str, ...] = ()
    """Lines that are printed below it."""
    reports: Mapping[str, Sequence[Run]] = field(default_factory=dict)
    """Runs of which a report is written, by the report's name."""


def table_experiment(
    *,
    name: str,
    asks: str,
    published: Size,
    small: Size,
    rounds: Callable[[Plan], Iterator[Sequence[Job]]],
    accepts: Callable[[str], bool] = lambda part: False,
) -> Callable[[Callable[[Plan, list[Run]], Publication]], Experiment]:
    """Declare an experiment: the decorator of the function that makes tables of its runs.

    Arguments:
        name, asks: of the `Experiment`.
        published, small: its sizes.
        rounds: the jobs of a plan, in one round or several; a round is asked for when the runs of the last have ended.
        accepts: whether `--only` may name a part that is not there by default.
    """

    def declare(publish: Callable[[Plan, list[Run]], Publication]) -> Experiment:
        def start(request: Request) -> Outcome:
            plan = planned_size(name, published, small, request, accepts)
            jobs, failed = _train(name, plan, rounds, request)
            runs = plan.ended(jobs)
            if not runs:
                raise ValueError(f"no run of {name} in {plan.runs} has ended: train some (without --report-only)")
            request.say("writing the tables")
            publication = publish(plan, runs)
            names = [job.name for job in jobs]
            return published_outcome(publication, request, names, {run.name for run in runs}, failed)

        return declare_experiment(Experiment(name, asks, lambda: published.parts, start))

    return declare


def planned_size(
    name: str, published: Size, small: Size, request: Request, accepts: Callable[[str], bool] = lambda part: False
) -> Plan:
    """What a request asks of an experiment. Raises `ConfigError` for a scale or part that is not accepted.

    Arguments:
        name: of the experiment.
        published, small, accepts: as for `table_experiment`.
    """
    check_scale(request.scale)
    size = small if request.scale == "small" else published
    check_folder(tables_folder(request))
    return Plan(
        size,
        request.scale,
        tuple(dict.fromkeys(request.seeds)) or size.seeds,
        _chosen(name, request.only, published.parts, accepts) if request.only else size.parts,
        request.folders(name)[0],
    )


def published_outcome(
    publication: Publication, request: Request, planned: Sequence[str], ended: Set[str], failed: Sequence[str]
) -> Outcome:
    """Write what is published, and say of the planned runs, by their names, which have ended and which have not."""
    paths = _write(publication, request)
    missing = [name for name in planned if name not in ended]
    lines = [f"{len(planned) - len(missing)} of {len(planned)} runs have ended"]
    lines += [f"not trained, or failed: {', '.join(by_arm(missing))}"] if missing else []
    written = f"wrote {', '.join(map(str, paths))}"
    return Outcome.of_table(publication.shown, (*publication.lines, *lines, written), failed)


def tables_folder(request: Request) -> Path:
    """Where tables go."""
    return Path("reports", f"tables{_suffix(request)}") if request.out is None else request.out


def _suffix(request: Request) -> str:
    return "-small" if request.scale == "small" else ""


def _chosen(name: str, only: Sequence[str], parts: tuple[str, ...], accepts: Callable[[str], bool]) -> tuple[str, ...]:
    """The parts that were asked for, in the order of the experiment; what is accepted beside them comes last."""
    for part in only:
        if part not in parts and not accepts(part):
            hint = did_you_mean(part, parts) if parts else "it is not made of parts, so leave --only out"
            raise ConfigError(f"{name} has no part {part!r}: {hint}")
    others = tuple(dict.fromkeys(part for part in only if part not in parts))
    return (*(part for part in parts if part in only), *others)


def _train(
    name: str, plan: Plan, rounds: Callable[[Plan], Iterator[Sequence[Job]]], request: Request
) -> tuple[list[Job], list[str]]:
    """Train what has not ended, round by round; returns all jobs, and the names of those that failed."""
    jobs, failed = [], []
    for of_round in rounds(plan):
        jobs += of_round
        if request.training and of_round:
            request.say(f"{name}: {len(of_round)} runs")
            ended = run_sweep(Sweep(name, tuple(of_round)), plan.runs, request.workers, watch=request.watch)
            failed += [outcome.name for outcome in ended if outcome.standing == "failed"]
    return jobs, failed


def _write(publication: Publication, request: Request) -> list[Path]:
    """Write tables and figures, and reports beside them; returns the paths of tables and pages."""
    folder = tables_folder(request)
    paths = []
    with disk_errors(f"write tables to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in publication.tables.items():
            if name in publication.figures:
                save(publication.figures[name], table, folder, name)
            else:
                write_atomic(folder / f"{name}.csv", csv_bytes(table))
            paths.append(folder / f"{name}.csv")
    for name, runs in publication.reports.items():
        beside = Path("reports", f"{name}{_suffix(request)}") if request.out is None else request.out / name
        paths.append(build_report(name, runs, beside))
    return paths
