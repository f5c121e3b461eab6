"""A formula of two operands modulo n: [x, f, y, =] -> the value of the formula.

All pairs of 0 .. n-1 are examples, x slowest, but for those at which the formula divides by a number without an
inverse: they are left out, and said. Tokens: numbers 0 .. n-1, then `=`, then `f` (none in the form [x, y, =]; neither
in [x, y]).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from grokscope.config import ConfigError, TaskConfig
from grokscope.config.expression import parse
from grokscope.tasks.recognition import recognised_operations
from grokscope.tasks.size import TaskSize, size_of_pairs
from grokscope.tasks.task import Task, names_of_signs, operand_positions, sequence


def expression_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `expression_task` where the formula has a value at every pair; else an upper bound."""
    return size_of_pairs(config.modulus**2, config.modulus, config.form)


def expression_task(config: TaskConfig) -> Task:
    """The task of a config named expression. Raises `ConfigError` where fewer than two pairs have a value."""
    n = config.modulus
    assert config.expression is not None
    values, defined = parse(config.expression).table(n)
    if defined.sum() < 2:
        raise ConfigError(
            f"task.expression = {config.expression!r} has a value at {int(defined.sum())} pairs modulo {n}: it divides "
            "by numbers without an inverse; use another modulus, or an expression that does not divide by them"
        )
    x, y = (torch.from_numpy(operand) for operand in np.nonzero(defined))
    labels = np.where(defined, values, -1)
    token_names = [*map(str, range(n)), *names_of_signs(["f"], config.form)]
    name = f"{config.expression} mod {n}"
    numbers = np.arange(n)
    return Task(
        name=name,
        tokens=sequence(x, y, equals=n, operation=n + 1, form=config.form),
        labels=torch.from_numpy(values[defined]),
        token_names=tuple(token_names),
        n_answers=n,
        operand_positions=operand_positions(config.form),
        make_operations=partial(recognised_operations, config.expression, numbers, numbers, labels, token_names, n),
        notes=_left_out(name, defined),
    )


def _left_out(name: str, defined: np.ndarray) -> tuple[str, ...]:
    """A sentence about the pairs that are no examples, if there are any."""
    if defined.all():
        return ()
    columns = np.flatnonzero(~defined.any(axis=0))
    others = int((~defined).sum()) - len(columns) * len(defined)
    listed = ", ".join(map(str, columns[:12])) + (", ..." if len(columns) > 12 else "")
    parts = [f"y = {listed}"] if len(columns) else []
    parts += [f"{others}{' more' if parts else ''} of {defined.size} pairs"] if others else []
    return (f"{name}: {' and '.join(parts)} left out, where a divisor has no inverse",)
