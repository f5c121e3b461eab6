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
size         `TaskSize`: how large a task is, before it is built
seeds        independent random streams from one seed
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import get_args

from grokscope.capacity import check_memory
from grokscope.config import ConfigError, RunConfig, TaskConfig
from grokscope.config.task import Operation as OperationName
from grokscope.tasks.expression import expression_size, expression_task
from grokscope.tasks.given import given_size, given_task, stored_task, with_task
from grokscope.tasks.group import group_size, group_task
from grokscope.tasks.modular import modular_size, modular_task
from grokscope.tasks.noise import with_label_noise
from grokscope.tasks.parity import parity_size, parity_task
from grokscope.tasks.seeds import generator
from grokscope.tasks.size import TaskSize
from grokscope.tasks.table import table_size, table_task
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

SIZES: dict[str, Callable[[TaskConfig], TaskSize]] = {
    **dict.fromkeys((*get_args(OperationName), "mixed"), modular_size),
    "permutation": group_size,
    "group": group_size,
    "parity": parity_size,
    "expression": expression_size,
    "table": table_size,
    "given": given_size,
}
"""The function that tells the size of each task before it is built."""

SMALL = 2**26
"""Bytes of a task that is built without a look at the memory that is left."""


def build_task(config: TaskConfig) -> Task:
    """The dataset that a config describes.

    Raises `ConfigError` for a name that has no builder, and where the group that the config gives is not a group, and
    `CapacityError` for examples that the machine has no memory for.
    """
    builder = BUILDERS.get(config.name)
    if builder is None:
        raise ConfigError(f"task.name = {config.name!r} has no builder: use one of {', '.join(BUILDERS)}")
    needed = task_size(config).bytes
    if needed > SMALL:
        check_memory(needed, f"the table of examples of task.name = {config.name}")
    return replace(builder(config), train_indices=config.train_indices)


@lru_cache(maxsize=8)  # of a task that is given by its examples these are counted
def task_size(config: TaskConfig) -> TaskSize:
    """How many examples and tokens the task of a config has, without making them."""
    return SIZES[config.name](config)


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
    "TaskSize",
    "build_task",
    "generator",
    "run_task",
    "stored_task",
    "task_size",
    "with_label_noise",
    "with_task",
]
