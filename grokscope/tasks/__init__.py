"""Labelled datasets, each with the group that its answers are computed in.

task         `Task` and the `Operation`s behind it
modular      add, sub, mul, div and mixtures of them, modulo a prime
permutation  composition in S_n
parity       k-sparse parity of n bits
seeds        independent random streams from one seed
"""

from grokscope.config.schema import TaskConfig
from grokscope.tasks.modular import modular_task
from grokscope.tasks.parity import parity_task
from grokscope.tasks.permutation import permutation_task
from grokscope.tasks.seeds import generator
from grokscope.tasks.task import Operation, Task


def build_task(config: TaskConfig) -> Task:
    """The dataset that a config describes."""
    if config.name == "permutation":
        return permutation_task(config)
    if config.name == "parity":
        return parity_task(config)
    return modular_task(config)


__all__ = ["Operation", "Task", "build_task", "generator"]
