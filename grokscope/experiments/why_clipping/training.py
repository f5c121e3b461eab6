"""Training what the experiment is missing."""

from __future__ import annotations

from collections.abc import Callable

from grokscope.experiments.why_clipping.plan import rounds
from grokscope.experiments.why_clipping.study import Study
from grokscope.sweeps import Outcome, Sweep, run_sweep
from grokscope.sweeps.board import Watcher


def train(
    study: Study,
    workers: int | None = None,
    watch: Watcher | None = None,
    say: Callable[[str], None] = lambda told: None,
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

    Those whose settings come from runs that are not there are not among them.
    """
    found: list[str] = []
    planned = rounds(study)
    while True:
        try:
            stage, jobs = next(planned)
        except (StopIteration, ValueError):
            return found
        ended = {run.name for run in study.runs(stage)}
        found += [job.name for job in jobs if job.name not in ended]
