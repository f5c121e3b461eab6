"""Labelled datasets, each with the group that its answers are computed in.

task         `Task` and the `Operation`s behind it
modular      add, sub, mul, div and mixtures of them, modulo a prime
group        products in any finite group; composition in S_n is one
parity       k-sparse parity of n bits
seeds        independent random streams from one seed
"""

from dataclasses import replace

from grokscope.config import TaskConfig
from grokscope.tasks.group import group_task
from grokscope.tasks.modular import modular_task
from grokscope.tasks.parity import parity_task
from grokscope.tasks.seeds import generator
from grokscope.tasks.task import Operation, Task


def build_task(config: TaskConfig) -> Task:
    """The dataset that a config describes. Raises `ConfigError` where the group that it gives is none."""
    if config.name in ("permutation", "group"):
        task = group_task(config)
    elif config.name == "parity":
        task = parity_task(config)
    else:
        task = modular_task(config)
    return replace(task, train_indices=config.train_indices)


__all__ = ["Operation", "Task", "build_task", "generator"]
