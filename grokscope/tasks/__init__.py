"""Labelled datasets, each with the group that its answers are computed in.

task         `Task` and the `Operation`s behind it
modular      add, sub, mul, div and mixtures of them, modulo n
group        products in any finite group; composition in S_n is one
parity       k-sparse parity of n bits
expression   a formula of two operands modulo n
table        any function of two operands, by its labels
given        a `Task` that was made in Python
recognition  a table that is a group's, up to names
noise        training labels redrawn
seeds        independent random streams from one seed
"""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from grokscope.config import ConfigError, RunConfig, TaskConfig
from grokscope.config.task import Operation as OperationName
from grokscope.tasks.expression import expression_task
from grokscope.tasks.given import given_task, stored_task, with_task
from grokscope.tasks.group import group_task
from grokscope.tasks.modular import modular_task
from grokscope.tasks.noise import with_label_noise
from grokscope.tasks.parity import parity_task
from grokscope.tasks.seeds import generator
from grokscope.tasks.table import table_task
from grokscope.tasks.task import Operation, Task

BUILDERS: dict[str, Callable[[TaskConfig], Task]] = {
    **dict.fromkeys((*get_args(OperationName), "mixed"), modular_task),
    "permutation": group_task,
    "group": group_task,
    "parity": parity_task,
    "expression": expression_task,
    "table": table_task,
    "given": given_task,
}
"""The function that builds the task of each `task.name`."""


def build_task(config: TaskConfig) -> Task:
    """The dataset that a config describes.

    Raises `ConfigError` for a name that has no builder, and where the group that the config gives is not a group.
    """
    builder = BUILDERS.get(config.name)
    if builder is None:
        raise ConfigError(f"task.name = {config.name!r} has no builder: use one of {', '.join(BUILDERS)}")
    return replace(builder(config), train_indices=config.train_indices)


def run_task(config: RunConfig) -> Task:
    """The dataset that a run learns: that of its config, some training labels redrawn (`task.label_noise`)."""
    task = build_task(config.task)
    if not config.task.label_noise:
        return task
    return with_label_noise(task, config.task.label_noise, config.task.train_fraction, config.seed)


__all__ = [
    "BUILDERS",
    "Operation",
    "Task",
    "build_task",
    "generator",
    "run_task",
    "stored_task",
    "with_label_noise",
    "with_task",
]
