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

from grokscope.jit import loops_serve


@cache
def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


def matmul_transposed(
    x: Float[Tensor, "row in"], w: Float[Tensor, "out in"], b: Float[Tensor, "out"] | None = None
) -> Float[Tensor, "row out"]:
    """x @ w.T + b, outside autograd. 2 * row * in * out FLOPs."""
    if x.dtype == torch.float32 and loops_serve(x) and x.numel() and w.numel() and _has_onednn():
        return torch.ops.mkldnn._linear_pointwise(x, w, b, "none", [], "")
    return torch.nn.functional.linear(x, w, b)


def column_sums(x: Float[Tensor, "row column"]) -> Float[Tensor, "column"]:
    """x.sum(0), as a product: faster than running down the columns."""
    return (x.new_ones((1, x.shape[0])) @ x)[0]


def weight_gradients(
    x: Float[Tensor, "row in"], *outputs: Float[Tensor, "row out"]
) -> tuple[Float[Tensor, "in out"], ...]:
    """x.T @ dy for the gradient dy of each product that x went into."""
    products: list[Tensor] = []
    x_transposed = None
    for dy in outputs:
        if x.shape[1] > dy.shape[1]:  # the kernel copies its first operand into rows: give it the smaller one
            products.append(matmul_transposed(dy.T, x.T).T)
            continue
        if x_transposed is None:
            x_transposed = x.T.contiguous()
        products.append(matmul_transposed(x_transposed, dy.T))
    return tuple(products)
