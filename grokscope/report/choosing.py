"""Which runs a section shows, where seeds of an arm would be too many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grokscope.runs import Run


def one_of_each_arm(runs: Iterable[Run]) -> list[Run]:
    """One run for each task and arm, the first that grokked, or else the first. Runs without checkpoints are passed
    over."""
    best: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = (run.task.name, run.config.arm)
        if run.steps and (key not in best or (best[key].grok_step is None and run.grok_step is not None)):
            best[key] = run
    return list(best.values())
