"""What an experiment is: a name, what it asks, and a function that trains what is missing and writes the results.

An experiment declares itself in its own module. `experiments` collects those of this package (the modules of
`published`, and `why_clipping`) and those that a user's own module has declared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grokscope.collecting import import_modules
from grokscope.config import ConfigError
from grokscope.config.nearest import did_you_mean
from grokscope.sweeps.board import Watcher

SCALES = ("published", "small")


@dataclass(frozen=True)
class Request:
    """How an experiment is to be run."""

    scale: str = "published"
    """`published`, or `small`: seconds or minutes, to show that everything works; its numbers mean nothing."""
    seeds: tuple[int, ...] = ()
    """Left out: those of the scale."""
    only: tuple[str, ...] = ()
    """Names of parts of the experiment; left out: all of them."""
    runs: Path | None = None
    """Where its runs are; left out: its own folder below checkpoints/."""
    out: Path | None = None
    """Where its results go; left out: below reports/."""
    workers: int | None = None
    """As for `run_sweep`."""
    training: bool = True
    """False: train nothing, and use the runs that have ended."""
    watch: Watcher | None = None
    """As for `run_sweep`."""
    side_by_side: str | None = None
    """A device on which the seeds of an arm are trained side by side, without run directories; left out: none."""
    say: Callable[[str], None] = lambda line: None
    """Called with a line before each thing that is done."""

    def folders(self, name: str) -> tuple[Path, Path]:
        """Where the runs and the results of an experiment of this name go, asked for or not."""
        own = f"{name}-small" if self.scale == "small" else name
        runs = Path("checkpoints", own) if self.runs is None else self.runs
        return runs, Path("reports", own) if self.out is None else self.out


@dataclass(frozen=True)
class Outcome:
    """What an experiment has to show at its end."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    """A table to print, under the columns."""
    lines: tuple[str, ...]
    """Lines to print below it, such as the files that were written."""
    failed: tuple[str, ...] = ()
    """Names of the runs that could not be trained."""

    @classmethod
    def of_table(cls, shown: pd.DataFrame, lines: Sequence[str], failed: Sequence[str] = ()) -> Outcome:
        """An outcome that prints a table; what is missing in it is None."""
        rows = [tuple(None if pd.isna(cell) else cell for cell in row) for row in shown.itertuples(index=False)]
        return cls(tuple(map(str, shown)), rows, tuple(lines), tuple(failed))


@dataclass(frozen=True)
class Experiment:
    """An experiment from sweep to results."""

    name: str
    """What `grokscope experiment` takes."""
    asks: str
    """Its question, in one line."""
    parts: Callable[[], tuple[str, ...]]
    """The names that `Request.only` accepts."""
    start: Callable[[Request], Outcome]
    """Trains what is missing and writes the results; started again, it goes on where it was.

    Raises `ConfigError` for a request that is not accepted, `DiskError` where results cannot be written, before
    anything is trained, and as `run_sweep` does.
    """
    trains_side_by_side: bool = False
    """Whether `Request.side_by_side` is accepted: where a row needs no more than the times of a run."""

    def run(self, request: Request) -> Outcome:
        """`start`, of a request that this experiment can be asked for. Raises `ConfigError` for another."""
        if request.side_by_side is not None and not self.trains_side_by_side:
            raise ConfigError(
                f"side_by_side = {request.side_by_side!r} is not accepted: {self.name} needs the directories of its "
                "runs; leave it out"
            )
        return self.start(request)


_declared: list[Experiment] = []


def declare_experiment(experiment: Experiment) -> Experiment:
    """Make an experiment known to `experiments`; one of the same question and name is replaced."""
    for other in [one for one in _declared if (one.name, one.asks) == (experiment.name, experiment.asks)]:
        _declared.remove(other)
    _declared.append(experiment)
    return experiment


def experiments() -> dict[str, Experiment]:
    """All experiments by name, in alphabetical order. Raises `ConfigError` where two have one name."""
    for package in ("grokscope.experiments", "grokscope.experiments.published"):
        import_modules(package)
    known: dict[str, Experiment] = {}
    for one in sorted(_declared, key=lambda one: one.name):
        if one.name in known:
            raise ConfigError(f"two experiments are called {one.name!r}: give one of them another name")
        known[one.name] = one
    return known


def experiment(name: str) -> Experiment:
    """The experiment of a name. Raises `ConfigError`, with the nearest name, where there is none."""
    known = experiments()
    if name not in known:
        raise ConfigError(f"there is no experiment {name!r}: {did_you_mean(name, known)}")
    return known[name]


def check_scale(scale: str) -> None:
    """Raise `ConfigError` for a scale that there is not."""
    if scale not in SCALES:
        raise ConfigError(f"scale = {scale!r} is not accepted: use {' or '.join(SCALES)}")
