"""The row that a listing shows of a run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from grokscope.config import RunConfig
from grokscope.runs.layout import task_label
from grokscope.runs.reached import Milestones

COLUMNS = (
    "task",
    "arm",
    "seed",
    "steps",
    "checkpoints",
    "status",
    "memorisation_step",
    "grok_step",
    "grok_by",
    "problem",
)
"""Of a listing, after the run's name and path."""


def summary(config: RunConfig, steps: Collection[int], status: str, reached: Milestones) -> dict[str, Any]:
    """All columns but `problem`, of a run that can be read.

    Arguments:
        steps: those that have a checkpoint.
    """
    return {
        "task": task_label(config.task),
        "arm": config.arm,
        "seed": config.seed,
        "steps": max(steps, default=None),
        "checkpoints": len(steps),
        "status": status,
        "memorisation_step": reached.memorisation_step,
        "grok_step": reached.grok_step,
        "grok_by": reached.grok_by,
    }
