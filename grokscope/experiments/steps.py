"""How many steps a run takes from one evaluation to the next, where it is evaluated once an epoch."""

from __future__ import annotations

from functools import cache

from grokscope.config import RunConfig, TaskConfig
from grokscope.tasks import build_task
from grokscope.training.batches import BatchStream
from grokscope.training.loop import FULL_BATCH_EVALUATION


def steps_per_epoch(config: RunConfig) -> int:
    """Steps from one evaluation to the next, by the loop's own cadence."""
    if config.training.batch_size is None:
        return FULL_BATCH_EVALUATION
    return _steps_per_epoch(config.task, config.training.batch_size)


@cache  # a few tasks have hundreds of runs
def _steps_per_epoch(task: TaskConfig, batch_size: int) -> int:
    train, _ = build_task(task).split(task.train_fraction, 0)
    return BatchStream(train, batch_size, 0).steps_per_epoch
