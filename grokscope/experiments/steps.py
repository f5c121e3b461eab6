"""How long runs go on once they have grokked, and how many steps that is in evaluations."""

from __future__ import annotations

from functools import cache

from grokscope.config import RunConfig, TaskConfig, override
from grokscope.tasks import build_task
from grokscope.training.batches import BatchStream
from grokscope.training.loop import FULL_BATCH_EVALUATION

STEPS_AFTER_GROK = 200
"""Steps that a run goes on for when its grok has been sustained."""


def ending_after_grok(config: RunConfig) -> RunConfig:
    """A config whose run ends so many steps after its sustained grok, or at the next evaluation after that."""
    return override(config, {"training.stop_evaluations": -(-STEPS_AFTER_GROK // steps_per_epoch(config))})


def steps_per_epoch(config: RunConfig) -> int:
    """Steps from one evaluation to the next of a run that is evaluated once an epoch, by the loop's own cadence."""
    if config.training.batch_size is None:
        return FULL_BATCH_EVALUATION
    return _steps_per_epoch(config.task, config.training.batch_size)


@cache  # a few tasks have hundreds of runs
def _steps_per_epoch(task: TaskConfig, batch_size: int) -> int:
    train, _ = build_task(task).split(task.train_fraction, 0)
    return BatchStream(train, batch_size, 0).steps_per_epoch
