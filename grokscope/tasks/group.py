"""Products in a finite group: [a, o, b, =] -> the token of the product of a and b.

The group comes by name, by its elements as permutations, or by its Cayley table; `permutation` is S_n in the
lexicographic order of `itertools.permutations(range(n))`. Token i is element i of the group, so that the
labels are the group's table:

    permutations   "ba" (the published S5 task): the label of (a, b) is the index of b[a], i -> b[a[i]], first a
                   and then b. "ab": that of a[b], first b and then a.
    other names    the product a b of `grokscope.groups`: sums in Zn, pairs in products, r^i s^e in Dn
    a table        table[a][b]

Tokens: the elements, then `=`, then the operation (none in the form [x, y, =]; neither in [x, y]).
"""

from __future__ import annotations

from math import factorial

import numpy as np
import torch

from grokscope.config import ConfigError, TaskConfig
from grokscope.groups import (
    AlternatingGroup,
    FiniteGroup,
    RecognisedGroup,
    RecognisedPermutations,
    SymmetricGroup,
    group_by_name,
)
from grokscope.groups.names import factors, order_of
from grokscope.tasks.size import TaskSize, size_of_pairs
from grokscope.tasks.task import Operation, Task, names_of_signs, operand_positions, sequence


def group_task(config: TaskConfig) -> Task:
    """Every pair (a, b), a slowest, of the group of a config named permutation or group.

    Raises `ConfigError`, naming the setting, for elements that are not closed and for a table that is no group's.
    """
    group = _group(config)
    order = group.order
    token_names = [*(config.names or group.labels), *names_of_signs(["o"], config.form)]
    a, b = torch.cartesian_prod(torch.arange(order), torch.arange(order)).unbind(1)
    element = np.full(len(token_names), -1, dtype=np.int64)
    element[:order] = np.arange(order)
    operation = Operation(config.name, group, element, element, element, np.arange(order**2))
    return Task(
        name=f"composition in {group.name}" if config.is_permutations else f"product in {group.name}",
        tokens=sequence(a, b, equals=order, operation=order + 1, form=config.form),
        labels=torch.from_numpy(group.table.flatten()),
        token_names=tuple(token_names),
        n_answers=order,
        operand_positions=operand_positions(config.form),
        make_operations=lambda: (operation,),
    )


def group_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `group_task`."""
    rows = config.elements or config.table
    if rows is not None:
        order = len(rows)
    else:
        order = factorial(config.degree) if config.group is None else order_of(factors(config.group) or ())
    return size_of_pairs(order**2, order, config.form)


def _group(config: TaskConfig) -> FiniteGroup:
    """The group whose table holds the labels."""
    if config.elements is not None:
        try:
            return RecognisedPermutations(config.elements, product=config.product)
        except ValueError as error:
            raise ConfigError(
                f"task.elements is not accepted: {error}; use permutations that are closed under composition"
            ) from None
    if config.table is not None:
        try:
            return RecognisedGroup(config.table, labels=config.names)
        except ValueError as error:
            raise ConfigError(f"task.table is not accepted: {error}; use the Cayley table of a group") from None
    named = SymmetricGroup(config.degree) if config.group is None else group_by_name(config.group)
    if config.product == "ab" and isinstance(named, SymmetricGroup | AlternatingGroup):
        return RecognisedPermutations(named.permutations, product="ab")
    return named
