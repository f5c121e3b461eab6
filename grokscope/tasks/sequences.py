"""Two operands as a token sequence: [x, op, y, =] or [x, y, =]."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config.task import Form


def sequence(
    x: Int[Tensor, "example"], y: Int[Tensor, "example"], equals: int, operation: int, form: Form
) -> Int[Tensor, "example position"]:
    """The token sequences of pairs (x, y); the operation token is left out of the three-token form."""
    columns = [x, torch.full_like(x, operation), y, torch.full_like(x, equals)]
    if form == "x_y_eq":
        del columns[1]
    return torch.stack(columns, dim=1)


def operand_positions(form: Form) -> tuple[int, int]:
    """Where x and y stand in a sequence."""
    return (0, 2) if form == "x_op_y_eq" else (0, 1)
