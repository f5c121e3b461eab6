"""Composition of permutations: [a, o, b, =] -> the index of b[a], first a and then b.

Elements of S_n are numbered in the lexicographic order of `itertools.permutations(range(n))`.
Tokens: the n! elements, then `=`, then the operation (none in the three-token form).
"""

from __future__ import annotations

from functools import partial
from itertools import permutations
from math import factorial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config.schema import TaskConfig
from grokscope.groups import SymmetricGroup
from grokscope.tasks.sequences import operand_positions, sequence
from grokscope.tasks.task import Operation, Task


def composition_table(degree: int) -> Int[Tensor, "a b"]:
    """Index of b[a] for all pairs of permutations of `degree` things."""
    elements = np.array(list(permutations(range(degree))))
    # Digits of a permutation in base n order permutations as tuples do, so a sorted search finds the index.
    place = degree ** np.arange(degree - 1, -1, -1)
    keys = elements @ place
    composed = elements[:, elements].transpose(1, 0, 2)  # [a, b, i] = b[a[i]]
    return torch.from_numpy(np.searchsorted(keys, composed @ place))


def _algebra(degree: int, d_vocab: int) -> tuple[Operation, ...]:
    element = np.full(d_vocab, -1, dtype=np.int64)
    element[: factorial(degree)] = np.arange(factorial(degree))
    examples = np.arange(factorial(degree) ** 2)
    return (Operation("permutation", SymmetricGroup(degree), element, element, element, examples),)


def permutation_task(config: TaskConfig) -> Task:
    """Composition in S_n, n = `config.degree`: every pair (a, b), a slowest."""
    n = config.degree
    order = factorial(n)
    token_names = ["".join(map(str, e)) for e in permutations(range(n))] + ["="]
    if config.form == "x_op_y_eq":
        token_names.append("o")
    a, b = torch.cartesian_prod(torch.arange(order), torch.arange(order)).unbind(1)
    return Task(
        name=f"composition in S{n}",
        tokens=sequence(a, b, equals=order, operation=order + 1, form=config.form),
        labels=composition_table(n).flatten(),
        token_names=tuple(token_names),
        n_answers=order,
        operand_positions=operand_positions(config.form),
        _algebra=partial(_algebra, n, len(token_names)),
    )
