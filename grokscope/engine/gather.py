"""Rows by index, with a backward that adds in a fixed order on any number of threads."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.n_rows = table.shape[0]
        return table.index_select(0, index.flatten()).unflatten(0, index.shape)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return add_rows(grad, ctx.saved_tensors[0], ctx.n_rows), None


def rows(table: Float[Tensor, "row d"], index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape d"]:
    """table[index], differentiable. The backward of plain indexing adds in an order that depends on the threads."""
    return _Rows.apply(table, index)  # type: ignore[no-any-return]


def add_rows(values: Float[Tensor, "*shape d"], index: Int[Tensor, "*shape"], n_rows: int) -> Float[Tensor, "row d"]:
    """The transpose of `rows`: a table of zeros to whose rows the values are added, in the order of the index."""
    if values.device.type != "cpu":
        # index_add_ is atomic there, in no fixed order; the backward of an embedding sorts first.
        return torch.ops.aten.embedding_dense_backward(values, index, n_rows, -1, False)
    table = values.new_zeros((n_rows, values.shape[-1]))
    return table.index_add_(0, index.flatten(), values.reshape(-1, values.shape[-1]))
