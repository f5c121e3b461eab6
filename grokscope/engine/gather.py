"""Rows by index, and its transpose in a fixed order on any number of threads."""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.jit import loops_serve

RowIndex: TypeAlias = Int[Tensor, "chosen"] | slice
"""Some rows of a table: any by index, or consecutive ones."""


def rows(table: Float[Tensor, "row d"], which: RowIndex) -> Float[Tensor, "chosen d"]:
    """table[which]: a copy by index, a view by slice."""
    return table[which] if isinstance(which, slice) else table.index_select(0, which)


def add_rows_(table: Float[Tensor, "row *d"], which: RowIndex, values: Float[Tensor, "chosen *d"]) -> None:
    """table[which] += values, in place; repeated rows are added in the order of the index.

    The backward of plain indexing adds in an order that depends on the threads.
    """
    if isinstance(which, slice):
        table[which] += values
    elif loops_serve(table):
        table.index_add_(0, which, values)
    else:
        # index_add_ is atomic there, in no fixed order; the backward of an embedding sorts first.
        flat = values.flatten(1)
        table += torch.ops.aten.embedding_dense_backward(flat, which, len(table), -1, False).view_as(table)
