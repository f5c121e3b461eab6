"""Training what the experiment is missing."""

from __future__ import annotations

from collections.abc import Callable

from grokscope.config import ConfigError
from grokscope.experiments.why_clipping.plan import rounds
from grokscope.experiments.why_clipping.study import Study
from grokscope.sweeps import Outcome, Sweep, run_sweep
from grokscope.sweeps.board import Watcher


def train(
    study: Study,
    workers: int | None = None,
    watch: Watcher | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Outcome]:
    """Train every run that has not ended, round by round, and return how all of them ended.

    Started again, it goes on where it was. Raises as `run_sweep` does.
    """
    ended: list[Outcome] = []
    for stage, jobs in rounds(study):
        if jobs:
            say(f"{stage}: {len(jobs)} runs")
            ended += run_sweep(Sweep(stage, jobs), study.folder / stage, workers, watch=watch)
    return ended


def unfinished(study: Study) -> list[str]:
    """Names of the runs that have not ended, in the order in which they are trained.

    Runs whose settings are measured on others are named only where those others have ended. Raises `ConfigError`
    where two claims declare one run with different settings.
    """
    missing: list[str] = []
    planned = rounds(study)
    while True:
        try:
            stage, jobs = next(planned)
        except ConfigError:
            raise
        except (StopIteration, ValueError):
            return missing
        ended = {run.name for run in study.runs(stage)}
        missing += [job.name for job in jobs if job.name not in ended]
