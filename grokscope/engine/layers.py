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
from grokscope.model import Weights

Gradients: TypeAlias = dict[str, Tensor]
"""Gradient of each parameter, by its name."""
Backward: TypeAlias = Callable[[Tensor, Gradients], Tensor]
"""From the gradient of a layer's output to that of its input; those of the parameters are recorded."""

EPS = 1e-5
"""Added to the variance by LayerNorm: the default of `HookedTransformerConfig.eps`."""


def as_matrix(name: str, weight: Tensor) -> Float[Tensor, "in out"]:
    """A weight as the matrix of a product x @ W, heads joined."""
    if name.endswith(("W_Q", "W_K", "W_V")):  # [head, d_model, d_head]
        return weight.transpose(0, 1).flatten(1)
    return weight.flatten(0, -2)  # W_O is [head, d_head, d_model]


def _from_matrix(name: str, matrix: Float[Tensor, "in out"], like: Tensor) -> Tensor:
    """The inverse of `as_matrix`, in the shape of the parameter."""
    if name.endswith(("W_Q", "W_K", "W_V")):
        return matrix.unflatten(1, (like.shape[0], like.shape[2])).transpose(0, 1)
    return matrix.view_as(like) if matrix.is_contiguous() else matrix.reshape(like.shape)


def products(
    weights: Weights, parameters: dict[str, str | None], x: Float[Tensor, "row in"]
) -> tuple[list[Tensor], Callable[[list[Tensor], Gradients], Tensor]]:
    """x @ W + b for several weights, named in `parameters` with the bias of each (None: it has none)."""
    matrices = {name: as_matrix(name, weights[name]) for name in parameters}
    biases = {name: None if bias is None else weights[bias].flatten() for name, bias in parameters.items()}
    out = [matmul_transposed(x, matrix.T, biases[name]) for name, matrix in matrices.items()]

    def backward(dys: list[Tensor], grads: Gradients) -> Tensor:
        dx = None
        for (name, bias), dy, dw in zip(parameters.items(), dys, weight_gradients(x, *dys), strict=True):
            grads[name] = _from_matrix(name, dw, weights[name])
            if bias is not None:
                grads[bias] = column_sums(dy).view_as(weights[bias])
            part = matmul_transposed(dy, matrices[name])
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
    """gelu(x) = x * Phi(x), exact, or relu; the backward overwrites the gradient that it is given."""
    if kind == "relu":
        return F.relu(pre), lambda dpost: torch.ops.aten.threshold_backward(dpost, pre, 0)
    return F.gelu(pre), lambda dpost: torch.ops.aten.gelu_backward.grad_input(dpost, pre, grad_input=dpost)
