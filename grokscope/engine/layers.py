"""Layers of a transformer on rows, each with the backward pass that belongs to it.

A layer takes the weights by name and returns its output and a function that turns the gradient of the
output into that of the input, and records those of its parameters by name in `Gradients`. One pass written
by hand through all of them costs less than autograd, which would keep a node for each of some 50 small
operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from grokscope.config.model import Activation
from grokscope.engine.linear import column_sums, matmul_transposed, weight_gradients
from grokscope.model import Weights, as_matrix, from_matrix, memory_order

Gradients: TypeAlias = dict[str, Tensor]
"""Gradient of each parameter, by its name."""
Backward: TypeAlias = Callable[[Tensor, Gradients], Tensor]
"""From the gradient of a layer's output to that of its input; those of the parameters are recorded."""

EPS = 1e-5
"""Added to the variance by LayerNorm: the default of `HookedTransformerConfig.eps`."""


def _matrix(name: str, weight: Tensor) -> Float[Tensor, "out in"]:
    """A weight as the matrix that rows are multiplied by, laid out in memory as in training.

    The layout decides which way a kernel adds, and so the last bits of a product: weights that were read from a file,
    whose order in memory is that of their shape, give the numbers that they gave in training.
    """
    order = memory_order(name)
    if order is not None and weight.is_contiguous():
        weight = weight.permute(order).contiguous().permute([order.index(axis) for axis in range(len(order))])
    return as_matrix(name, weight)


def products(
    weights: Weights, parameters: dict[str, str | None], x: Float[Tensor, "row in"]
) -> tuple[list[Tensor], Callable[[list[Tensor], Gradients], Tensor]]:
    """x @ W + b for several weights, named in `parameters` with the bias of each (None: it has none)."""
    matrices = {name: _matrix(name, weights[name]) for name in parameters}
    biases = {name: None if bias is None else weights[bias].flatten() for name, bias in parameters.items()}
    out = [matmul_transposed(x, matrix, biases[name]) for name, matrix in matrices.items()]

    def backward(dys: list[Tensor], grads: Gradients) -> Tensor:
        dx = None
        for (name, bias), dy, dw in zip(parameters.items(), dys, weight_gradients(x, *dys), strict=True):
            grads[name] = from_matrix(name, dw.T, weights[name].shape)
            if bias is not None:
                grads[bias] = column_sums(dy).view_as(weights[bias])
            part = matmul_transposed(dy, matrices[name].T)
            dx = part if dx is None else dx.add_(part)
        assert dx is not None
        return dx

    return out, backward


def linear(weights: Weights, name: str, bias: str | None, x: Float[Tensor, "row in"]) -> tuple[Tensor, Backward]:
    """x @ W + b, with weights stored [in, out] as TransformerLens does. 2 * row * in * out FLOPs."""
    (y,), back = products(weights, {name: bias}, x)
    return y, lambda dy, grads: back([dy], grads)


def layer_norm(weights: Weights, name: str, x: Float[Tensor, "row d"]) -> tuple[Tensor, Backward]:
    """(x - mean) / sqrt(variance + EPS) * w + b over each row."""
    w, b = weights[name + ".w"], weights[name + ".b"]
    y, mean, inverse = torch.native_layer_norm(x, x.shape[-1:], w, b, EPS)

    def backward(dy: Tensor, grads: Gradients) -> Tensor:
        dx, grads[name + ".w"], grads[name + ".b"] = torch.ops.aten.native_layer_norm_backward(
            dy, x, x.shape[-1:], mean, inverse, w, b, [True, True, True]
        )
        return dx

    return y, backward


def activation(kind: Activation, pre: Float[Tensor, "row d_mlp"]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The activation that `model.activation` names; the backward may overwrite the gradient that it is given."""
    if kind == "quadratic":
        return pre.square(), lambda dpost: dpost.mul_(pre).mul_(2.0)
    if kind == "relu":
        return F.relu(pre), lambda dpost: torch.ops.aten.threshold_backward(dpost, pre, 0)
    if kind == "silu":
        return F.silu(pre), lambda dpost: torch.ops.aten.silu_backward(dpost, pre)
    if kind == "gelu_new":
        return (
            F.gelu(pre, approximate="tanh"),
            lambda dpost: torch.ops.aten.gelu_backward(dpost, pre, approximate="tanh"),
        )
    return F.gelu(pre), lambda dpost: torch.ops.aten.gelu_backward.grad_input(dpost, pre, grad_input=dpost)
