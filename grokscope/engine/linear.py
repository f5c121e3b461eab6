"""Matrix products, through the fastest exact kernel that the device has.

On a CPU torch sends float32 products to MKL, which on processors other than Intel's leaves half of the
machine unused (measured: 106 against 235 GFLOP/s on one core of an AMD EPYC with AVX-512). oneDNN,
which every CPU build of torch carries, does not. torch reaches it for float32 through
`mkldnn::_linear_pointwise`; where that is missing, or on another device or dtype, `addmm` serves.
Both sum in float32: results differ by rounding only.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor


@cache
def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


def matmul_transposed(
    x: Float[Tensor, "row in"], w: Float[Tensor, "out in"], b: Float[Tensor, "out"] | None = None
) -> Float[Tensor, "row out"]:
    """x @ w.T + b, outside autograd."""
    if x.dtype == torch.float32 and x.device.type == "cpu" and x.shape[0] and _has_onednn():
        return torch.ops.mkldnn._linear_pointwise(x, w, b, "none", [], "")
    return torch.nn.functional.linear(x, w, b)


def column_sums(x: Float[Tensor, "row column"]) -> Float[Tensor, "column"]:
    """x.sum(0), as a product: faster than running down the columns."""
    return (x.new_ones((1, x.shape[0])) @ x)[0]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.has_bias = b is not None
        return matmul_transposed(x, w.T, b)

    @staticmethod
    def backward(ctx, dy: Tensor):  # type: ignore[override]
        x, w = ctx.saved_tensors
        needs_x, needs_w, needs_b = ctx.needs_input_grad
        dx = matmul_transposed(dy, w) if needs_x else None
        dw = None
        if needs_w:
            # x.T @ dy, with the smaller operand as the one that is copied into rows.
            if x.shape[1] <= dy.shape[1]:
                dw = matmul_transposed(x.T, dy.T)
            else:
                dw = matmul_transposed(dy.T, x.T).T
        db = column_sums(dy) if ctx.has_bias and needs_b else None
        return dx, dw, db


def linear(
    x: Float[Tensor, "row in"], w: Float[Tensor, "in out"], b: Float[Tensor, "out"] | None = None
) -> Float[Tensor, "row out"]:
    """x @ w + b, with weights stored [in, out] as TransformerLens does. 2 * row * in * out FLOPs."""
    return _Linear.apply(x, w, b)  # type: ignore[no-any-return]
