"""Arithmetic modulo n, one operation or several in one dataset.

Addition and subtraction live on Z_n, and so does a*a - b, whose first operand stands for its square; n may be any
number. Multiplication and division live on the units modulo a prime p, which are Z_(p-1) by discrete logarithm; x = 0
is a valid operand there but no group element.

Tokens: numbers 0 .. n-1, then `=`, then one token per operation (none in the form [x, y, =]; neither in [x, y]).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config import TaskConfig
from grokscope.config.task import Operation as OperationName
from grokscope.groups import CyclicGroup, UnitsModulo
from grokscope.tasks.size import TaskSize, size_of_pairs
from grokscope.tasks.task import Operation, Task, names_of_signs, operand_positions, sequence

SYMBOLS: dict[OperationName, str] = {"add": "+", "sub": "-", "mul": "*", "div": "/", "square_sub": "^2-"}
INVERTED: tuple[OperationName, ...] = ("sub", "div", "square_sub")
"""Operations that apply the inverse of their second operand."""


def operands(name: OperationName, p: int) -> tuple[Int[Tensor, "example"], Int[Tensor, "example"]]:
    """All pairs (x, y), x slowest; y = 0 is left out where it has no inverse or maps everything to 0."""
    first = 1 if name in ("mul", "div") else 0
    x, y = torch.cartesian_prod(torch.arange(p), torch.arange(first, p)).unbind(1)
    return x, y


def modular_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `modular_task`."""
    p, names = config.modulus, _names(config)
    of_right = [p - (name in ("mul", "div")) for name in names]
    return size_of_pairs(
        sum(of_right) * p, p, config.form, n_right=max(of_right), n_elements=p, n_operations=len(names)
    )


def _names(config: TaskConfig) -> tuple[OperationName, ...]:
    """The operations of a config named for an operation, or mixed."""
    return config.operations if config.name == "mixed" else (config.name,)  # type: ignore[return-value]


def answers(
    name: OperationName, x: Int[Tensor, "example"], y: Int[Tensor, "example"], p: int
) -> Int[Tensor, "example"]:
    """x op y modulo p; division multiplies by y^-1 = pow(y, -1, p), square_sub is x*x - y."""
    if name == "add":
        return (x + y) % p
    if name == "sub":
        return (x - y) % p
    if name == "square_sub":
        return (x * x - y) % p
    if name == "div":
        y = torch.tensor([0] + [pow(v, -1, p) for v in range(1, p)])[y]
    return x * y % p


def _operations(names: tuple[OperationName, ...], p: int, d_vocab: int) -> tuple[Operation, ...]:
    """The operations of the task, in the order of their examples."""
    operations, start = [], 0
    for name in names:
        element = np.full(d_vocab, -1, dtype=np.int64)
        if name in ("mul", "div"):
            group = UnitsModulo(p)
            element[:p] = group.element_of_residue
        else:
            group = CyclicGroup(p)
            element[:p] = np.arange(p)
        left = element
        if name == "square_sub":  # the first operand acts through its square, which it shares with its negative
            left = element.copy()
            left[:p] = np.arange(p) ** 2 % p
        right = np.where(element >= 0, group.inverse[element], -1) if name in INVERTED else element
        stop = start + len(operands(name, p)[0])
        operations.append(Operation(name, group, left, right, element, np.arange(start, stop)))
        start = stop
    return tuple(operations)


def modular_task(config: TaskConfig) -> Task:
    """The task of a config named for an operation, or mixed, whose operations follow one another in the table."""
    p, names = config.modulus, _names(config)
    token_names = [*map(str, range(p)), *names_of_signs([SYMBOLS[name] for name in names], config.form)]
    tokens, labels = [], []
    for i, name in enumerate(names):
        x, y = operands(name, p)
        tokens.append(sequence(x, y, equals=p, operation=p + 1 + i, form=config.form))
        labels.append(answers(name, x, y, p))
    title = f"{'+'.join(names)} mod {p}" if config.name == "mixed" else f"{config.name} mod {p}"
    return Task(
        name=title,
        tokens=torch.cat(tokens),
        labels=torch.cat(labels),
        token_names=tuple(token_names),
        n_answers=p,
        operand_positions=operand_positions(config.form),
        make_operations=partial(_operations, names, p, len(token_names)),
    )
